"""Data sets: what an example is, where it comes from, in which order, and how it is varied.

    source = kcnn.open_source("digits")
    train = kcnn.load("cifar10", split="train", batch_size=128)

Importing this module imports no TensorFlow.
"""

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from kcnn.data.source import Info, Source, Split
from kcnn.errors import ConfigError, UnknownNameError
from kcnn.recipe import Data, Preprocess
from kcnn.registry import Entry, Registry

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["SOURCES", "Info", "Source", "Split", "load", "open_source"]

SOURCES = Registry(
    "source",
    "kcnn.sources",
    {
        "digits": Entry("kcnn.data.arrays:open_digits", "1,797 handwritten digits, 8x8 gray, brought by scikit-learn"),
        "shapes": Entry("kcnn.data.shapes:open_shapes", "drawn scenes with masks, boxes and captions, of any size"),
        "mnist": Entry("kcnn.data.tfds:open_mnist", "70,000 digits, 28x28 gray (needs its tensorflow-datasets copy)"),
        "fashion_mnist": Entry(
            "kcnn.data.tfds:open_fashion_mnist", "70,000 articles of clothing, 28x28 gray (likewise)"
        ),
        "cifar10": Entry("kcnn.data.tfds:open_cifar10", "60,000 photos of 10 classes, 32x32 (likewise)"),
        "cifar100": Entry("kcnn.data.tfds:open_cifar100", "60,000 photos of 100 classes, 32x32 (likewise)"),
    },
)
"""Name -> function of no arguments that returns a `Source`. Beside names there are `tfds:NAME` and paths."""


def open_source(spec: Data | str, bit_depth: int = 8) -> Source:
    """Open a data set.

    Args:
        spec: a `recipe.Data`, or its `source` alone: a name of `SOURCES`, `tfds:NAME`, `shapes:size=128,count=500`,
            or the path of a folder or file in any layout of `kcnn.data.layouts`. `masks:PATH` takes the masks of a
            folder that holds boxes or labels too.
        bit_depth: 8, or 16 to keep all bits of 16-bit PNG files; images are then float32, 0..255 in steps of 1/257.

    Returns: the source, limited to `spec.limit` evenly spread examples of each split. Where it has no
        "validation" split, `spec.validation` of "train" becomes one: evenly spread over each class, the
        same examples every time.

    Raises:
        UnknownNameError: neither a name nor a path.
        DataError: the path holds something else, with what was found; or labels do not fit.
        ResourceError: a data set or package that is not on this machine.
        ConfigError: `bit_depth` is neither 8 nor 16.
    """
    from kcnn.data import hold_out, layouts

    if not isinstance(spec, (str, os.PathLike, Data)):
        raise ConfigError(f"the source is {spec!r} but must be a name, a path, or kcnn.recipe.Data.")
    spec = spec if isinstance(spec, Data) else Data(source=os.fspath(spec))
    name = os.path.expanduser(spec.source)
    if name.startswith("tfds:"):
        from kcnn.data.tfds import open_tfds

        source = open_tfds(name.removeprefix("tfds:"))
    elif name.startswith("shapes:"):
        from kcnn.data import shapes

        source = shapes.open_named(name.removeprefix("shapes:"))
    elif name.startswith("masks:"):
        source = layouts.open_path(os.path.expanduser(name.removeprefix("masks:")), "mask")
    elif name in SOURCES.entries():
        source = SOURCES.get(name)()
    elif not layouts.is_path(name):
        hint = f"There is no file or folder of that name either. Sources: {', '.join(sorted(SOURCES.entries()))}."
        raise UnknownNameError("source", name, SOURCES.entries(), hint)
    else:
        source = layouts.open_path(name)
    return hold_out.limited(hold_out.with_validation(source, spec.validation), spec.limit).at_depth(bit_depth)


