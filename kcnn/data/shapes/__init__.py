"""`shapes`: scenes of circles, stars, rings and more, drawn by a program; a data set of any size without a file.

    source = kcnn.open_source("shapes")                       # 64 px; 800 to train, 100 to validate, 200 to test
    source = kcnn.open_source("shapes:size=128,count=5000")   # 128 px; 5,000, 625 and 1,250
    picture = shapes.picture(7, size=256)                     # one scene whole

One description of a scene (`scene.Scene`) gives the image, the boxes, a mask for each thing, the segmentation mask and
the captions. It depends on (seed, split, index) alone: a larger data set begins with the smaller one, a larger size
shows the same scenes, and every machine draws the same pixels.
"""

import functools
import re
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.data.masks import default_palette
from kcnn.data.shapes.draw import Picture, draw
from kcnn.data.shapes.scene import KINDS, compose
from kcnn.data.source import Info, Source, Split
from kcnn.errors import ConfigError

if TYPE_CHECKING:
    import tensorflow as tf

CLASSES = ("background", *KINDS)
SPLITS = {"train": 800, "validation": 100, "test": 200}
LEAST_SIZE, LARGEST_SIZE = 8, 4096  # pixels
MOST_PICTURES = 10_000_000
KEPT = 1 << 29  # bytes of drawn pictures that are kept in memory; those beyond are drawn at each reading


def open_shapes() -> Source:
    """Return `source()`: 64 x 64 pixels; 800, 100 and 200 pictures."""
    return source()


def source(
    size: int | tuple[int, int] = 64,
    train: int = SPLITS["train"],
    validation: int = SPLITS["validation"],
    test: int = SPLITS["test"],
    seed: int = 0,
) -> Source:
    """Return the data set; nothing is drawn before it is read.

    Args:
        size: side in pixels, or (height, width), each 8..4096.
        train, validation, test: pictures of each split; without any a split is left out.
        seed: another one gives other scenes, 0..2**32-1.

    Returns: examples of "image" uint8 (H, W, 3); "mask" uint8 (H, W), 0 background, 1..8 as `CLASSES`; and, N things
        from back to front: "boxes" float32 (N, 4), (x1, y1, x2, y2) in pixels, "classes" int32 (N,) as in "mask",
        "masks" uint8 (N, H, W), what is to be seen of each; "captions" string (K,), 1 or 2 sentences.

    Raises:
        ConfigError: a size, count or seed that cannot be.
    """
    height, width = _checked(size, {"train": train, "validation": validation, "test": test}, seed)
    counts = {name: count for name, count in zip(SPLITS, (train, validation, test), strict=True) if count}
    info = Info(
        name="shapes",
        splits=counts,
        classes=CLASSES,
        keys=("mask", "boxes", "classes", "masks", "captions"),
        image_shape=(height, width, 3),
        licence="Apache-2.0, as kcnn",
        palette=default_palette(len(CLASSES)),
    )
    parts = {name: _split(_Album(seed, name, count, height, width), name) for name, count in counts.items()}
    return Source(info=info, splits=parts)


