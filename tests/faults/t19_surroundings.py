"""Hostile surroundings: read-only places, no HOME, no network, few files, odd locales, paths, clocks and pipes."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from .outcome import Outcome

ROOT = Path(__file__).parents[2]
SMOKE = ("train", "digits_lenet5", "--smoke")
CACHES = {".keras", "matplotlib"}  # folders in HOME, or in /tmp where HOME cannot be written
CRITERION = (
    "the smoke recipe trains to the very same weights, or one line of a typed error with exit 2 or 3 says why not; "
    "0 connect() calls; no file outside of runs, saved_models and the libraries' caches"
)
# Loaded by Python before anything else: tells of connections and of files opened to write, and may move the clock.
WATCH = """
import fcntl, os, sys, time

_file = os.open(os.environ["FAULTS_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
_log = fcntl.fcntl(_file, fcntl.F_DUPFD_CLOEXEC, 10)  # not in the place of a closed stdout
os.close(_file)


def _hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.sendmsg"):
        os.write(_log, f"net {event} {args[event != 'socket.getaddrinfo':]}\\n".encode("utf-8", "replace"))
    elif event == "open" and isinstance(args[0], (str, bytes)) and isinstance(args[2], int) and args[2] & 3:
        os.write(_log, b"file " + os.path.abspath(os.fsencode(args[0])) + b"\\n")


sys.addaudithook(_hook)
if os.environ.get("FAULTS_CLOCK"):
    _real, _jump = time.time, time.monotonic() + float(os.environ["FAULTS_CLOCK"])
    time.time = lambda: _real() - (400 * 86400 if time.monotonic() > _jump else 0)
"""


class Case(NamedTuple):
    """One kind of surroundings: a shell line around `"$@"`, the command line of kcnn, and what may come of it."""

    name: str
    shell: str = '"$@"'
    environment: Mapping[str, str | None] = MappingProxyType({})
    arguments: tuple[str, ...] = ()
    codes: tuple[int, ...] = (0,)
    says: str = ""
    prepare: Callable[[Path], None] | None = None


def _long(place: Path) -> None:
    (place / ("long" * 50)).mkdir()


def _read_only(place: Path) -> None:
    (place / "runs").mkdir()
    (place / "runs").chmod(0o555)


LONG = "r" * 190
UNSHARED = subprocess.run(["unshare", "-nm", "true"], capture_output=True, check=False).returncode == 0
NO_NETWORK = '"$@"; code=$?; cp /proc/net/snmp "$PLACE/snmp"; exit $code'
CASES = (
    Case("as usual, with an export", arguments=()),
    Case("read-only run folder", codes=(3,), says="cannot write into the run folder", prepare=_read_only),
    Case("HOME unset", environment={"HOME": None}),
    Case("HOME that does not exist", environment={"HOME": "/proc/nonexistent"}),
    Case("no network", shell=NO_NETWORK),
    Case("64 open files", shell='ulimit -n 64; "$@"'),
    Case("24 open files", shell='ulimit -n 24; "$@"', codes=(0, 3)),
    Case(
        "locale C, no UTF-8 mode",
        environment={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": None},
        arguments=("--runs=Bäume/läuft/日本",),
    ),
    Case("odd time zone", environment={"TZ": "Nowhere/Land"}),
    Case("non-ASCII paths and spaces", arguments=("--runs=Bäume und Läufe/日本", "--name=größe_β")),
    Case("200-character paths", arguments=(f"--runs={'long' * 50}", f"--name={LONG}"), prepare=_long),
    Case("clock that jumps back", environment={"FAULTS_CLOCK": "6"}),
    Case("stdout closed", shell='"$@" >&-'),
    Case("stdout into `head -1`", shell='"$@" | head -1; exit ${PIPESTATUS[0]}'),
    Case("stderr closed", shell='"$@" 2>&-'),
    Case("stdin closed", shell='"$@" <&-'),
    Case("no temporary folder", environment={"TMPDIR": "/proc/nonexistent"}),
    Case("1 MB of /dev/shm", shell='mount -t tmpfs -o size=1m none /dev/shm && "$@"'),
    Case("a full disk", shell='mkdir runs && mount -t tmpfs -o size=200k none runs && "$@"', codes=(3,), says="space"),
)
NEEDS = {
    "no network": "-n",
    "1 MB of /dev/shm": "-m",
    "a full disk": "-m",
    "read-only run folder": "-m",
}


def run(n: int, work: Path) -> Outcome:
    """Run the smoke recipe once in each kind of surroundings; `n` is ignored."""
    site = work / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
    rows: list[dict[str, Any]] = []
    for case in CASES:
        begun = time.monotonic()
        rows.append(_try(case, work / f"case{len(rows)}", site, rows[0] if rows else None))
        print(f"{case.name}: {rows[-1]['code']}, {time.monotonic() - begun:.0f} s {rows[-1]['trouble']}", flush=True)
    done = [row for row in rows if row["code"] is not None]
    good = [row for row in done if not row["trouble"]]
    worked = sum(row["code"] == 0 for row in good)
    return Outcome(
        criterion=CRITERION,
        passed=len(good) == len(done),
        kcnn=f"{len(good)} of {len(done)}: {worked} trained to the same weights, {len(good) - worked} typed errors; "
        f"{sum(row['net'] for row in done)} connect() calls, {sum(len(row['outside']) for row in done)} files outside"
        + (f"; {len(rows) - len(done)} need more rights" if len(done) < len(rows) else ""),
        figures={"cases": rows},
    )


def _try(case: Case, place: Path, site: Path, usual: dict[str, Any] | None) -> dict[str, Any]:
    """Run one case; return its exit code (None where this machine cannot make it) and what is wrong."""
    row: dict[str, Any] = {"case": case.name, "code": None, "trouble": [], "net": 0, "outside": [], "weights": ""}
    if case.name in NEEDS and not UNSHARED:
        return row
    for name in ("", "home", "tmp", "cwd"):
        (place / name).mkdir(exist_ok=True)
    here = place / "cwd"
    if case.prepare:
        case.prepare(here)
    log = place / "watch.log"
    changed = {
        "HOME": str(place / "home"), "TMPDIR": str(place / "tmp"), "PYTHONPATH": f"{site}{os.pathsep}{ROOT}",
        "FAULTS_LOG": str(log), "PLACE": str(place), "TF_CPP_MIN_LOG_LEVEL": None, **case.environment,
    }  # fmt: skip
    keep = {key: value for key, value in os.environ.items() if key not in changed and not key.startswith("LC_")}
    environment = keep | {key: value for key, value in changed.items() if value is not None}
    shell = case.shell
    if case.name == "read-only run folder":  # root may write where nobody may, but not on a read-only mount
        shell = f"mount --bind runs runs && mount -o remount,bind,ro runs && {shell}"
    export = () if usual is None else ("--no_export",)
    kcnn = [sys.executable, "-m", "kcnn", *SMOKE, *export, *case.arguments]
    command = ["bash", "-c", shell, "bash", *kcnn]
    if case.name in NEEDS:
        command = ["unshare", NEEDS[case.name], *command]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, check=False, timeout=900)
    out, error = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    row["code"] = done.returncode
    if done.returncode not in case.codes:
        row["trouble"].append(f"exit code {done.returncode}: {error[-700:]}")
    if "Traceback" in out + error:
        row["trouble"].append(f"a traceback: {error[-700:]}")
    if done.returncode:
        lines = [line for line in error.splitlines() if line.startswith("error:")]
        if len(lines) != 1 or case.says not in error:
            row["trouble"].append(f"no typed error in {error[-700:]!r}")
    else:
        row["weights"] = _weights(here)
        if usual and row["weights"] != usual["weights"]:
            row["trouble"].append("other weights than usual")
    _look(row, place, log)
    shutil.rmtree(place, ignore_errors=True)
    return row


def _weights(here: Path) -> str:
    import hashlib

    (file,) = [path for path in here.rglob("weights.safetensors") if "saved_models" not in path.parts]
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _look(row: dict[str, Any], place: Path, log: Path) -> None:
    """Find connections, and files where none should be."""
    told = log.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if log.exists() else []
    row["net"] = sum(line.startswith("net ") for line in told)
    opened = {Path(line.removeprefix("file ")) for line in told if line.startswith("file ")}
    outside = [p for p in opened if not p.is_relative_to(place) and "__pycache__" not in p.parts and p.is_file()]
    outside = [p for p in outside if not p.is_relative_to("/dev") and not p.is_relative_to("/proc")]
    left = [p for p in (place / "home").rglob("*") if p.is_file()]
    outside = [p for p in (*outside, *left) if not CACHES & {*p.parts}]
    outside += [*(place / "tmp").rglob("*")]
    named = ("runs", "saved_models", "Bäume", "Bäume und Läufe", "long" * 50)
    outside += [p for p in (place / "cwd").iterdir() if p.name not in named]
    row["outside"] = sorted({str(p) for p in outside})
    if (place / "snmp").exists():
        row["net"] += _attempts((place / "snmp").read_text(encoding="utf-8"))
    if row["net"]:
        row["trouble"].append(f"{row['net']} connections: {[line for line in told if line.startswith('net ')][:3]}")
    if row["outside"]:
        row["trouble"].append(f"files outside: {row['outside'][:5]}")


def _attempts(snmp: str) -> int:
    """Count what left for the network, from C++ too: the counters of a fresh network namespace begin at 0."""
    lines = snmp.splitlines()
    counters = {}
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        kind = names.partition(":")[0]
        counters |= {f"{kind}{k}": int(v) for k, v in zip(names.split()[1:], values.split()[1:], strict=True)}
    return sum(counters[name] for name in ("TcpActiveOpens", "UdpOutDatagrams", "IpOutNoRoutes"))
