"""Encoded image -> pixels, as graph operations alone: the same pixels in training, predict and every SavedModel.

What each kind of file becomes (the tests hold every line against Pillow):

| file | pixels |
|---|---|
| JPEG | 8 bits, sequential or progressive, Huffman or arithmetic; exact integer transform, equal to Pillow |
| JPEG colours | gray is repeated; CMYK and YCCK become `(255-C)(255-K)/255` |
| PNG | palette colours looked up; 1, 2 and 4 bit gray stretched to 0..255; alpha dropped |
| 16-bit PNG | the high byte; with `bit_depth=16` the value / 257 as float32: 65,536 levels of 0..255, each distinct |
| GIF | the first frame, as RGB, alone: what follows it is not looked at; transparent pixels become black |
| BMP | 8 bit (palette looked up), 24 bit and 32 bit (any byte order, alpha dropped), uncompressed |
| EXIF | orientation 1..8 of a JPEG's APP1 or a PNG's eXIf chunk is applied: the image stands upright |

Gray from colour is `(19595 R + 38470 G + 7471 B + 32768) / 65536`, the ITU-R 601 luma (0.299, 0.587, 0.114) in
the integers that Pillow uses, so gray pictures stay as they are. Of float32 pixels it is not rounded.

With `bit_depth=16` every other kind has the same pixels as without, as float32.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from kcnn.data.headers import can_hold
from kcnn.errors import ConfigError
from kcnn.recipe import DTYPES

_ORIENTATION = 0x0112  # EXIF 2.3, table 3
_LUMA = (19595, 38470, 7471)


def decode(contents: tf.Tensor, channels: int = 3, bit_depth: int = 8) -> tf.Tensor:
    """Decode one JPEG, PNG, GIF or BMP file, upright.

    Args:
        contents: scalar string, the bytes of the file.
        channels: 3 for RGB, 1 for gray.
        bit_depth: 8, or 16 to keep all bits of a 16-bit PNG.

    Returns: (H, W, channels), 0..255: uint8, or float32 at 16 bits, where `rint(257 * pixel)` is the file's value.

    Raises:
        ConfigError: `channels` is neither 1 nor 3, or `bit_depth` neither 8 nor 16.
        tf.errors.InvalidArgumentError: when run, on bytes that are no such image or stop too early.
    """
    if bit_depth not in DTYPES:
        raise ConfigError(f"bit_depth is {bit_depth!r} but must be one of {[*DTYPES]}.")
    contents, dtype = tf.convert_to_tensor(contents), DTYPES[bit_depth]
    start = _bytes(contents, 0, 4)
    kinds = [tf.reduce_all(start[: len(magic)] == list(magic)) for magic in (b"\xff\xd8\xff", b"\x89PNG", b"BM")]
    readers = (  # of -> (image, where its EXIF block starts, or 0); the first is for every other kind
        lambda: (tf.io.decode_image(_one_frame(contents), channels=3, expand_animations=False), tf.constant(0)),
        lambda: (
            tf.io.decode_jpeg(_plausible(contents), channels=3, dct_method="INTEGER_ACCURATE"),
            _jpeg_exif(contents),
        ),
        lambda: (_decode_png(contents, bit_depth), _png_exif(contents)),
        lambda: (_decode_bmp(contents), tf.constant(0)),
    )

    def as_dtype(reader: Callable[[], tuple[tf.Tensor, tf.Tensor]]) -> tuple[tf.Tensor, tf.Tensor]:
        image, tiff = reader()
        return tf.cast(image, dtype), tiff

    kind = tf.reduce_sum(tf.cast(kinds, tf.int32) * (1, 2, 3))
    image, tiff = tf.switch_case(kind, [functools.partial(as_dtype, reader) for reader in readers])
    image = tf.cond(tiff > 0, lambda: upright(image, _orientation(contents, tiff)), lambda: image)
    image.set_shape((None, None, 3))
    return set_channels(image, channels)


def set_channels(images: tf.Tensor, channels: int) -> tf.Tensor:
    """Turn (..., 1 or 3) into (..., channels): gray is repeated, colour becomes luma; uint8 or float32 as it was.

    Raises:
        ConfigError: either count of channels is neither 1 nor 3.
    """
    if channels not in (1, 3) or images.shape[-1] not in (1, 3):
        raise ConfigError(f"cannot make {channels} channels of {images.shape[-1]}; kcnn reads 1 (gray) or 3 (RGB).")
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return tf.repeat(images, 3, axis=-1)
    if images.dtype == tf.float32:  # in float64 the products are exact, so gray pictures stay as they are
        exact = tf.reduce_sum(tf.cast(images, tf.float64) * _LUMA, axis=-1, keepdims=True)
        return tf.cast(exact / 65536, tf.float32)
    luma = tf.reduce_sum(tf.cast(images, tf.int32) * _LUMA, axis=-1, keepdims=True)
    return tf.cast((luma + 32768) // 65536, tf.uint8)


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turn (H, W, C) as its EXIF `orientation` (scalar int32) asks; anything but 2..8 leaves it as it is."""

    def when(codes: tuple[int, ...], turn, image: tf.Tensor) -> tf.Tensor:
        return tf.cond(tf.reduce_any(orientation == codes), lambda: turn(image), lambda: image)

    image = when((5, 6, 7, 8), lambda x: tf.transpose(x, (1, 0, 2)), image)
    image = when((2, 3, 6, 7), lambda x: tf.reverse(x, [1]), image)
    return when((3, 4, 7, 8), lambda x: tf.reverse(x, [0]), image)


