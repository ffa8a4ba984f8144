"""RandAugment: a few random operations in a row, all at one magnitude (Cubuk 2020, 1909.13719, section 3).

The operations and their largest strengths are the paper's (table 6 of AutoAugment, 1805.09501): the sign of
geometric and enhancing operations is random, and what moves in from outside is mid-gray.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from kcnn.data.augment import blend, luma
from kcnn.data.order import Stream, uniform
from kcnn.data.preprocess import to_pixels
from kcnn.errors import ConfigError

MOST = 10.0  # the magnitude at which an operation has its full strength
GRAY = 128.0

Image = tf.Tensor  # float32 (H, W, C), 0..255


def randaugment(images: tf.Tensor, keys: tf.Tensor, operations: int, magnitude: float) -> tf.Tensor:
    """Apply `operations` random operations to each image.

    Args:
        images: uint8 (B, H, W, C). keys: uint64 (B,), from `kcnn.data.order.keys`.
        operations: in a row, each drawn evenly from `OPERATIONS`; 0 is the identity.
        magnitude: 0..10, a share of each operation's full strength.

    Returns: uint8 of the same shape.

    Raises:
        ConfigError: the images are not uint8: several operations are defined on 256 levels alone.
    """
    if not operations:
        return images
    if images.dtype != tf.uint8:
        raise ConfigError(
            f"RandAugment works on the 256 levels of uint8 images but these are {images.dtype.name}; set "
            "config.randaugment=0, or preprocess.bit_depth=8."
        )
    draws = uniform(keys, Stream.RANDAUGMENT, (operations, 2))

    def one(inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        image, numbers = tf.cast(inputs[0], tf.float32), inputs[1]
        for row in range(operations):
            image = _apply(image, numbers[row, 0], numbers[row, 1], magnitude / MOST)
        return tf.cast(image, tf.uint8)

    spec = tf.TensorSpec(images.shape[1:], tf.uint8)
    return tf.map_fn(one, (images, draws), fn_output_signature=spec)


def _apply(image: Image, choice: tf.Tensor, coin: tf.Tensor, strength: float) -> Image:
    signed = tf.where(coin < 0.5, -strength, strength)
    branches = [lambda f=operation: f(image, signed) for operation in OPERATIONS.values()]
    index = tf.cast(choice * len(branches), tf.int32)
    return tf.cast(to_pixels(tf.switch_case(index, branches)), tf.float32)


def _identity(image: Image, signed: tf.Tensor) -> Image:
    return image


def _autocontrast(image: Image, signed: tf.Tensor) -> Image:
    low, high = (reduce(image, axis=(0, 1), keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))
    return tf.where(high > low, (image - low) * 255 / tf.maximum(high - low, 1), image)


def _equalize(image: Image, signed: tf.Tensor) -> Image:
    def channel(plane: tf.Tensor) -> tf.Tensor:
        levels = tf.cast(plane, tf.int32)
        counts = tf.math.bincount(tf.reshape(levels, (-1,)), minlength=256, maxlength=256)
        last = counts[tf.reduce_max(levels)]
        step = (tf.reduce_sum(counts) - last) // 255
        table = tf.clip_by_value((tf.cumsum(counts, exclusive=True) + step // 2) // tf.maximum(step, 1), 0, 255)
        return tf.where(step == 0, plane, tf.cast(tf.gather(table, levels), tf.float32))

    return tf.stack([channel(image[..., i]) for i in range(image.shape[-1])], axis=-1)


def _solarize(image: Image, signed: tf.Tensor) -> Image:
    return tf.where(image < 256 * (1 - tf.abs(signed)), image, 255 - image)


def _posterize(image: Image, signed: tf.Tensor) -> Image:
    step = 2.0 ** tf.round(4 * tf.abs(signed))  # up to four low bits are cleared
    return tf.floor(image / step) * step


def _color(image: Image, signed: tf.Tensor) -> Image:
    return blend(luma(image), image, 1 + 0.9 * signed)


def _contrast(image: Image, signed: tf.Tensor) -> Image:
    return blend(tf.reduce_mean(luma(image)), image, 1 + 0.9 * signed)


def _brightness(image: Image, signed: tf.Tensor) -> Image:
    return image * (1 + 0.9 * signed)


def _sharpness(image: Image, signed: tf.Tensor) -> Image:
    channels = image.shape[-1]
    kernel = tf.constant([[1, 1, 1], [1, 5, 1], [1, 1, 1]], tf.float32)[:, :, None, None] / 13
    padded = tf.pad(image, [[1, 1], [1, 1], [0, 0]], "SYMMETRIC")[None]
    smooth = tf.nn.depthwise_conv2d(padded, tf.tile(kernel, (1, 1, channels, 1)), (1, 1, 1, 1), "VALID")[0]
    return blend(smooth, image, 1 + 0.9 * signed)


def _rotate(image: Image, signed: tf.Tensor) -> Image:
    angle = signed * (30 * math.pi / 180)
    return _affine(image, [[tf.cos(angle), -tf.sin(angle)], [tf.sin(angle), tf.cos(angle)]])


def _shear_x(image: Image, signed: tf.Tensor) -> Image:
    return _affine(image, [[1.0, 0.3 * signed], [0.0, 1.0]])


def _shear_y(image: Image, signed: tf.Tensor) -> Image:
    return _affine(image, [[1.0, 0.0], [0.3 * signed, 1.0]])


def _translate_x(image: Image, signed: tf.Tensor) -> Image:
    return _affine(image, [[1.0, 0.0], [0.0, 1.0]], (0.45 * signed, 0.0))


def _translate_y(image: Image, signed: tf.Tensor) -> Image:
    return _affine(image, [[1.0, 0.0], [0.0, 1.0]], (0.0, 0.45 * signed))


def _affine(image: Image, matrix: list, shift: tuple = (0.0, 0.0)) -> Image:
    """Sample `image` at `matrix` times (x, y) from its centre plus `shift` of its width and height."""
    height, width = (tf.cast(tf.shape(image)[axis], tf.float32) for axis in (0, 1))
    (a, b), (c, d) = matrix
    x, y = (width - 1) / 2, (height - 1) / 2
    right, down = x + shift[0] * width - a * x - b * y, y + shift[1] * height - c * x - d * y
    transform = tf.stack([tf.cast(v, tf.float32) for v in (a, b, right, c, d, down, 0.0, 0.0)])[None]
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=transform,
        output_shape=tf.shape(image)[:2],
        fill_value=GRAY,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )[0]
    return tf.ensure_shape(moved, image.shape)


OPERATIONS: dict[str, Callable[[Image, tf.Tensor], Image]] = {
    "identity": _identity,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "rotate": _rotate,
    "solarize": _solarize,
    "color": _color,
    "posterize": _posterize,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
}
