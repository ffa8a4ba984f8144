"""A few examples of a split, spread evenly, as the resized images that every format takes."""

import numpy as np
import tensorflow as tf

from kcnn.data.preprocess import prepare_example
from kcnn.data.source import Split
from kcnn.errors import DataError
from kcnn.recipe import Preprocess


def sample(split: Split, record: Preprocess, count: int) -> dict[str, np.ndarray]:
    """Read `count` examples, or all when there are fewer, at even steps through the split.

    Splits are often sorted by class; even steps see every class. Unreadable images are left out.

    Returns: stacked arrays; "image" is (N, H, W, C) as `record` says, `split.target` (N,) labels and the like, or
        masks of that size.

    Raises:
        DataError: no image of the sample can be read.
    """
    split = split.at_depth(record.bit_depth)
    indices = np.unique(np.linspace(0, split.size - 1, min(count, split.size)).round().astype(np.int64))

    @tf.autograph.experimental.do_not_convert
    def read(index: tf.Tensor) -> dict[str, tf.Tensor]:
        return prepare_example(split.read(index), record, split.target)

    examples = tf.data.Dataset.from_tensor_slices(indices).map(read, num_parallel_calls=tf.data.AUTOTUNE)
    found = list(examples.ignore_errors().as_numpy_iterator())
    if not found:
        raise DataError(f"none of {len(indices)} images can be read, the first is {split.names(int(indices[0]))}.")
    return {key: np.stack([example[key] for example in found]) for key in found[0]}