def _decode_png(contents: tf.Tensor, bit_depth: int) -> tf.Tensor:
    """At 16 bits TensorFlow gives 257 times the value of files that hold fewer, so one division serves them all.

    In float64, since graphs multiply by 1 / 257 instead: so the float32 nearest to the quotient comes out either way.
    """
    if bit_depth == 8:
        return tf.io.decode_png(contents, channels=3)
    return tf.cast(tf.cast(tf.io.decode_png(contents, channels=3, dtype=tf.uint16), tf.float64) / 257, tf.float32)


def _decode_bmp(contents: tf.Tensor) -> tf.Tensor:
    """TensorFlow gives palette indices for 8 bits; the palette (B, G, R, 0) lies before the pixels."""
    pixels_at, header_size, compression = (_integer(contents, at, 4, big=False) for at in (10, 14, 30))
    plain = tf.debugging.Assert((compression == 0) | (compression == 3), ["compressed BMP", compression])
    with tf.control_dependencies([plain]):
        image = tf.io.decode_bmp(contents)
    palette_at = 14 + header_size

    def look_up() -> tf.Tensor:
        palette = tf.reshape(_bytes(contents, palette_at, 256 * 4), (256, 4))
        known = tf.reshape((pixels_at - palette_at) // 4, ())
        index = tf.cast(image[..., 0], tf.int32)
        colours = tf.cast(tf.gather(palette, index)[..., 2::-1], tf.uint8)
        return tf.where((index < known)[..., None], colours, tf.zeros_like(colours))

    def in_order() -> tf.Tensor:
        """Masks say which byte of a pixel is red, green and blue; TensorFlow takes them for 2, 1 and 0."""
        masks = tf.reshape(_bytes(contents, 54, 12), (3, 4))
        whole = tf.debugging.Assert(tf.reduce_all(tf.sort(masks) == (0, 0, 0, 255)), ["BMP with masks", masks])
        with tf.control_dependencies([whole]):
            at = tf.gather((2, 1, 0, 3), tf.argmax(masks, axis=1))
        return tf.gather(image, at, axis=-1)

    masked = (compression == 3) & (tf.shape(image)[-1] == 4)
    kind = tf.where(tf.shape(image)[-1] == 1, 1, tf.where(masked, 2, 0))
    return tf.switch_case(kind, [lambda: image[..., :3], look_up, in_order])


def _plausible(contents: tf.Tensor) -> tf.Tensor:
    """Refuse a JPEG that claims more pixels than its bytes can hold, which would be filled with gray."""
    height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(contents, tf.int64))
    most = can_hold(tf.cast(tf.strings.length(contents), tf.int64))
    fine = tf.debugging.Assert(height * width <= most, ["JPEG of", width, "x", height, "pixels cannot be whole"])
    with tf.control_dependencies([fine]):
        return tf.identity(contents)


