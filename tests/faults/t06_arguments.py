"""A run that goes on with another rate, batch size, classes, data or version."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kcnn import recipe as recipes
from kcnn.data.source import Info, Source
from kcnn.data.splits import array_split

from . import job
from .forks import Child, spread
from .outcome import Outcome

STEPS = 8
CRITERION = (
    "each change is refused (exit 2, run untouched) or told, as the table in docs/resume.md says, with old and new "
    "value; none is silent"
)


class Case(NamedTuple):
    """One change: what `--set` says or what is done to the folder, and what must be told."""

    name: str
    verdict: str
    old: str
    new: str
    setting: str = ""
    change: Callable[[Path], None] | None = None
    data: Callable[[], Source] | None = None


def run(n: int, work: Path) -> Outcome:
    """Begin one run of an epoch, then go on with each change in a copy of it; `n` is ignored."""
    job.warm()
    for name in ("kcnn", "keras"):
        (work / name).mkdir()
    begun = work / "begun"
    if Child(lambda: train(begun, [], source()), work / "begun.log").finish():
        raise RuntimeError((work / "begun.log").read_text(encoding="utf-8")[-3000:])
    cases = list(CASES)
    rows = spread(len(cases), lambda i: _try(cases[i], begun, work / "kcnn"), work / "kcnn")
    right = [row for row in rows if row["right"]]
    counts = {v: sum(case.verdict == v for case in cases) for v in ("refuse", "warn", "free")}
    theirs = spread(1, lambda i: _keras(work / "keras" / "run"), work / "keras")[0]
    return Outcome(
        criterion=CRITERION,
        passed=len(right) == len(rows),
        kcnn=f"{len(right)} of {len(rows)} changes as the table says: {counts['refuse']} refused, "
        f"{counts['warn']} with a warning, {counts['free']} told; 0 silent",
        baseline=f"BackupAndRestore with another rate, batch size and data: exit code {theirs['code']}, "
        f"{theirs['told']} words about it",
        figures={"kcnn": rows, "keras": theirs},
    )


def source(classes: int = job.CLASSES, roll: int = 0) -> Source:
    """Return the job's data, few of them; with more classes, or labels moved on by `roll`."""
    images, labels = job.images(job.BATCH * STEPS, 1)
    names = tuple("abcdefgh"[:classes])
    splits = {
        "train": array_split(images, np.roll(labels, roll), "train"),
        "validation": array_split(*job.images(32, 2), "validation"),
    }
    return Source(info=Info(name="small", splits={k: v.size for k, v in splits.items()}, classes=names), splits=splits)


def train(folder: Path, settings: list[str], data: Source, epochs: int = 1) -> int:
    """Train the small job in this process, a child."""
    plainly = {"crop_padding": 0, "flip": False, "erasing": 0.0}
    base = job.recipe(plainly, epochs=epochs, optimizer="sgd", ema=0.0, patience=0, warmup_epochs=0.0)
    return job.train(folder, None, recipes.override(base, settings), data)


