"""Decompression bombs: small files that ask for gigabytes."""

import json
import re
import resource
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from kcnn.data.decode import decode
from kcnn.data.headers import check_header
from kcnn.data.splits import file_split
from kcnn.data.verify import scan
from kcnn.errors import DataError
from kcnn.recipe import Preprocess

from . import pictures
from .outcome import Outcome

LIMIT_MB, SECONDS = 64, 10
BASELINE_MB = 4096  # that a child of the baseline may add to its address space
CRITERION = (
    f"each bomb is refused from its header with a typed error before training and by predict, and does no harm to the "
    f"decoder alone, as in serving: resident memory grows by less than {LIMIT_MB} MB, in less than {SECONDS} s"
)


def bombs() -> dict[str, bytes]:
    """Return name -> bytes; each asks for a quarter of a gigabyte at least."""
    squeeze = zlib.compressobj(9)
    rows = b"".join(squeeze.compress(bytes(6251)) for _ in range(50_000)) + squeeze.flush()
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0)
    whole = b"\x89PNG\r\n\x1a\n" + pictures.chunk(b"IHDR", head) + pictures.chunk(b"IDAT", rows)
    jpeg, bmp = pictures.encoded(pictures.COLOUR, "JPEG"), pictures.encoded(pictures.COLOUR, "BMP")
    return {
        "png_50000.png": whole + pictures.chunk(b"IEND", b""),
        "jpeg_65535.jpg": pictures.jpeg_saying(jpeg, size=(65_535, 65_535)),
        "jpeg_13000.jpg": pictures.jpeg_saying(jpeg, size=(13_000, 13_000)),
        "gif_10000_frames.gif": pictures.gif((1000, 1000), 10_000),
        "bmp_50000.bmp": bmp[:18] + struct.pack("<ii", 50_000, 50_000) + bmp[26:],
    }


def run(n: int, work: Path) -> Outcome:
    """Open every bomb in every way; `n` is ignored."""
    import tensorflow as tf

    from kcnn.export.predict import reader

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
    def one(contents: Any) -> Any:
        return decode(contents)

    one(tf.constant(pictures.encoded(pictures.COLOUR, "PNG")))
    read = reader(SimpleNamespace(preprocess=Preprocess(size=(28, 28))))
    warm = work / "warm.png"
    warm.write_bytes(pictures.encoded(pictures.COLOUR, "PNG"))
    scan(file_split([str(warm), str(warm)], np.zeros(2, np.int32)))
    read(str(warm))
    rows, wrong = {}, []
    for name, content in bombs().items():
        path = work / name
        path.write_bytes(content)
        tensor = tf.constant(content)
        ways = {
            "scan": lambda path=path: scan(file_split([str(path), str(warm)], np.zeros(2, np.int32)), 0.0),
            "header": lambda content=content: check_header(content),
            "predict": lambda path=path: _raised(read(str(path))[0].error),
            "decoder": lambda tensor=tensor: one(tensor),
        }
        rows[name] = {"bytes": len(content), **{way: _measured(call) for way, call in ways.items()}}
        for way, (error, grown, seconds) in list(rows[name].items())[1:]:
            refused = error == DataError.__name__ or way == "decoder"
            if not refused or grown >= LIMIT_MB or seconds >= SECONDS:
                wrong.append(f"{name} by {way}: {error or 'taken'}, {grown} MB, {seconds:.1f} s")
    theirs = {name: _baseline(work / name, work / "result.json") for name in rows}
    for line in wrong:
        print(line, flush=True)
    grown = max(measured[1] for row in rows.values() for measured in list(row.values())[1:])
    refused = sum(row["scan"][0] == row["header"][0] == DataError.__name__ for row in rows.values())
    return Outcome(
        criterion=CRITERION,
        passed=not wrong,
        kcnn=f"{refused} of {len(rows)} refused from the header, memory grew by {grown} MB at most",
        baseline="tf.io.decode_image, " + "; ".join(f"{name}: {found['words']}" for name, found in theirs.items()),
        figures={"kcnn": rows, "tensorflow": theirs, "wrong": wrong},
    )


def _raised(error: str | None) -> None:
    """Raise what predict puts into the answer for a file."""
    if re.search("pixels, (more than|which)", error or ""):
        raise DataError(error)


def memory(peak: bool = False) -> int:
    """Return the resident memory of this process in MB, now, or at its peak since `forget_peak`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:" if peak else "VmRSS:")[2].split()[0]) // 1024


def forget_peak() -> None:
    """Make Linux count the peak of resident memory from now on."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _measured(call: Callable[[], object]) -> tuple[str, int, float]:
    """Return the name of the error (or ""), MB by which resident memory grew at most, and seconds."""
    forget_peak()
    before, begun, error = memory(), time.monotonic(), ""
    try:
        call()
    except Exception as caught:
        error = type(caught).__name__
    return error, max(0, memory(peak=True) - before), time.monotonic() - begun


def _baseline(path: Path, result: Path) -> dict[str, Any]:
    """Decode with TensorFlow alone, in a child that may add `BASELINE_MB` of address space."""
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", __name__, str(path), str(result)]
    try:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return {"words": "no answer in 60 s"}
    if not result.is_file():
        return {"words": f"ended with {code.returncode} at {BASELINE_MB:,} MB"}
    error, grown, seconds = json.loads(result.read_text(encoding="utf-8"))
    return {"words": f"{error or 'decoded'}, +{grown:,} MB, {seconds:.0f} s", "grown": grown, "seconds": seconds}


def _child(path: str, result: str) -> None:
    import tensorflow as tf

    tf.io.decode_image(pictures.encoded(pictures.COLOUR, "PNG"))
    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (BASELINE_MB << 20),) * 2)
    content = Path(path).read_bytes()
    found = _measured(lambda: tf.io.decode_image(content, channels=3, expand_animations=False))
    Path(result).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    _child(*sys.argv[1:])