def _one_frame(contents: tf.Tensor) -> tf.Tensor:
    """Cut a GIF behind its first frame: TensorFlow unpacks all of them, however many, to return the first.

    Blocks as in the GIF89a specification, sections 18 to 26. Whatever is no GIF, or ends too early, stays as it is.
    """

    def table(flags: tf.Tensor) -> tf.Tensor:
        return tf.where(flags >= 128, tf.bitwise.left_shift(3, flags % 8 + 1), 0)

    def step(at: tf.Tensor, within: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`within` is 0 between blocks, 1 in the data of an extension, 2 in that of a frame, 3 behind it."""
        head = _bytes(contents, at, 10)
        block = tf.where(head[0] == 0x21, 1, tf.where(head[0] == 0x2C, 2, 4))
        behind = tf.where(block == 1, at + 2, at + 11 + table(head[9]))
        over = tf.where(within == 1, 0, 3)  # a block of no bytes ends the data
        onward = tf.where(within == 0, behind, at + 1 + head[0])
        return onward, tf.where(within == 0, block, tf.where(head[0] == 0, over, within))

    total = tf.strings.length(contents)
    start = 13 + table(_bytes(contents, 10, 1)[0])
    at, within = tf.while_loop(lambda at, within: (within < 3) & (at < total), step, (start, tf.constant(0)))
    whole = (_bytes(contents, 0, 3) == list(b"GIF")) & (within == 3)
    return tf.cond(tf.reduce_all(whole), lambda: tf.strings.substr(contents, 0, at) + b";", lambda: contents)


def _jpeg_exif(contents: tf.Tensor) -> tf.Tensor:
    """Return where the TIFF header of the APP1 segment "Exif" starts, 0 without one.

    Only the APPn and comment segments that open the file are read, which is where EXIF 2.3 (4.5.4) puts it.
    """

    def segment(at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        head = _bytes(contents, at, 10)  # FF, marker, two bytes of length, "Exif\0\0"
        marker, length = head[1], head[2] * 256 + head[3]
        found = (marker == 0xE1) & tf.reduce_all(head[4:] == list(b"Exif\0\0"))
        onward = (head[0] == 0xFF) & ((marker // 16 == 0xE) | (marker == 0xFE))
        return tf.where(found, at + 10, 0), tf.where(onward, at + 2 + length, 0)

    return _walk(2, segment)


def _png_exif(contents: tf.Tensor) -> tf.Tensor:
    """Return where the TIFF header of the eXIf chunk starts, 0 without one before the pixels."""

    def chunk(at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        head = _bytes(contents, at, 8)  # four bytes of length, four of type
        found = tf.reduce_all(head[4:] == list(b"eXIf"))
        onward = tf.reduce_any(head[4:] != list(b"IDAT")) & (head[4] > 0)
        return tf.where(found, at + 8, 0), tf.where(onward, at + 12 + _integer(contents, at, 4, big=True), 0)

    return _walk(8, chunk)


def _walk(start: int, read) -> tf.Tensor:
    """Follow `read(position) -> (found, next)` until one of them says so: found > 0, or next <= 0."""
    found, _ = tf.while_loop(
        lambda found, at: (found == 0) & (at > 0), lambda _, at: read(at), (tf.constant(0), tf.constant(start))
    )
    return found


def _orientation(contents: tf.Tensor, tiff: tf.Tensor) -> tf.Tensor:
    """Read tag 0x0112 from the first directory of the TIFF block at byte `tiff`; 0 where it is not there."""
    big = tf.reduce_all(_bytes(contents, tiff, 2) == list(b"MM"))
    directory = tiff + _integer(contents, tiff + 4, 4, big)
    count = _integer(contents, directory, 2, big)
    entries = tf.reshape(_bytes(contents, directory + 2, 12 * count), (-1, 12))
    pair = tf.where(big, [256, 1], [1, 256])
    tags, values = (tf.reduce_sum(entries[:, at : at + 2] * pair, axis=1) for at in (0, 8))
    return tf.reduce_max(tf.concat([[0], tf.where(tags == _ORIENTATION, values, 0)], 0))


def _integer(contents: tf.Tensor, at, count: int, big) -> tf.Tensor:
    """Read an unsigned integer of `count` bytes as int32; a nonsense value may come out negative."""
    weights = [256**power if power < 3 else 1 << 24 for power in range(count)]
    return tf.reduce_sum(_bytes(contents, at, count) * tf.where(big, weights[::-1], weights))


def _bytes(contents: tf.Tensor, at, count) -> tf.Tensor:
    """Return int32 (count,): the bytes from position `at`, 0 beyond the end, so that no file can lead astray."""
    total = tf.strings.length(contents)
    at = tf.clip_by_value(at, 0, total)
    found = tf.io.decode_raw(tf.strings.substr(contents, at, count), tf.uint8)
    return tf.cast(tf.pad(found, [[0, count - tf.shape(found)[0]]]), tf.int32)