def open_named(options: str) -> Source:
    """Return `source` as the text after "shapes:" says, such as "size=128,count=5000,seed=1" or "size=96x128".

    `count` is the pictures to train on; validation and test have an eighth and a quarter of it, as by default.

    Raises:
        ConfigError: something else is written there.
    """
    found = {"size": "64", "count": str(SPLITS["train"]), "seed": "0"}
    for part in filter(None, options.split(",")):
        name, _, value = part.partition("=")
        form = r"\d{1,9}(x\d{1,9})?" if name == "size" else r"\d{1,10}"
        if name not in found or not re.fullmatch(form, value, re.ASCII):
            raise ConfigError(f"shapes:{options} has {part!r} but takes size=128 (or 96x128), count=500 and seed=0.")
        found[name] = value
    sides = tuple(int(side) for side in found["size"].split("x"))
    count = int(found["count"])
    size = sides if len(sides) == 2 else sides[0]
    return source(size, count, max(1, count // 8), max(1, count // 4), int(found["seed"]))


def picture(index: int, split: str = "train", size: int | tuple[int, int] = 64, seed: int = 0) -> Picture:
    """Return one scene of the data set, drawn; arguments as `source`.

    Raises:
        ConfigError: no such split, size or seed, or `index` below 0.
    """
    if split not in SPLITS or index < 0:
        raise ConfigError(f"shapes has {', '.join(SPLITS)} and numbers from 0, but {split!r} and {index} were given.")
    height, width = _checked(size, {}, seed)
    return _drawn(seed, split, index, height, width)


def _checked(size: int | tuple[int, int], counts: dict[str, int], seed: int) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(LEAST_SIZE <= side <= LARGEST_SIZE for side in sides):
        raise ConfigError(f"shapes: size is {size} but must be {LEAST_SIZE}..{LARGEST_SIZE} pixels, or two of these.")
    for name, count in counts.items():
        if not (name == "train") <= count <= MOST_PICTURES:
            raise ConfigError(f"shapes: {name} is {count} but must be 1..{MOST_PICTURES:,} (others may be 0).")
    if not 0 <= seed < 2**32:
        raise ConfigError(f"shapes: seed is {seed} but must lie in 0..2**32-1.")
    return sides[0], sides[1]


def _drawn(seed: int, split: str, index: int, height: int, width: int) -> Picture:
    short = min(height, width)
    scene = compose(seed, list(SPLITS).index(split), index, (height / short, width / short))
    return draw(scene, height, width)


class _Album:
    """The pictures of one split, drawn when first asked for; image and mask are kept while they fit in `KEPT`."""

    def __init__(self, *key: Any):
        self._seed, self._split, self.count, self._height, self._width = key
        self._kept: dict[str, np.ndarray] | None = None
        self._done = np.zeros(self.count, bool)
        self._lock = threading.Lock()

    def picture(self, index: int) -> Picture:
        return _drawn(self._seed, self._split, int(index), self._height, self._width)

    def pixels(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return image and mask."""
        shape = (self.count, self._height, self._width)
        if 4 * self.count * self._height * self._width > KEPT:
            found = self.picture(index)
            return found.image, found.mask
        with self._lock:
            if self._kept is None:
                self._kept = {"image": np.empty((*shape, 3), np.uint8), "mask": np.empty(shape, np.uint8)}
        if not self._done[index]:
            found = self.picture(index)
            self._kept["image"][index], self._kept["mask"][index] = found.image, found.mask
            self._done[index] = True
        return self._kept["image"][index], self._kept["mask"][index]

    def things(self, index: int) -> tuple[np.ndarray, ...]:
        """Return boxes, classes, masks and captions."""
        found = self.picture(index)
        captions = np.array([text.encode() for text in found.captions], object)
        return found.boxes, found.classes, found.masks, captions

    def read(self, index: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """Return an example as graph operations; what is not used is not drawn."""
        import tensorflow as tf

        area = (self._height, self._width)
        call = functools.partial(tf.numpy_function, inp=[index], stateful=False)
        image, mask = call(self.pixels, Tout=(tf.uint8, tf.uint8))
        boxes, classes, masks, captions = call(self.things, Tout=(tf.float32, tf.int32, tf.uint8, tf.string))
        shapes = {"image": (*area, 3), "mask": area, "boxes": (None, 4), "classes": (None,), "masks": (None, *area)}
        example = {"image": image, "mask": mask, "boxes": boxes, "classes": classes, "masks": masks}
        known = {key: tf.ensure_shape(value, shapes[key]) for key, value in example.items()}
        return {**known, "captions": tf.ensure_shape(captions, (None,))}


def _split(album: _Album, name: str) -> Split:
    return Split(
        size=album.count,
        read=album.read,
        labels=np.zeros((album.count, 0), np.uint8),
        names=lambda index: f"{name}[{index}]",
        target="mask",
    )
