"""Labels out of range, classes that differ, empty classes, the same picture in train and validation."""

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kcnn.cli import main

from .outcome import Outcome

CLASSES, PER_CLASS, SIDE = 3, 20, 28
CRITERION = (
    "every case is stopped before the first step with exit code 2 and a message that counts the offenders and names "
    "the first ten; data without a fault trains; `kcnn check` refuses a leak too"
)
TRAIN = ("train", "--model", "tiny_lenet5", "--no_export", "--set", "train.epochs=1", "--set", "train.strategy=one")
Case = tuple[Callable[[Path], None], str]


def pixels(count: int, seed: int = 0) -> np.ndarray:
    """Return uint8 (count, 28, 28, 1) of noise."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 1), np.uint8)


def labels(count: int = CLASSES * PER_CLASS) -> np.ndarray:
    """Return int64 (count,) that go through all classes."""
    return np.arange(count) % CLASSES


def _npz(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / "classes.txt").write_text("a\nb\nc\n")
        np.savez(folder / "train.npz", images=pixels(60), labels=change(labels()))
        np.savez(folder / "validation.npz", images=pixels(12, 1), labels=labels(12))

    return make


def _with(values: np.ndarray, wrong: Any, count: int = 15) -> np.ndarray:
    found = values.astype(np.result_type(values, type(wrong)))
    found[:count] = wrong
    return found


def _folder(change: Callable[[Path], None], splits: dict[str, int] | None = None) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for seed, (split, count) in enumerate((splits or {"train": 8, "val": 4}).items()):
            for name in ("cat", "cow", "dog"):
                (folder / split / name).mkdir(parents=True)
            for index, image in enumerate(pixels(3 * count, seed)):
                place = folder / split / ("cat", "cow", "dog")[index % 3] / f"{index}.png"
                Image.fromarray(image[..., 0]).save(place)
        change(folder)

    return make


def _table(text: Callable[[int], str]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for index, image in enumerate(pixels(60)):
            Image.fromarray(image[..., 0]).save(folder / f"{index}.png")
        rows = "".join(f"{index}.png,{text(index)}\n" for index in range(60))
        (folder / "labels.csv").write_text(f"path,label\n{rows}")
        (folder / "classes.txt").write_text("a\nb\nc\n")

    return make


def _leak(folder: Path) -> None:
    for index, file in enumerate(sorted((folder / "train").rglob("*.png"))[:11]):
        (folder / "val" / "cow" / f"copy{index}.png").write_bytes(file.read_bytes())


def _other_classes(folder: Path) -> None:
    for index in range(12):
        other = folder / "val" / f"class{index:02}"
        other.mkdir()
        Image.fromarray(pixels(1, 99)[0, ..., 0]).save(other / "a.png")


def _leaking_npz(folder: Path) -> None:
    images = pixels(60)
    np.savez(folder / "train.npz", images=images, labels=labels())
    np.savez(folder / "validation.npz", images=images[:15], labels=labels(15))


CASES: dict[str, Case] = {
    "label = classes": (_npz(lambda y: _with(y, 3)), r"15 labels lie outside 0\.\.2, first 3 at index 0, .*5 more"),
    "label = -1": (_npz(lambda y: _with(y, -1)), r"15 labels lie outside 0\.\.2, first -1 at index 0, .*5 more"),
    "a label of a billion": (_npz(lambda y: _with(y, 10**9, 1)), r"1 labels lie outside 0\.\.2, first 1000000000 at"),
    "half labels": (_npz(lambda y: _with(y, 0.5)), r"15 are not whole, first 0\.5 at index 0, .*5 more"),
    "labels that are not numbers": (_npz(lambda y: _with(y, float("nan"))), "15 are not whole, first nan at index 0"),
    "one label too few": (_npz(lambda y: y[:-1]), "60 images but 59 labels"),
    "an empty class folder": (_folder(lambda f: (f / "train" / "emu").mkdir()), "class folder 'emu' has no image"),
    "classes that train lacks": (_folder(_other_classes), "12 classes that 'train' has not: class00, .*class09"),
    "a table with an id too high": (
        _table(lambda i: str(i % 3 + (i < 15))), r"5 of 60 labels lie outside 0\.\.2, first line 4: 3"
    ),
    "a table with -1": (_table(lambda i: str(i % 3 - (i < 15))), r"5 of 60 labels lie outside .*, first line 2: -1"),
    "a table with 1.5": (_table(lambda i: "1.5" if i < 15 else str(i % 3)), "15 of 60 labels are no whole numbers"),
    "files in train and val": (_folder(_leak), r"11 of 23 images of 'validation' are in 'train' too.* and 1 more"),
    "arrays in train and val": (_leaking_npz, r"15 of 15 images of 'validation' are in 'train' too.* and 5 more"),
}  # fmt: skip


def run(n: int, work: Path) -> Outcome:
    """Train on each case, and on data without a fault; `n` is ignored."""
    rows, wrong = {}, []
    for number, (name, (make, pattern)) in enumerate(CASES.items()):
        folder = work / f"data{number}"
        folder.mkdir()
        make(folder)
        code, words, steps = _train(folder, work / f"runs{number}")
        rows[name] = {"code": code, "words": words[-400:]}
        if code != 2 or not re.search(pattern, words, re.DOTALL) or steps or "Traceback" in words:
            wrong.append(f"{name}: exit code {code}, {steps} files of training, {words[-600:]}")
    clean = work / "clean"
    clean.mkdir()
    _folder(lambda folder: None, {"train": 8, "val": 4})(clean)
    code, words, steps = _train(clean, work / "runs")
    if code or not steps:
        wrong.append(f"clean data: exit code {code}, {words[-600:]}")
    leaking = list(CASES).index("files in train and val")
    code, words = _said(["check", str(work / f"data{leaking}")])
    if code != 2 or "11 of 23 images of 'validation'" not in words:
        wrong.append(f"check of a leak: exit code {code}, {words[-600:]}")
    theirs = _keras()
    for line in wrong:
        print(line, flush=True)
    return Outcome(
        criterion=CRITERION,
        passed=not wrong,
        kcnn=f"{len(CASES) - len([w for w in wrong if w.partition(':')[0] in CASES])} of {len(CASES)} stopped before "
        "the first step with counts and names",
        baseline="Keras fit with sparse cross-entropy: "
        + "; ".join(f"{name}: {said}" for name, said in theirs.items()),
        figures={"kcnn": rows, "keras": theirs, "wrong": wrong},
    )


def _train(folder: Path, runs: Path) -> tuple[int, str, int]:
    """Return exit code, what was said, and how many checkpoints and logs of steps there are."""
    code, words = _said([*TRAIN, "--data", str(folder), "--runs", str(runs), "--name", "labels"])
    steps = [path for path in runs.rglob("*") if "checkpoint" in path.name or path.suffix in (".csv", ".safetensors")]
    return code, words, len(steps)


def _said(arguments: list[str]) -> tuple[int, str]:
    log = io.StringIO()
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        code = main.run(arguments)
    return code, " ".join(log.getvalue().split())


def _keras() -> dict[str, str]:
    """Return what plain Keras does with labels that are no class."""
    import keras

    images = pixels(60).astype(np.float32) / 255
    found = {}
    for name, wrong in (("label = classes", CLASSES), ("label = -1", -1), ("half labels", 0.5)):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((SIDE, SIDE, 1)), keras.layers.Flatten(), keras.layers.Dense(CLASSES)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        try:
            history = model.fit(images, _with(labels(), wrong), epochs=1, verbose=0).history["loss"]
            found[name] = f"trains, loss {history[-1]:.3g}"
        except Exception as error:
            found[name] = f"{type(error).__name__} within the first epoch"
    return found