def _version(package: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        env = json.loads((folder / "env.json").read_text(encoding="utf-8"))
        env["packages"][package] = "0.0.1"
        (folder / "env.json").write_text(json.dumps(env), encoding="utf-8")

    return change


CASES = (
    Case("rate", "refuse", "0.005", "0.001", "train.learning_rate=0.001"),
    Case("batch", "refuse", "16", "32", "train.batch_size=32"),
    Case("seed", "refuse", "0", "1", "train.seed=1"),
    Case("optimizer", "refuse", "'sgd'", "'adamw'", "train.optimizer=adamw"),
    Case("average", "refuse", "0.0", "0.9", "train.ema=0.9"),
    Case("precision", "refuse", "'float32'", "'mixed_bfloat16'", "train.precision=mixed_bfloat16"),
    Case("model", "refuse", repr(job.NET), "'tiny_resnet'", "model.name=tiny_resnet"),
    Case("number of classes", "refuse", "0", "9", "model.num_classes=9"),
    Case("image size", "refuse", "28", "32", "preprocess.size=32,32"),
    Case("normalisation", "refuse", "0.25", "0.5", "preprocess.std=0.5"),
    Case("augmentation", "refuse", "False", "True", "config.flip=True"),
    Case("part of the data", "refuse", "0", "64", "data.limit=64"),
    Case("labels", "refuse", "128 examples of 4 classes", "128 examples of 4 classes", data=lambda: source(roll=1)),
    Case("classes", "refuse", "of 4 classes", "of 5 classes", data=lambda: source(classes=5)),
    Case("epochs", "warn", "1", "2"),
    Case("place of the data", "warn", "'faults'", "'moved'", "data.source=moved"),
    Case("kcnn version", "warn", "'0.0.1'", "", change=_version("kcnn")),
    Case("keras version", "warn", "'0.0.1'", "", change=_version("keras")),
    Case("tensorflow version", "warn", "'0.0.1'", "", change=_version("tensorflow")),
    Case("numpy version", "free", "'0.0.1'", "", change=_version("numpy")),
    Case("checkpoints", "free", "10", "3", "train.checkpoint_steps=3"),
    Case("NaN policy", "free", "'stop'", "'skip'", "train.on_nan=skip"),
    Case("calibration", "free", "200", "20", "export.calibration=20"),
)


def _try(case: Case, begun: Path, work: Path) -> dict[str, Any]:
    """Go on with one change; return what was said and done."""
    folder = work / case.name.replace(" ", "_")
    log = folder.with_suffix(".log")
    shutil.copytree(begun, folder)
    if case.change:
        case.change(folder)
    before = _contents(folder)
    settings = [case.setting] if case.setting else []
    code = Child(lambda: train(folder, settings, (case.data or source)(), epochs=2), log).finish()
    lines = log.read_text(encoding="utf-8").splitlines()
    head = {"refuse": "error:", "warn": "warning: going on with", "free": "going on with"}[case.verdict]
    told = [line for line in lines if line.startswith(head) and case.old in line and case.new in line]
    if case.verdict == "refuse":
        right = code == 2 and bool(told) and _contents(folder) == before
    else:
        right = code == 0 and bool(told) and _contents(folder) != before
    if not right:
        print(case.name, code, told, lines[-5:], flush=True)
    return {"case": case.name, "verdict": case.verdict, "code": code, "told": told, "right": right}


def _contents(folder: Path) -> dict[str, str]:
    """Hash all that a run is; the record of the bad images of this start is not a part of it."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("lock", "data_report.json")]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def _keras(folder: Path) -> dict[str, Any]:
    """Stop plain Keras after an epoch, let it go on with another rate, batch size and labels; count what it says."""

    def train(rate: float, batch: int, roll: int, stop: bool) -> int:
        import keras

        job.repeatable()
        keras.utils.set_random_seed(0)
        arrays = source(roll=roll).split("train").arrays
        model = job.build()
        model.compile(keras.optimizers.SGD(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        calls = [keras.callbacks.BackupAndRestore(str(folder / "backup"))]
        if stop:
            calls.append(keras.callbacks.LambdaCallback(on_epoch_begin=_stop_at_second))
        model.fit(arrays["image"] / 255.0, arrays["label"], batch_size=batch, epochs=2, callbacks=calls, verbose=0)
        return 0

    folder.mkdir()
    first, second = folder / "first.log", folder / "second.log"
    Child(lambda: train(0.005, 16, 0, True), first).finish()
    code = Child(lambda: train(0.5, 32, 1, False), second).finish()
    words = [line for line in second.read_text(encoding="utf-8").splitlines() if "rate" in line or "batch" in line]
    return {"code": code, "told": len(words)}


def _stop_at_second(epoch: int, logs: Any) -> None:
    if epoch == 1:
        raise KeyboardInterrupt
