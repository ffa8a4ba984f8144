"""Stopped in mid-epoch: the same batches go on, and the start costs no more at step 900,000 than at step 0."""

import dataclasses
import hashlib
import itertools
import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kcnn.data.source import Info, Source, Split
from kcnn.data.splits import array_split
from kcnn.train import checkpoint

from . import job
from .forks import Child, Shared
from .outcome import Outcome

STOPS = (1, 37, 50, 51, 149)
ITEMS, FAR, SKIPPED = 1_000_000, 900_000, 90_000
CRITERION = (
    "stopped at steps 1, 37, 50, 51, 149 batches and end equal an unbroken run's; each item comes once an epoch; from "
    f"step {FAR:,} of a source of {ITEMS:,} items the first step comes within 1.2 times a cold start; so "
    "it is over a stream, whose place is saved"
)


def run(n: int, work: Path) -> Outcome:
    """Stop at each step once, by index and over a stream; measure the start n / 8 times, at least thrice."""
    job.warm()
    exact = dict(zip(STOPS, _stopped(work / "index", job.source()), strict=True))
    exact |= {
        f"stream {stop}": same for stop, same in zip(STOPS, _stopped(work / "stream", _stream(work)), strict=True)
    }
    places = work / "places.json"
    _child(lambda: _places(places), work)
    place = _read(places)
    told = work / "batches.json"
    _child(lambda: _batches(told), work)
    batches = _read(told)
    starts = _starts(max(3, n // 8), work)
    ratio = starts["far"] / starts["cold"]
    return Outcome(
        criterion=CRITERION,
        passed=all(exact.values())
        and batches["equal"] == batches["compared"]
        and batches["once"]
        and ratio <= 1.2
        and place["equal"]
        and place["far"] <= 1.2 * place["cold"] + 0.1,
        kcnn=f"{sum(exact.values())} of {len(exact)} ends identical (half over a stream), "
        f"{batches['equal']} of {batches['compared']} batches; each of 800 items once an epoch: {batches['once']}; "
        f"first step after {starts['far']:.2f} s at {FAR:,}, {starts['cold']:.2f} s cold ({ratio:.2f}); "
        f"first batch of a stream after {place['far']:.2f} s at {SKIPPED:,}, {place['cold']:.2f} s cold, "
        f"{place['walked']:.1f} s by reading up to it",
        baseline=f"tf.data skip, as HF Trainer resumes: {batches['skip']:.1f} s for {SKIPPED:,} steps, "
        f"so {batches['skip'] * FAR / SKIPPED:.0f} s for {FAR:,}",
        figures={"exact": exact, "places": place, "batches": batches, "starts": starts, "ratio": ratio},
    )


def _read(file: Path) -> Any:
    import json

    return json.loads(file.read_text(encoding="utf-8"))


def _child(action: Any, work: Path, expected: int = 0) -> None:
    if (code := Child(action, work / "log").finish()) != expected:
        raise RuntimeError(f"ended with {code}: {(work / 'log').read_text(encoding='utf-8')[-3000:]}")


def _stopped(work: Path, data: Source) -> Iterator[bool]:
    """Yield for each stop whether the run that was stopped there ends as the unbroken one."""
    work.mkdir()
    _child(lambda: job.train(work / "whole", data=data), work)
    expected = job.result(work / "whole")
    for stop in STOPS:
        folder = work / f"stop{stop}"
        _child(lambda folder=folder, stop=stop: _stop_at(folder, stop, data=data), work, 128 + signal.SIGTERM)
        at = checkpoint.newest(folder / "checkpoints", print)[1]["step"]
        _child(lambda folder=folder: job.train(folder, data=data), work)
        same = at == stop and job.result(folder) == expected
        if not same:
            print(f"stop at {stop}: saved at {at}, {job.result(folder)} is not {expected}", flush=True)
        yield same


def _stop_at(folder: Path, stop: int, **given: Any) -> int:
    from kcnn.train.callbacks import Keeper

    step = Keeper.on_train_batch_end

    def stopping(self: Any, batch: int, logs: Any = None) -> None:
        if self._state.step == stop - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        step(self, batch, logs)

    Keeper.on_train_batch_end = stopping
    return job.train(folder, **given)


def _stream(work: Path) -> Source:
    """Return the job's data with its training images as a stream: PNG in a TFRecord file."""
    from kcnn.data.stream import stream_split

    usual, file = job.source(), work / "train.tfrecord"
    train = usual.split("train")

    def write() -> None:
        import tensorflow as tf

        with tf.io.TFRecordWriter(str(file)) as writer:
            for image in train.arrays["image"]:
                writer.write(tf.io.encode_png(image).numpy())

    def stream() -> Any:
        import tensorflow as tf

        return tf.data.TFRecordDataset(str(file))

    _child(write, work)
    return Source(info=usual.info, splits={**usual.splits, "train": stream_split(stream, train.labels, "train")})


def _places(told: Path) -> None:
    """Take up a stream of a million items at its saved place, at its beginning, and by reading up to the place."""
    import json

    import tensorflow as tf

    from kcnn.data import pipeline
    from kcnn.data.stream import Places, stream_split

    job.repeatable()
    record, labels = job.recipe().preprocess, np.arange(ITEMS, dtype=np.int32) % job.CLASSES
    images = [tf.io.encode_png(np.full((job.SIZE, job.SIZE, 1), gray, np.uint8)).numpy() for gray in range(251)]
    split = stream_split(
        lambda: tf.data.Dataset.range(ITEMS).map(lambda i: tf.gather(tf.constant(images), i % 251)), labels, "virtual"
    )

    def first(places: Places, start: int = 0) -> tuple[np.ndarray, float]:
        begun = time.monotonic()
        data = dataclasses.replace(split, places=places)
        batches = pipeline.training(data, record, batch_size=1, seed=0, epochs=1, start_step=start)
        return next(iter(batches))[0].numpy(), time.monotonic() - begun

    noted = Places()
    _, cold = first(Places())
    expected, walked = first(noted, SKIPPED)
    found, far = first(Places(noted.at(SKIPPED)), SKIPPED)
    facts = {"cold": cold, "far": far, "walked": walked, "equal": bool(np.array_equal(found, expected))}
    told.write_text(json.dumps(facts), encoding="utf-8")


def _batches(told: Path) -> None:
    """Compare every batch from each stop on with the unbroken order, count items, and time the usual way to skip."""
    import json

    from kcnn.data import pipeline
    from kcnn.tasks import TASKS

    job.repeatable()
    recipe = job.recipe()
    dataset = TASKS.get(recipe.task).dataset

    def hashes(start: int) -> list[str]:
        found = dataset(recipe, job.source(), "train", training=True, start_step=start)
        return [hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest() for x, y in found.as_numpy_iterator()]

    whole = hashes(0)
    pairs = [pair for stop in STOPS for pair in zip(hashes(stop), whole[stop:], strict=True)]
    seen: list[Counter] = [Counter() for _ in range(job.EPOCHS)]
    for first, last in zip((0, *STOPS), (*STOPS, len(whole)), strict=True):  # as if each life ended at a stop
        for step, items in enumerate(itertools.islice(_items(first), last - first), start=first):
            seen[step // job.STEPS].update(items)
    once = all(len(found) == job.STEPS * job.BATCH and set(found.values()) == {1} for found in seen)
    far = pipeline.training(_virtual().split("train"), recipe.preprocess, batch_size=1, seed=0, epochs=1)
    begun = time.monotonic()
    next(iter(far.skip(SKIPPED)))
    facts = {"compared": len(pairs), "equal": sum(a == b for a, b in pairs), "once": once}
    told.write_text(json.dumps(facts | {"skip": time.monotonic() - begun}), encoding="utf-8")


def _items(start: int) -> Iterator[list[int]]:
    """Yield which items each step from `start` on trains on, read from pixels: each image shows its own number."""
    from kcnn.tasks import TASKS

    plain, usual = job.recipe({"crop_padding": 0, "flip": False, "erasing": 0.0}), job.source()
    images, labels = job.images(job.STEPS * job.BATCH, 1)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(np.arange(len(images)), 256)
    numbered = Source(info=usual.info, splits={**usual.splits, "train": array_split(images, labels, "train")})
    batches = TASKS.get(plain.task).dataset(plain, numbered, "train", training=True, start_step=start)
    for x, _ in batches.as_numpy_iterator():
        pixels = (x[:, 0, :2, 0] * plain.preprocess.std[0] + plain.preprocess.mean[0]) / plain.preprocess.scale
        yield (np.rint(pixels) @ [256, 1]).astype(int).tolist()


def _virtual() -> Source:
    """Return a source of a million items that are made when they are read."""
    labels = np.arange(ITEMS, dtype=np.int32) % job.CLASSES

    def read(index: Any) -> dict[str, Any]:
        import tensorflow as tf

        pixels = tf.tile(tf.cast(index % 251, tf.uint8)[:, None, None, None], (1, job.SIZE, job.SIZE, 1))
        return {"image": pixels, "label": tf.gather(labels, index)}

    nothing = np.broadcast_to(np.uint8(0), (ITEMS, 1, 1, 1))  # what a search for copies looks at
    split = Split(size=ITEMS, read=read, labels=labels, names=str, arrays={"image": nothing, "label": labels})
    held_out = job.source().split("validation")
    info = Info(name="virtual", splits={"train": ITEMS, "validation": held_out.size}, classes=job.source().info.classes)
    return Source(info=info, splits={"train": split, "validation": held_out})


def _starts(times: int, work: Path) -> dict[str, Any]:
    """Return the median seconds from the fork to the end of the first step: from step 0, and from step 900,000."""
    data, chosen = _virtual(), job.recipe(epochs=1, batch_size=1, checkpoint_steps=0, learning_rate=1e-4)
    origin = work / "origin"
    _child(lambda: _stop_at(origin, 1, chosen=chosen, data=data), work, 128 + signal.SIGTERM)
    tensors, state = checkpoint.newest(origin / "checkpoints", print)
    checkpoint.save(origin / "checkpoints", tensors, {**state, "step": FAR})
    seconds: dict[str, list[float]] = {"cold": [], "far": []}
    for i in range(times):
        for name in ("cold", "far"):
            folder, told = work / f"{name}{i}", Shared(3)
            if name == "far":
                folder.mkdir()
                os.rename(origin / "checkpoints", folder / "checkpoints")
                (folder / "recipe.json").write_bytes((origin / "recipe.json").read_bytes())
            begun = time.monotonic()
            child = Child(
                lambda folder=folder, told=told: job.train(folder, told, chosen=chosen, data=data), work / "log"
            )
            while not told[job.FIRST_STEP_MS]:
                if child.wait(0.01) is not None:
                    raise RuntimeError((work / "log").read_text(encoding="utf-8")[-3000:])
            seconds[name].append(told[job.FIRST_STEP_MS] / 1000 - begun)
            child.send()
            child.finish()
            if told[job.BEGUN] != (FAR if name == "far" else 0):
                raise RuntimeError(f"began at step {told[job.BEGUN]}")
            if name == "far":
                os.rename(folder / "checkpoints", origin / "checkpoints")
    return {name: statistics.median(found) for name, found in seconds.items()} | {"all": seconds}
