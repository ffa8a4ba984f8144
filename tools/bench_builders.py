"""Time our networks against keras.applications' with the same weights, in turn: forward, training step, build.

    .venv/bin/python tools/bench_builders.py [--rounds=5] [NAME ...]

Prints, for 96 and 224 px, the median time of each and the ratio ours / theirs (1.0 is even, lower is faster). Rounds
alternate, so that a busy machine slows both.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

import kcnn
from kcnn import zoo
from kcnn.testing import formula
from kcnn.weights.transplant import KerasWeights

PAIRS = {
    "resnet50_paper": "ResNet50",
    "mobilenet_v2": "MobileNetV2",
    "densenet121": "DenseNet121",
    "efficientnet_b0": "EfficientNetB0",
}
BATCH, CALLS = 8, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PAIRS)}; default all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sides", type=int, nargs="+", default=[96, 224])
    args = parser.parse_args()
    for name in args.names or PAIRS:
        for side in args.sides:
            compare(name, side, args.rounds)


def compare(name: str, side: int, rounds: int) -> None:
    shape = (side, side, 3)

    def ours() -> keras.Model:
        return kcnn.build(name, image_shape=shape)

    def theirs() -> keras.Model:
        twin = getattr(keras.applications, PAIRS[name])
        return twin(weights=None, input_shape=shape, classifier_activation=None)

    show(name, side, "build", *alternate(ours, theirs, rounds))
    mine, twin = ours(), theirs()
    zoo.Pretrained(KerasWeights.of(twin), zoo.tables(name)["keras"]).into(mine)
    images = tf.constant(formula.images(shape, BATCH))
    show(name, side, "forward", *alternate(forward(mine, images), forward(twin, images), rounds))
    show(name, side, "step", *alternate(step(mine, images), step(twin, images), rounds))


def forward(model: keras.Model, images: tf.Tensor) -> Callable[[], object]:
    run = tf.function(lambda: model(images, training=False))
    run()
    return lambda: [run() for _ in range(CALLS)]


def step(model: keras.Model, images: tf.Tensor) -> Callable[[], object]:
    model.compile(keras.optimizers.SGD(1e-6), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    labels = np.arange(BATCH)
    model.train_on_batch(images, labels)
    return lambda: model.train_on_batch(images, labels)


def alternate(first: Callable[[], object], second: Callable[[], object], rounds: int) -> list[list[float]]:
    """Return the seconds of each call, one of each in turn; who begins changes every round."""
    times: list[list[float]] = [[], []]
    for turn in range(rounds):
        for which in (0, 1) if turn % 2 else (1, 0):
            start = time.perf_counter()
            (first, second)[which]()
            times[which].append(time.perf_counter() - start)
    return times


def show(name: str, side: int, what: str, ours: list[float], theirs: list[float]) -> None:
    ratios = [mine / twin for mine, twin in zip(ours, theirs, strict=True)]
    print(
        f"{name:16} {side:3} px  {what:8} ours {1000 * statistics.median(ours):8.1f} ms  theirs "
        f"{1000 * statistics.median(theirs):8.1f} ms  ratio of medians "
        f"{statistics.median(ours) / statistics.median(theirs):.2f}, of the fastest {min(ours) / min(theirs):.2f}, "
        f"of pairs {min(ratios):.2f}..{max(ratios):.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
