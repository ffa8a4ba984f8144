"""Broken and odd image files, over a hundred kinds, beside image_dataset_from_directory."""

import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kcnn.cli import main
from kcnn.data import open_source, pipeline, verify
from kcnn.data.source import printable
from kcnn.data.splits import file_split
from kcnn.export.facts import Facts
from kcnn.recipe import Data, Preprocess
from kcnn.tasks.task import Signature

from . import pictures
from .outcome import Outcome

SIZE = (12, 20)
RECORD = Preprocess(size=SIZE, scale=1.0, mean=(0.0,), std=(1.0,))
DEEP = replace(RECORD, bit_depth=16)
CRITERION = (
    "every kind is decoded to the documented pixels or left out with its own reason; EXIF 1-8 stand alike; training, "
    "predict, SavedModel bytes and LiteRT see the same pixels, also of randomly damaged files; with --bit_depth=16 "
    "they see every bit of 16-bit files and of all others what they saw before; the budget stops "
    "(exit code 2) or skips and lists all in data_report.json; no crash; the source folder's bytes are unchanged"
)
Seen = list[np.ndarray | str]
Ways = dict[str, Callable[[list[str]], Seen]]


def run(n: int, work: Path) -> Outcome:
    """Try every kind in every way, then `n` random damages of the good ones."""
    folder = work / "data"
    goods, bads = pictures.write(folder)
    before = digest(folder)
    wrong = _kinds(folder, goods, bads)
    ways = four_ways(work / "models")
    wrong += _alike(ways, [str(folder / "good" / one.name) for one in goods])
    wrong += _refused(ways, [folder / "bad" / one.name for one in bads if one.plain])
    random, differing = _damaged(ways, goods, n, work / "damaged")
    wrong += differing
    deep = [one for one in goods if one.deep is not None]
    wrong += _deep_kinds(folder, goods)
    wrong += _alike(four_ways(work / "deep", DEEP), [str(folder / "good" / one.name) for one in goods])
    reported = _train(folder, work, bads)
    wrong += reported.pop("wrong")
    if digest(folder) != before:
        wrong.append("the source folder was changed")
    theirs = _keras(work / "keras")
    for line in wrong:
        print(line, flush=True)
    forbidden = "" if os.geteuid() else "; a forbidden file was not tried: root may read all"
    return Outcome(
        criterion=CRITERION,
        passed=not wrong,
        kcnn=f"{len(goods) + len(bads)} kinds: {len(goods)} decoded, {len(bads)} left out with the right reason, "
        f"{len(wrong)} wrong; {len(deep)} 16-bit kinds kept exactly with --bit_depth=16; "
        f"{random['decoded']} of {n} random damages decoded alike in 4 ways, {random['refused']} "
        f"refused by all, {random['served']} served though their header is bad; training "
        f"skipped {reported['listed']} within the budget, stopped with "
        f"{reported['stopped']} beyond{forbidden}",
        baseline=theirs["words"],
        figures={"good": len(goods), "bad": len(bads), "wrong": wrong, "random": random, **reported, "keras": theirs},
    )


