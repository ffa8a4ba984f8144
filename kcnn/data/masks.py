"""Masks: a class id for every pixel, read from PNG files by palette index, gray value or colour.

A mask is uint8 (H, W); `IGNORE` marks pixels that neither loss nor metric counts. Decoding is graph operations alone.
"""

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf
    from PIL import Image

IGNORE = 255
"""The value of pixels without a class: unlabelled, void, or the border between objects."""

MOST_CLASSES = 254
_UNKNOWN = 254  # in tables: a value that no class has
_PNG = b"\x89PNG\r\n\x1a\n"
_PALETTE, _GRAY = 3, (0, 4)  # colour types of a PNG; gray without and with alpha, 2 and 6 are RGB


@dataclass(frozen=True)
class Coding:
    """How the pixels of a mask file name classes.

    Attributes:
        values: palette index or gray value in the file -> class id, or `IGNORE`; 255 is `IGNORE` unless named.
        colours: (r, g, b) in the file -> class id, or `IGNORE`. Where there are some, masks with a palette are read
            by their colours too; gray ones by value.
    """

    values: dict[int, int]
    colours: dict[tuple[int, int, int], int] = field(default_factory=dict)

    @classmethod
    def of_ids(cls, count: int) -> "Coding":
        """Return the coding in which the file holds the ids 0..count-1 themselves."""
        return cls({value: value for value in range(count)})

    def read(self, contents: "tf.Tensor") -> "tf.Tensor":
        """Decode the bytes of a PNG (scalar string) into class ids, uint8 (H, W).

        Raises:
            tf.errors.InvalidArgumentError: when run, on bytes that are no PNG, or values or colours without class.
        """
        import tensorflow as tf

        def by_value() -> tf.Tensor:
            return tf.gather(self.table(), tf.cast(indices(contents), tf.int32))

        def by_colour() -> tf.Tensor:
            return self._of_colours(tf.io.decode_png(contents, channels=3))

        if not self.colours:
            return self._known(by_value())
        gray = tf.reduce_any(_byte(contents, 25) == _GRAY)
        return self._known(tf.cond(gray, by_value, by_colour))

    def table(self) -> np.ndarray:
        """Return uint8 (256,): value in the file -> class id."""
        table = np.full(256, _UNKNOWN, np.uint8)
        table[IGNORE] = IGNORE
        table[list(self.values)] = list(self.values.values())
        return table

    def _of_colours(self, image: "tf.Tensor") -> "tf.Tensor":
        import tensorflow as tf

        known = np.array(sorted((r << 16 | g << 8 | b, value) for (r, g, b), value in self.colours.items()), np.int32)
        keys = tf.reshape(tf.reduce_sum(tf.cast(image, tf.int32) * (1 << 16, 1 << 8, 1), axis=-1), (-1,))
        at = tf.minimum(tf.searchsorted(known[:, 0], keys), len(known) - 1)
        found = tf.where(tf.gather(known[:, 0], at) == keys, tf.gather(known[:, 1], at), _UNKNOWN)
        return tf.cast(tf.reshape(found, tf.shape(image)[:2]), tf.uint8)

    def _known(self, ids: "tf.Tensor") -> "tf.Tensor":
        import tensorflow as tf

        fine = tf.debugging.Assert(tf.reduce_all(ids != _UNKNOWN), ["the mask holds values that no class has"])
        with tf.control_dependencies([fine]):
            return tf.identity(ids)