def load(  # noqa: PLR0913  (each is one an input pipeline has)
    name: str | Data,
    split: str = "train",
    batch_size: int = 32,
    image_size: tuple[int, int] | None = None,
    shuffle: bool | None = None,
    seed: int = 0,
    *,
    channels: int | None = None,
    preprocess: Preprocess | None = None,
    bit_depth: int | None = None,
) -> "tf.data.Dataset":
    """Load one split as a plain, finite `tf.data.Dataset` of (images, labels) or (images, masks) for `model.fit`.

    Args:
        name: as `open_source`. Of a name or a path nothing is held out for validation;
            `kcnn.Data(source=name, validation=0.15)` holds out 15 % of "train".
        split: "train", "validation" or "test", where the source has it.
        batch_size: examples a batch; the last one may be shorter.
        image_size: (height, width) to resize to; None keeps the size of a source whose images all have one.
        shuffle: a new order each time the data set is iterated; None shuffles "train" only.
        seed: of the orders.
        channels: 1 for gray, 3 for RGB; None keeps the source's, RGB where images differ.
        preprocess: size, channels and scale that pretrained weights expect, as `kcnn.preprocess` returns; in place of
            `image_size` and `channels`.
        bit_depth: 16 keeps all bits of 16-bit PNG files, 8 their high byte; None is 8, or as `preprocess` says.

    Returns: batches of float32 (B, height, width, channels) in [0, 1], or as `preprocess` says, and int32 (B,) class
        ids; where the source has masks, uint8 (B, height, width) of class ids and 255 to ignore. An image that cannot
        be read ends the iteration with an error; `kcnn check` finds such images beforehand.

    Raises:
        ConfigError: images differ in size and `image_size` is None, or an argument cannot work.
        UnknownNameError, DataError, ResourceError: as `open_source`.

    Example:
        >>> kcnn.load("digits", split="test", batch_size=8).element_spec[0].shape
        TensorShape([None, 8, 8, 1])
    """
    import tensorflow as tf

    from kcnn.data import pipeline, stream
    from kcnn.data.preprocess import normalise

    if channels not in (None, 1, 3):
        raise ConfigError(f"channels is {channels} but must be 1 (gray) or 3 (RGB).")
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size} but must be 1 or more.")
    if image_size is not None and not (isinstance(image_size, (tuple, list)) and len(image_size) == 2):
        raise ConfigError(f"image_size is {image_size} but must be (height, width).")
    if isinstance(name, (str, os.PathLike)):
        name = Data(source=os.fspath(name), validation=0.0)
    source = open_source(name)
    chosen = source.split(split)
    if preprocess is not None and (image_size is not None or channels is not None):
        raise ConfigError("preprocess says size and channels already; leave out image_size and channels.")
    height, width, depth = source.info.image_shape
    if preprocess is not None:
        image_size = preprocess.size
    if image_size is None and (height is None or width is None):
        raise ConfigError(f"the images of {source.info.name!r} differ in size; pass image_size=(height, width).")
    record = preprocess or Preprocess(
        size=image_size or (height, width),
        mean=(0.0,),
        std=(1.0,),
        channel_order="gray" if (channels or depth) == 1 else "rgb",
    )
    if bit_depth is not None:
        record = dataclasses.replace(record, bit_depth=bit_depth)
    if not (split == "train" if shuffle is None else shuffle):
        return pipeline.evaluation(chosen, record, batch_size)

    @tf.autograph.experimental.do_not_convert
    def batch(indices: Any, *contents: Any) -> Any:
        read = pipeline.decode_batch if contents else pipeline.read_batch
        images, targets = read(chosen, record, indices, *contents)
        return normalise(images, record), targets

    if chosen.stream is None:
        rows = tf.data.Dataset.range(chosen.size).shuffle(chosen.size, seed=seed, reshuffle_each_iteration=True)
    else:
        rows = chosen.stream().enumerate().shuffle(stream.BLOCK, seed=seed, reshuffle_each_iteration=True)
    return rows.batch(batch_size).map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
