"""What the studies share: real data as arrays, one way to train, one way to time, one way to print."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from kcnn.data import open_source

Arrays = tuple[np.ndarray, np.ndarray]


def arrays(source: str) -> tuple[Arrays, Arrays]:
    """Return (train images, labels), (test images, labels): float32 in -1..1, (N, H, W, C), and int32."""
    opened = open_source(source)
    found = []
    for name in ("train", "test"):
        held = opened.split(name).arrays
        found.append((held["image"].astype("float32") / 127.5 - 1, held["label"].astype("int32")))
    return found[0], found[1]


def fit(model: keras.Model, train: Arrays, *, epochs: int, rate: float = 1e-3, seed: int = 0) -> list[float]:
    """Train with AdamW, cosine decay and batches of 64; return the training accuracy of each epoch."""
    keras.utils.set_random_seed(seed)
    images, labels = train
    steps = -(-len(images) // 64)
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images), seed=seed).batch(64)
    decay = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(decay), loss, metrics=["accuracy"])
    history = model.fit(batches.prefetch(2), epochs=epochs, verbose=0, shuffle=False).history
    return [float(value) for value in history["accuracy"]]


def accuracy(model: keras.Model, test: Arrays) -> float:
    """Return the share of right answers."""
    images, labels = test
    return float((np.argmax(model.predict(images, verbose=0), axis=1) == labels).mean())


def timed(first: keras.Model, second: keras.Model, images: np.ndarray, rounds: int = 5) -> tuple[float, float]:
    """Return the median seconds of a forward pass of each, measured in turn."""
    times: list[list[float]] = [[], []]
    runs: list[Callable[[], object]] = [tf.function(lambda m=m: m(images, training=False)) for m in (first, second)]
    for turn in range(rounds + 1):
        for place, run in enumerate(runs):
            start = time.perf_counter()
            run()
            if turn:
                times[place].append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    print(f"\n**{title}**\n")
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