def digest(folder: Path) -> dict[str, tuple[str, int]]:
    """Return path -> (sha256 of its bytes or link, modification time) of everything below `folder`."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        small = path.is_file() and not path.is_symlink() and state.st_size < 1 << 29
        content = path.read_bytes() if small else os.fsencode(os.readlink(path)) if path.is_symlink() else b""
        found[str(path)] = (hashlib.sha256(content).hexdigest(), state.st_size, state.st_mtime_ns)
    return found


def _kinds(folder: Path, goods: list[pictures.Good], bads: list[pictures.Bad]) -> list[str]:
    """Return what the scan says wrongly, and pixels that are not as documented."""
    split = open_source(Data(source=str(folder), validation=0.0)).split("train")
    pixels, wrong = verify.pixels(split), []
    good, bad = ({printable(one.name): one for one in kinds} for kinds in (goods, bads))
    for example in verify.examine(split):
        name = os.path.basename(example.name)
        if name in bad:
            if not re.search(bad[name].reason, example.reason):
                wrong.append(f"{name!r}: the reason is {example.reason!r}, not {bad[name].reason!r}")
            continue
        if example.reason:
            wrong.append(f"{name!r}: refused, {example.reason}")
            continue
        seen, expected = pixels(example.index).astype(int), good[name].pixels
        if seen.shape != expected.shape or np.abs(seen - expected).max() > good[name].tolerance:
            wrong.append(f"{name!r}: the pixels are not as documented")
        if re.match("png_exif", name) and not np.array_equal(seen, pictures.COLOUR):
            wrong.append(f"{name!r}: does not stand upright")
    if split.size != len(goods) + len(bads):
        wrong.append(f"{split.size} files were listed, not {len(goods) + len(bads)}")
    return wrong


def _deep_kinds(folder: Path, goods: list[pictures.Good]) -> list[str]:
    """Return what 16 bits make wrongly of good files: values of 16-bit kinds, and any other pixel of the others."""
    split = open_source(Data(source=str(folder), validation=0.0)).split("train")
    shallow, deep = verify.pixels(split), verify.pixels(split.at_depth(16))
    places, wrong = {os.path.basename(split.names(index)): index for index in range(split.size)}, []
    for one in goods:
        index = places[printable(one.name)]
        seen = deep(index)
        expected = shallow(index) if one.deep is None else one.deep / np.float32(257)
        if seen.dtype != np.float32 or not np.array_equal(seen, expected):
            wrong.append(f"{one.name!r}: not kept exactly with 16 bits")
        elif one.deep is not None and not np.array_equal(np.rint(257 * seen), one.deep):
            wrong.append(f"{one.name!r}: 16 bits cannot be told from their pixels")
    return wrong


def four_ways(folder: Path, record: Preprocess = RECORD) -> Ways:
    """Return name -> function of a path that returns (12, 20, 3) as the model sees it, or why it is refused.

    The model gives its input back, so "SavedModel" and "LiteRT" are what arrives behind their preprocessing.
    """
    import keras
    import tensorflow as tf

    from kcnn.export import litert, metadata, saved_model
    from kcnn.export.predict import reader
    from kcnn.export.runner import open_litert, open_saved_model

    inputs = keras.Input((*SIZE, 3), name="images")
    model = keras.Model(inputs, keras.layers.Reshape((SIZE[0] * SIZE[1] * 3,), name="logits")(inputs))
    signature = Signature(
        outputs=("pixels",),
        finish=lambda raw: {"pixels": raw},
        answers=lambda o: o["pixels"],
        truth=lambda e: e["image"],
    )
    facts = Facts(name="mirror", task="classification", preprocess=record, labels=("a",))
    folder.mkdir()
    saved_model.write(model, facts, signature, folder / "saved_model")
    lite = litert.convert(model, record, signature, ["fp32"], np.zeros((1, *SIZE, 3), record.dtype), folder)["fp32"]
    metadata.attach(lite, facts)
    runner, small = open_saved_model(folder / "saved_model"), open_litert(lite)
    serve = tf.saved_model.load(str(folder / "saved_model")).signatures["serve_bytes"]
    read = reader(runner)

    def train(files: list[str]) -> Seen:
        split = file_split(files, np.zeros(len(files), np.int32))
        answers: Seen = [example.reason for example in verify.examine(split)]
        fine = [index for index, reason in enumerate(answers) if not reason]
        batches = pipeline.evaluation(split.subset(np.array(fine, np.int64)), record, 16, raw=True) if fine else ()
        for index, pixels in zip(fine, (image for images, _ in batches for image in images.numpy()), strict=True):
            answers[index] = pixels
        return answers

    def predict(files: list[str]) -> Seen:
        return [prediction.error if found is None else found for prediction, found in map(read, files)]

    def served(files: list[str]) -> Seen:
        answers: Seen = []
        for file in files:
            try:
                answers.append(_as_pixels(serve(contents=tf.constant([Path(file).read_bytes()]))["pixels"].numpy()))
            except tf.errors.OpError as error:
                answers.append(error.message)
        return answers

    def lite_runner(files: list[str]) -> Seen:
        return [
            found if isinstance(found, str) else _as_pixels(next(iter(small.predict(found[None]).values())))
            for found in predict(files)
        ]

    return {"train": train, "predict": predict, "SavedModel": served, "LiteRT": lite_runner}


def _as_pixels(values: np.ndarray) -> np.ndarray:
    pixels = values.reshape(*SIZE, 3)
    return pixels.astype(np.uint8) if np.array_equal(pixels, np.round(pixels)) else pixels


def _alike(ways: Ways, files: list[str]) -> list[str]:
    seen = {name: see(files) for name, see in ways.items()}
    return [
        f"{os.path.basename(file)!r}: {name} sees other pixels than training"
        for name, answers in seen.items()
        for file, pixels, trained in zip(files, answers, seen["train"], strict=True)
        if isinstance(pixels, str) or not np.array_equal(pixels, trained)
    ]


def _refused(ways: Ways, files: list[Path]) -> list[str]:
    """Return the bad files that predict takes."""
    answers = ways["predict"]([str(file) for file in files])
    return [f"{f.name!r}: predict took it" for f, a in zip(files, answers, strict=True) if not isinstance(a, str)]


def _damaged(ways: Ways, goods: list[pictures.Good], n: int, folder: Path) -> tuple[dict[str, int], list[str]]:
    """Flip bits of, cut, or splice good files; all ways must decode the same pixels, or none."""
    rng, counts, wrong = np.random.default_rng(11), {"decoded": 0, "refused": 0, "served": 0}, []
    kinds = [one for one in goods if len(one.contents) < 100_000]
    folder.mkdir()
    for number in range(n):
        content = bytearray(kinds[rng.integers(len(kinds))].contents)
        for _ in range(rng.integers(1, 12)):
            content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        if number % 3 == 1:
            content = content[: rng.integers(1, len(content))]
        if number % 3 == 2:
            content += kinds[rng.integers(len(kinds))].contents[rng.integers(200) :]
        (folder / f"{number:06}.jpg").write_bytes(content)
    files = [str(file) for file in sorted(folder.iterdir())]
    seen = {name: see(files) for name, see in ways.items()}
    for number in range(n):
        decoded = {name: a[number] for name, a in seen.items() if not isinstance(a[number], str)}
        if not decoded:
            counts["refused"] += 1
        elif decoded.keys() == {"SavedModel"}:  # served bytes meet the decoder alone, without the look at the header
            counts["served"] += 1
        elif len(decoded) == len(seen) and all(np.array_equal(p, decoded["train"]) for p in decoded.values()):
            counts["decoded"] += 1
        else:
            said = {name: a[number] for name, a in seen.items() if isinstance(a[number], str)}
            wrong.append(f"damage {number}: decoded by {', '.join(decoded)}; {said or 'unlike'}")
    return counts, wrong


def _train(folder: Path, work: Path, bads: list[pictures.Bad]) -> dict[str, Any]:
    """Train on the corpus within a budget and beyond it, as typed."""
    common = ["--data", str(folder), "--model", "tiny_lenet5", "--runs", str(work / "runs"), "--no_export"]
    common += ["--set", "train.epochs=1", "--set", "preprocess.size=28,28"]
    common += [
        "--set",
        "preprocess.channel_order=gray",
        "--set",
        "train.strategy=one",
        "--set",
        "data.max_leaked_fraction=1",
    ]
    codes, words = {}, {}
    for name, share in (("stopped", "0.01"), ("skipped", "0.9")):
        log = io.StringIO()
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            codes[name] = main.run(["train", *common, "--name", name, f"--max_bad_fraction={share}"])
        words[name] = log.getvalue()
    report = work / "runs" / "skipped" / "data_report.json"
    splits = json.loads(report.read_text(encoding="utf-8"))["left_out"] if report.is_file() else {}
    listed = [one for part in splits.values() for one in part]
    wrong = []
    if codes != {"stopped": 2, "skipped": 0}:
        wrong.append(f"training ended with {codes}: {words['skipped'][-2000:]}")
    if (
        "images cannot be read, more than" not in words["stopped"]
        or "data.max_bad_fraction=0.01" not in words["stopped"]
    ):
        wrong.append(f"training beyond the budget said {words['stopped'][-500:]}")
    if {os.path.basename(one["name"]) for one in listed} != {printable(one.name) for one in bads}:
        wrong.append(f"data_report.json lists {len(listed)} files, not the {len(bads)} bad ones")
    return {"wrong": wrong, "listed": len(listed), **codes}


_BASELINE = """
import glob, json, os, sys
import keras, numpy as np, tensorflow as tf
folder, expected, result = sys.argv[1:]
known = np.load(expected)

