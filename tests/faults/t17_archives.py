"""Hostile archives and annotations.

kcnn extracts nothing: no archive is ever written out as files. It opens zips in three uses (.npz, .keras, the labels
behind a .tflite), gzip in one (IDX files), and reads annotations. Each attack is opened by every door; beside it what
the standard library does by its usual calls.
"""

import collections
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from .attacks.trap import FULL, LEAKED, MOST_MEMORY, Seen, Trap, attempt, open_each
from .forks import Child
from .outcome import Outcome

CRITERION = (
    "nothing written or read outside the folder, entities off, at most "
    f"{MOST_MEMORY >> 20} MiB over idle, 0 connections, only typed errors"
)
SECRET = "SECRETWORD"


def run(n: int, work: Path) -> Outcome:
    """Open each attack once by each door."""
    return judge(*open_each(work, make, doors_of, library))


def judge(
    attacks: dict[str, Path], opened: dict[str, Seen], seen: dict[tuple[str, str], Seen], plain: dict[str, Seen]
) -> Outcome:
    """Return the outcome of all trials."""
    bad = {}
    for (words, door), one in seen.items():
        fault = one.harm or ("leaked" if SECRET in one.words else "") or ("" if one.code in (0, 2, 3) else "untyped")
        if fault:
            bad[words, door] = fault
            print(f"{words} by {door}: {fault} {one}\n{one.words}", file=sys.stderr)
    closed = [door for door, one in opened.items() if one.code != 0]
    for door in closed:
        print(f"honest file by {door}: {opened[door].words}", file=sys.stderr)
    verdicts = {words: one.harm or ("leaked" if SECRET in one.words else "unharmed") for words, one in plain.items()}
    counts = collections.Counter(verdicts.values())
    good = len(attacks) - len({words for words, _ in bad})
    taken = len({words for (words, _), one in seen.items() if one.code == 0})
    told = f"{good} of {len(attacks)} attacks harmless by {len(doors_names(seen))} doors "
    told += f"({len(attacks) - taken} refused by all), at most {max(o.memory for o in seen.values()) >> 20} MiB"
    if bad:
        told += "; " + ", ".join(f"{words} {fault} by {door}" for (words, door), fault in bad.items())
    if closed:
        told += f"; honest files refused by {', '.join(closed)}"
    return Outcome(
        criterion=CRITERION,
        passed=not bad and not closed,
        kcnn=told,
        baseline="extractall, gzip, minidom, json: "
        + ", ".join(f"{count} {what}" for what, count in counts.most_common()),
        figures={
            "attacks": len(attacks),
            "trials": len(seen),
            "bad": {f"{words} | {door}": fault for (words, door), fault in bad.items()},
            "inert": sorted({f"{words} | {door}" for (words, door), one in seen.items() if one.code == 0}),
            "baseline": verdicts,
        },
    )


def doors_names(seen: dict[tuple[str, str], Seen]) -> set[str]:
    """Return the doors of all trials."""
    return {door for _, door in seen}


def make(work: Path, trap: Trap) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return (words -> attack, door -> honest file), made in a child so that this process stays unused."""

    def child() -> None:
        from .attacks.archives import Maker
        from .honest import write_bundle, write_keras, write_voc

        bundle = write_bundle(work / "honest")
        write_keras(work / "honest.keras", "tiny_resnet")
        write_voc(work / "voc", work / "image.png")
        (work / "attacks").mkdir()
        run = work / "honest" / "run"
        made = Maker(work / "attacks", trap, bundle / "model_fp32.tflite", run, work / "image.png").all()
        record = {"bundle": str(bundle), "attacks": {words: str(path) for words, path in made.items()}}
        (work / "made.json").write_text(json.dumps(record))

    if Child(child, work / "make.log").finish():
        raise RuntimeError((work / "make.log").read_text())
    record = json.loads((work / "made.json").read_text())
    controls = {"data": work / "honest.npz", "check": work / "honest.npz", "annotations": work / "voc"}
    controls |= {"build": work / "honest.keras", "evaluate": work / "honest" / "run"}
    controls["open_model"] = Path(record["bundle"]) / "model_fp32.tflite"
    return {words: Path(path) for words, path in record["attacks"].items()}, controls


def doors_of(image: Path) -> dict[str, Callable[[Path], int]]:
    """Return name -> function that opens a file and returns an exit code."""
    import kcnn
    from kcnn.cli.main import run as command
    from kcnn.data.annotations import open_annotations
    from kcnn.export.runner import open_model

    return {
        "data": lambda path: attempt(lambda: kcnn.open_source(str(path))),
        "check": lambda path: command(["check", str(path)]),
        "annotations": lambda path: attempt(lambda: open_annotations(str(path))),
        "build": lambda path: attempt(lambda: kcnn.build("tiny_resnet", weights=path)),
        "open_model": lambda path: attempt(lambda: open_model(path)),
        "evaluate": lambda path: command(["evaluate", str(path)]),
    }


def library(path: Path, trap: Trap) -> int:
    """Do what the standard library offers; 0 when it was done, 1 when it was refused."""
    from .attacks.archives import extract

    try:
        extract(path, trap)
    except MemoryError:
        return FULL
    except Exception:
        traceback.print_exc()
        return 1
    found = [file for file in (trap.place / "extracted").rglob("*") if file.is_file()]
    return LEAKED if any(SECRET.encode() in file.read_bytes()[:1000] for file in found) else 0
