"""Hostile model files.

Every file of the corpus (K01 to K28, X01 and on) is opened by every door of kcnn, in a child that may have 1 GiB of
address space more than an idle process; beside it `keras.models.load_model(safe_mode=True)`, for SavedModels the layer
that its message names, for tars `get_file(extract=True)`.
"""

import collections
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from .attacks.trap import FULL, LEAKED, MOST_MEMORY, MOST_SECONDS, Seen, Trap, attempt, open_each
from .forks import Child
from .outcome import Outcome

CRITERION = (
    "every file refused by a typed error or loaded inertly, by every door: canary untouched, 0 connections, "
    f"at most {MOST_MEMORY >> 20} MiB over idle, {MOST_SECONDS:g} s, no traceback"
)
REFUSED = (2, 3)  # exit codes of typed errors
NAME = "tiny_resnet"


def run(n: int, work: Path) -> Outcome:
    """Open each file once by each door."""
    return judge(*open_each(work, make, doors_of, keras_loads))


def judge(
    corpus: dict[str, Path], opened: dict[str, Seen], seen: dict[tuple[str, str], Seen], plain: dict[str, Seen]
) -> Outcome:
    """Return the outcome of all trials."""
    bad = {}
    for (words, door), one in seen.items():
        fault = (
            one.harm or ("" if one.code in (0, *REFUSED) else "untyped") or ("Traceback" in one.words and "traceback")
        )
        if fault:
            bad[words, door] = fault
            print(f"{words} by {door}: {fault} {one}\n{one.words}", file=sys.stderr)
    closed = [door for door, one in opened.items() if one.code != 0]
    for door in closed:
        print(f"honest file by {door}: {opened[door].words}", file=sys.stderr)
    counts = collections.Counter(verdict(one) for one in plain.values())
    inert = sum(one.code == 0 for one in seen.values())
    good = len(corpus) - len({words for words, _ in bad})
    kinds = {words[:3] for words in corpus if words.startswith("K")}
    most = max(one.memory for one in seen.values()) >> 20
    slowest = max(one.seconds for one in seen.values())
    told = (
        f"{good} of {len(corpus)} files ({len(kinds)} kinds of K01 to K28, {len(corpus) - len(kinds)} more) harmless "
        f"by {len(opened)} doors ({len(seen) - inert} refused, {inert} inert), "
    )
    told += f"at most {most} MiB and {slowest:.1f} s"
    if bad:
        told += "; " + ", ".join(f"{words[:4].rstrip(':')} {fault} by {door}" for (words, door), fault in bad.items())
    if closed:
        told += f"; honest files refused by {', '.join(closed)}"
    return Outcome(
        criterion=CRITERION,
        passed=not bad and not closed,
        kcnn=told,
        baseline="load_model(safe_mode=True): " + ", ".join(f"{count} {what}" for what, count in counts.most_common()),
        figures={
            "files": len(corpus),
            "numbered": len(kinds),
            "trials": len(seen),
            "bad": {f"{words} | {door}": fault for (words, door), fault in bad.items()},
            "largest_mib": most,
            "slowest_seconds": round(slowest, 2),
            "inert": sorted({words for (words, _), one in seen.items() if one.code == 0}),
            "baseline": {words: verdict(one) for words, one in plain.items()},
        },
    )


def verdict(one: Seen) -> str:
    """Return what became of a file that Keras was given."""
    return one.harm or ("loaded" if one.code == 0 else "refused")


def make(work: Path, trap: Trap) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return (words -> hostile file, door -> honest file), made in a child so that this process stays unused."""

    def child() -> None:
        from .attacks import folders, keras_files
        from .honest import write_bundle, write_keras

        bundle = write_bundle(work / "honest")
        write_keras(work / "honest.keras", NAME)
        for name in ("folders", "files"):
            (work / name).mkdir()
        made = folders.Maker(work / "folders", trap, bundle)
        program = folders.program(work / "program", folders.writing(trap.canary), made.facts)
        corpus = keras_files.Maker(work / "files", trap, work / "honest.keras", program).all() | made.all()
        record = {"bundle": str(bundle), "corpus": {words: str(path) for words, path in corpus.items()}}
        (work / "made.json").write_text(json.dumps(record))

    if Child(child, work / "make.log").finish():
        raise RuntimeError((work / "make.log").read_text())
    record = json.loads((work / "made.json").read_text())
    bundle, honest = Path(record["bundle"]), work / "honest" / "run"
    controls = {"predict": bundle, "evaluate": honest, "open_model": bundle / "model_fp32.tflite", "load_model": honest}
    controls |= {"build": work / "honest.keras", "data": work / "honest.npz", "summary": bundle / "saved_model"}
    return {words: Path(path) for words, path in record["corpus"].items()}, controls


def doors_of(image: Path) -> dict[str, Callable[[Path], int]]:
    """Return name -> function that opens a file and uses what it got, and returns an exit code."""
    import numpy as np

    import kcnn
    from kcnn.cli.main import run as command
    from kcnn.export.runner import open_model
    from kcnn.train import load_model

    def answer(path: Path) -> None:
        runner = open_model(path)
        runner.predict(np.zeros((1, *runner.preprocess.image_shape), np.uint8))

    return {
        "predict": lambda path: command(["predict", str(path), str(image)]),
        "summary": lambda path: command(["summary", str(path)]),
        "evaluate": lambda path: command(["evaluate", str(path)]),
        "open_model": lambda path: attempt(lambda: answer(path)),
        "load_model": lambda path: attempt(lambda: load_model(path)),
        "build": lambda path: attempt(lambda: kcnn.build(NAME, weights=path)),
        "data": lambda path: attempt(lambda: kcnn.open_source(str(path))),
    }


def keras_loads(path: Path, trap: Trap) -> int:
    """Open `path` as people do without kcnn; 0 when it loaded, 1 when it was refused."""
    import keras
    import numpy as np

    os.environ["KERAS_HOME"] = str(trap.place / "keras")
    try:
        if path.suffix == ".tar":
            keras.utils.get_file("x.tar", f"file://{path}", extract=True, cache_dir=str(trap.place / "keras"))
            return 0
        if (path / "saved_model.pb").is_file():
            keras.layers.TFSMLayer(str(path), call_endpoint="serving_default")(np.zeros((1, 28, 28, 1), np.uint8))
            return 0
        model = keras.models.load_model(path, safe_mode=True)
    except MemoryError:
        return FULL
    except Exception:
        traceback.print_exc()
        return 1
    texts = [str(layer.get_vocabulary()) for layer in model.layers if hasattr(layer, "get_vocabulary")]
    numbers = b"".join(np.asarray(weight).tobytes() for weight in model.weights)
    return LEAKED if b"SECRETWORD" in numbers or "SECRETWORD" in "".join(texts) else 0