def opened():
    return keras.utils.image_dataset_from_directory(folder, batch_size=1, image_size=(12, 20), shuffle=False)

whole = ""
try:
    data = opened()
except ValueError:  # a name that is not UTF-8 is enough
    whole = "ValueError"
    for path in glob.glob(folder + "/*/*"):
        if not path.isascii():
            os.unlink(path)
    data = opened()
read, error = 0, ""
try:
    for _ in data:
        read += 1
except tf.errors.OpError as problem:
    error = type(problem).__name__
right = wrong = refused = 0
for path in data.file_paths:
    stem = path.rpartition("/")[2]
    if stem not in known:
        continue
    try:  # as it reads one file
        image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False).numpy().astype(int)
    except tf.errors.OpError:
        refused += 1
        continue
    same = image.shape == known[stem].shape and np.abs(image - known[stem]).max() <= 32
    right, wrong = right + bool(same), wrong + (not same)
json.dump({"listed": len(data.file_paths), "read": read, "error": error, "right": right, "wrong": wrong,
           "refused": refused, "whole": whole}, open(result, "w"))
"""


def _keras(work: Path) -> dict[str, Any]:
    """Read the ordinary files of the corpus with Keras, in a child: it has no guard against the others."""
    goods, _ = pictures.write(work / "data", plain=True)
    named = {one.name: one.pixels for one in goods if one.name.isascii() and one.name.isprintable()}
    np.savez(work / "expected.npz", **named)
    command = [sys.executable, "-c", _BASELINE, work / "data", work / "expected.npz", work / "result.json"]
    try:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=300, check=False).returncode
    except subprocess.TimeoutExpired:
        code = "a hang of 300 s"
    if not (work / "result.json").is_file():
        return {"words": f"image_dataset_from_directory ended with {code}", "code": code}
    found = json.loads((work / "result.json").read_text(encoding="utf-8"))
    whole = f"raises {found['whole']} on the folder; without names that are not ASCII it " if found["whole"] else ""
    words = (
        f"image_dataset_from_directory {whole}stops with {found['error'] or 'nothing'} after {found['read']} of "
        f"{found['listed']} files; of {len(named)} good ones read alone {found['right']} are right, {found['wrong']} "
        f"wrong in silence (more than 32 gray levels off, or turned), {found['refused']} refused"
    )
    return {"words": words, "code": code, **found}
