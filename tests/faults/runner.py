"""The command line: which tests, each in a process of its own, one table."""

import argparse
import ast
import contextlib
import datetime
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from kcnn import atomic

from . import record
from .forks import RESULTS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_WIDTHS = {"test": 4, "fault": 34, "kcnn": 52, "baseline": 46, "seconds": 7}
_PACKAGES = ("tensorflow", "keras", "numpy", "safetensors", "ai-edge-litert")


def tests() -> dict[str, Path]:
    """Return name -> file, as T1 -> t01_kill.py, in the order of the numbers."""
    return {f"T{int(path.name[1:3])}": path for path in sorted(HERE.glob("t[0-9][0-9]_*.py"))}


def fault(file: Path) -> str:
    """Return what a test breaks: the first line of its docstring, read without importing it."""
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or file.stem).splitlines()[0].rstrip(".")


def run(name: str, n: int, keep: Path | None = None) -> dict[str, Any]:
    """Run one test in a process of its own and return its row; a crash is a row that failed.

    Args:
        keep: a folder for the results of single repetitions; those that are in it are not done again.
    """
    file, begun = tests()[name], time.monotonic()
    row = {"test": name, "fault": fault(file), "n": n}
    with contextlib.nullcontext(keep / name) if keep else tempfile.TemporaryDirectory(prefix=f"kcnn-{name}-") as place:
        work, result = Path(place, "work"), Path(place, "outcome.json")
        result.unlink(missing_ok=True)
        work.mkdir(parents=True, exist_ok=True)
        for old in work.iterdir():
            if not old.name.endswith(RESULTS):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        command = [sys.executable, "-m", "tests.faults.one", file.stem, str(n), str(work), str(result)]
        code = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode
        if code == 0 and result.is_file():
            row |= json.loads(result.read_text(encoding="utf-8"))
        else:
            row |= {"criterion": "", "passed": False, "kcnn": f"the test itself ended with {code}", "baseline": ""}
    return row | {"seconds": round(time.monotonic() - begun, 1)}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as text for a terminal, long cells wrapped."""
    lines = ["  ".join(f"{name:{width}}" for name, width in _WIDTHS.items()).rstrip()]
    lines.append("  ".join("-" * width for width in _WIDTHS.values()))
    for row in rows:
        words = {**row, "kcnn": row["kcnn"] if row["passed"] else f"FAILED: {row['kcnn']}"}
        cells = [textwrap.wrap(str(words[name]), width) or [""] for name, width in _WIDTHS.items()]
        for i in range(max(map(len, cells))):
            parts = zip(cells, _WIDTHS.values(), strict=True)
            lines.append("  ".join(f"{cell[i] if i < len(cell) else '':{width}}" for cell, width in parts).rstrip())
    return "\n".join(lines)


def surroundings() -> dict[str, Any]:
    """Return date and versions, for whoever compares two records."""
    return {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
    }


def _claim(keep: Path) -> str:
    """Mark a folder of results with the sources and versions they are of; return what is wrong with it, or ""."""
    about = {key: value for key, value in surroundings().items() if key != "date"}
    digest, mark = hashlib.sha256(json.dumps(about).encode()), keep / "sources.sha256"
    for path in sorted([*(ROOT / "kcnn").rglob("*.py"), *HERE.rglob("*.py")]):
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    if mark.is_file() and mark.read_text(encoding="utf-8") != digest.hexdigest():
        return f"the results in {keep} are of other sources or versions; give --keep another folder"
    atomic.write_text(mark, digest.hexdigest())
    return ""


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; 1 when a criterion fails."""
    known = tests()
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Break things on purpose.")
    parser.add_argument("names", nargs="*", metavar="T", help=f"which tests: {' '.join(known)}; all by default")
    parser.add_argument("--n", type=int, default=20, help="how often a random fault is repeated (20)")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep each repetition's result there; the same call then goes on"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--record", type=Path, metavar="FILE", help="put them into the record of docs/reliability.md")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no test {', '.join(unknown)}; there are {' '.join(known)}")
    if options.n < 1:
        parser.error(f"--n is {options.n} but must be at least 1")
    if options.keep and (trouble := _claim(options.keep)):
        parser.error(trouble)
    rows = []
    for name in options.names or known:
        print(f"{name}: {fault(known[name])} ...", file=sys.stderr, flush=True)
        rows.append(run(name, options.n, options.keep))
    about = surroundings()
    print(table(rows))
    failed = [row["test"] for row in rows if not row["passed"]]
    print(f"\n{about['date']}, n = {options.n}, python {about['python']}, {about['cpus']} cpus, ", end="")
    print(", ".join(f"{name} {version}" for name, version in about["packages"].items()))
    print(f"failed: {', '.join(failed)}" if failed else f"all {len(rows)} passed")
    if options.json:
        options.json.write_text(json.dumps({**about, "n": options.n, "tests": rows}, indent=1) + "\n", encoding="utf-8")
    if options.record:
        record.write(options.record, rows, about)
    return 1 if failed else 0