def indices(contents: "tf.Tensor") -> "tf.Tensor":
    """Decode a PNG (scalar string) into what its pixels store: palette indices or gray values, uint8 (H, W).

    A palette image is decoded as the gray image that has the same bytes: TensorFlow would look up its colours. Values
    of 1, 2 and 4 bits are not stretched.

    Raises:
        tf.errors.InvalidArgumentError: when run, on bytes that are no PNG, on colours, and on values above 255.
    """
    import tensorflow as tf

    contents = tf.convert_to_tensor(contents)
    kind = _byte(contents, 25)
    starts = tf.strings.substr(contents, 0, 8) == _PNG
    fine = [
        tf.debugging.Assert(starts, ["the mask is no PNG"]),
        tf.debugging.Assert(tf.reduce_any(kind == (*_GRAY, _PALETTE)), ["the mask holds colours, not ids"]),
    ]
    with tf.control_dependencies(fine):
        gray = tf.cond(kind == _PALETTE, lambda: _as_gray(contents), lambda: contents)
        depth = _byte(contents, 24)

    def short() -> tf.Tensor:
        step = tf.cast(255 // (tf.bitwise.left_shift(1, tf.minimum(depth, 8)) - 1), tf.uint8)
        values = tf.io.decode_png(gray, channels=1)[..., 0]
        return tf.cond(depth < 8, lambda: values // step, lambda: values)

    def long() -> tf.Tensor:
        values = tf.io.decode_png(gray, channels=1, dtype=tf.uint16)[..., 0]
        low = tf.debugging.Assert(tf.reduce_max(tf.cast(values, tf.int32)) < 256, ["the mask holds values above 255"])
        with tf.control_dependencies([low]):
            return tf.cast(values, tf.uint8)

    return tf.ensure_shape(tf.cond(depth == 16, long, short), (None, None))


def resize_mask(masks: "tf.Tensor", size: tuple[int, int]) -> "tf.Tensor":
    """Resize uint8 (..., H, W) masks, one or a batch, to `size` by the nearest pixel centre, as `preprocess` does."""
    import tensorflow as tf

    if tuple(masks.shape[-2:]) == tuple(size):
        return masks
    return tf.image.resize(masks[..., None], size, method="nearest")[..., 0]


def default_palette(count: int) -> tuple[tuple[int, int, int], ...]:
    """Return `count` times (r, g, b), 0..255, as PASCAL VOC colours its classes; class 0 is black.

    Bits 0, 3, 6 of the id are the high bits of red, bits 1, 4, 7 of green, bits 2, 5 of blue.
    """

    def channel(index: int, first: int) -> int:
        return sum((index >> (3 * step + first) & 1) << (7 - step) for step in range(8))

    return tuple((channel(i, 0), channel(i, 1), channel(i, 2)) for i in range(count))


def palette_image(mask: np.ndarray, palette: tuple[tuple[int, int, int], ...]) -> "Image.Image":
    """Return class ids (H, W), uint8, as an image with a palette, whose indices are the ids; `IGNORE` is light gray.

    Args:
        mask: class ids and `IGNORE`.
        palette: (r, g, b) of each class; empty takes `default_palette`.
    """
    from PIL import Image

    colours = [*palette, *default_palette(256)[len(palette) :]]
    colours[IGNORE] = (224, 224, 192)
    image = Image.frombytes("P", mask.shape[::-1], np.ascontiguousarray(mask, np.uint8).tobytes())
    image.putpalette([value for colour in colours for value in colour])
    return image


def _as_gray(contents: "tf.Tensor") -> "tf.Tensor":
    """Set the colour type in a PNG's header to gray; the checksum changes by a constant, as CRCs are linear."""
    import tensorflow as tf

    def part(start: int, length: int) -> tf.Tensor:
        return tf.strings.substr(contents, start, length)

    without, with_palette = (zlib.crc32(bytes(13) + bytes([kind]) + bytes(3)) for kind in (0, _PALETTE))
    change = tf.constant(list((without ^ with_palette).to_bytes(4, "big")), tf.uint8)
    checksum = tf.bitwise.bitwise_xor(tf.ensure_shape(tf.io.decode_raw(part(29, 4), tf.uint8), (4,)), change)
    letters = tf.gather([bytes([value]) for value in range(256)], tf.cast(checksum, tf.int32))
    rest = tf.strings.substr(contents, 33, tf.strings.length(contents) - 33)
    return tf.strings.join([part(0, 25), b"\0", part(26, 3), tf.strings.reduce_join(letters), rest])


def _byte(contents: "tf.Tensor", at: int) -> "tf.Tensor":
    """Return one byte as a scalar int32; a file too short for it raises when run."""
    import tensorflow as tf

    return tf.cast(tf.ensure_shape(tf.io.decode_raw(tf.strings.substr(contents, at, 1), tf.uint8), (1,))[0], tf.int32)
