"""Reading images with masks: kcnn's batches against a plain tf.data pipeline with the same decoding.

    python tools/bench_masks.py FOLDER [--size 180 240] [--rounds 5]

The two take turns over the training split. Prints wall and processor time of each pass and the median ratios; first
both must give the same images and masks.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from kcnn.data import open_source, pipeline
from kcnn.data.decode import decode
from kcnn.data.masks import resize_mask
from kcnn.data.preprocess import normalise, resize
from kcnn.data.source import Split
from kcnn.recipe import Preprocess


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--size", type=int, nargs=2, default=(180, 240), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    split, record = open_source(args.folder).split("train"), Preprocess(size=tuple(args.size))
    same(split, record)
    ours = pipeline.training(split, record, batch_size=args.batch, seed=0, epochs=1)
    theirs = plain(split, record).shuffle(split.size, seed=0)
    theirs = theirs.map(reader(split, record), num_parallel_calls=tf.data.AUTOTUNE)
    theirs = theirs.batch(args.batch).prefetch(tf.data.AUTOTUNE)
    for batches in (ours, theirs):
        timed(batches)
    rows = []
    for _ in range(args.rounds):
        rows.append((*timed(ours), *timed(theirs)))
        print("kcnn {:.2f} s (processor {:.2f} s), tf.data {:.2f} s (processor {:.2f} s)".format(*rows[-1]), flush=True)
    wall, busy, plain_wall, plain_busy = np.array(rows).T
    print(f"kcnn / tf.data: wall {np.median(wall / plain_wall):.2f}, processor {np.median(busy / plain_busy):.2f}")


def plain(split: Split, record: Preprocess) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((list(split.files), list(split.masks)))


def reader(split: Split, record: Preprocess):
    """Resize where sizes differ alone, as kcnn does: the files decide, so all must have the size or none."""
    height, width = decode(tf.io.read_file(split.files[0])).shape[:2]
    fits = (height, width) == record.size

    def read(image: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels, ids = decode(tf.io.read_file(image)), split.coding.read(tf.io.read_file(mask))
        if not fits:
            pixels, ids = resize(pixels, record), resize_mask(ids, record.size)
        return normalise(tf.ensure_shape(pixels, record.image_shape), record), tf.ensure_shape(ids, record.size)

    return read


def same(split: Split, record: Preprocess) -> None:
    ours = pipeline.evaluation(split, record, 8)
    theirs = plain(split, record).map(reader(split, record)).batch(8)
    for one, other in zip(ours.take(4), theirs, strict=False):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def timed(batches: tf.data.Dataset) -> tuple[float, float]:
    wall, busy = time.perf_counter(), time.process_time()
    for _ in batches:
        pass
    return time.perf_counter() - wall, time.process_time() - busy


if __name__ == "__main__":
    main()
