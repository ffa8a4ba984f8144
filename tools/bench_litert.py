"""LiteRT int8 against float32: mobilenet_v2 at 224 pixels, one thread, the two taking turns.

    python tools/bench_litert.py [--model mobilenet_v2] [--size 224] [--seconds 10] [--threads 1]

Prints size and milliseconds of both and how many times faster int8 is; the bar is 1.8. The weights are random, which
changes neither the operations nor their time.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import kcnn
from kcnn.export import litert, metadata
from kcnn.export.facts import Facts
from kcnn.export.runner import open_litert
from kcnn.export.timing import take_turns
from kcnn.recipe import Preprocess
from kcnn.tasks.task import Signature


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="mobilenet_v2")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    keras.utils.set_random_seed(0)
    record = Preprocess(size=(args.size, args.size))
    model = kcnn.build(args.model, num_classes=1000, image_shape=record.image_shape)
    labels = tuple(f"class {index}" for index in range(1000))
    signature = Signature(
        outputs=("probabilities",),
        finish=lambda logits: {"probabilities": tf.nn.softmax(logits)},
        answers=lambda outputs: outputs["probabilities"].argmax(-1),
        truth=lambda examples: examples["label"],
        labels=labels,
    )
    facts = Facts(name=args.model, task="classification", preprocess=record, labels=labels)
    images = np.random.default_rng(0).integers(0, 256, (8, *record.image_shape), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        files = litert.convert(model, record, signature, ("fp32", "int8"), images, Path(folder))
        for file in files.values():
            metadata.attach(file, facts)
        runners = {name: open_litert(file, args.threads, name) for name, file in files.items()}
        calls = {name: (lambda runner=runner: runner.predict(images[:1])) for name, runner in runners.items()}
        speed = take_turns(calls, args.seconds)
        sizes = {name: file.stat().st_size for name, file in files.items()}
    for name, found in speed.items():
        print(f"{name}: {sizes[name] / 2**20:6.2f} MiB   p50 {found.p50:7.2f} ms   p90 {found.p90:7.2f} ms")
    print(
        f"{args.model} {args.size} px, {args.threads} thread(s): int8 is {speed['fp32'].p50 / speed['int8'].p50:.2f}x "
        f"faster (bar 1.8) and {sizes['int8'] / sizes['fp32']:.2f}x the size (bar 0.30)"
    )


if __name__ == "__main__":
    main()
