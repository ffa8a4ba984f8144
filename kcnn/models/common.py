"""What several families need: image-shape checks, evenly padded layers, the stride-to-dilation plan."""

from collections.abc import Sequence
from typing import Any, Literal

import keras

from kcnn.errors import ConfigError, ShapeError

MOST_CLASSES = 1_000_000  # a head beyond is a mistake
OUTPUT_STRIDES = (8, 16, 32)
BN_MOMENTUM = 0.9  # share of the running statistics that each training step keeps
POOLINGS = {  # and what pools maps of the same size, place by place
    "max": (keras.layers.MaxPooling2D, keras.layers.Maximum),
    "average": (keras.layers.AveragePooling2D, keras.layers.Average),
}
ImageShape = tuple[int | None, int | None, int]
SequenceShape = tuple[int | None, int]


def image_input(name: str, image_shape: ImageShape, minimum: int, *, fixed: bool = False) -> keras.KerasTensor:
    """Return the input tensor of a network, after checking that the network can work on it.

    Args:
        name: of the model, for messages.
        image_shape: (height, width, channels); None for a height or width that may vary.
        minimum: smallest height and width, in pixels, that leaves something after the last layer.
        fixed: the network flattens its maps, so height and width must be numbers.

    Raises:
        ShapeError: `image_shape` is not of that form, too small, or open where it must be fixed.
    """
    numbers = isinstance(image_shape, (tuple, list)) and all(
        side is None or (isinstance(side, int) and not isinstance(side, bool)) for side in image_shape
    )
    if not numbers or len(image_shape) != 3 or image_shape[2] is None or image_shape[2] < 1:
        raise ShapeError(
            f"{name}: image_shape is {image_shape} but must be (height, width, channels), as in (224, 224, 3); "
            "height and width may be None, channels may not.",
            expected="(height, width, channels)",
            actual=image_shape,
        )
    for side in image_shape[:2]:
        if side is None and fixed:
            raise ShapeError(
                f"{name}: image_shape is {image_shape} but this network flattens its maps, so height and width "
                f"must be numbers of at least {minimum}.",
                expected=(minimum, minimum, image_shape[2]),
                actual=image_shape,
            )
        if side is not None and side < minimum:
            raise ShapeError(
                f"{name}: image_shape is {image_shape} but must be at least {minimum}x{minimum} pixels; "
                "resize the images (preprocess.size) or choose a smaller network.",
                expected=(minimum, minimum, image_shape[2]),
                actual=image_shape,
            )
    return keras.Input(image_shape, name="images")


def sequence_input(name: str, shape: SequenceShape, minimum: int) -> keras.KerasTensor:
    """Return the input tensor of a network of one-dimensional convolutions.

    Args:
        name: of the model, for messages.
        shape: (length, channels); None for a length that may vary.
        minimum: smallest length.

    Raises:
        ShapeError: `shape` is not of that form, or too short.
    """
    if not isinstance(shape, (tuple, list)) or len(shape) != 2 or not all(map(_side, shape)) or shape[1] is None:
        raise ShapeError(
            f"{name}: image_shape is {shape} but this network reads sequences: give (length, channels), as in "
            "(128, 1); length may be None, channels may not.",
            expected="(length, channels)",
            actual=shape,
        )
    if shape[0] is not None and shape[0] < minimum:
        raise ShapeError(
            f"{name}: image_shape is {shape} but the sequence must have at least {minimum} steps.",
            expected=(minimum, shape[1]),
            actual=shape,
        )
    return keras.Input(shape, name="sequences")


def _side(size: object) -> bool:
    return size is None or (isinstance(size, int) and not isinstance(size, bool) and size > 0)


def logits(features: keras.KerasTensor, name: str, num_classes: int) -> keras.KerasTensor:
    """Return the closing linear layer, float32 under every dtype policy.

    Raises:
        ConfigError: `num_classes` is not positive.
    """
    return keras.layers.Dense(class_count(name, num_classes), dtype="float32", name="logits")(features)


def dense_pair(x: keras.KerasTensor, units: int) -> keras.KerasTensor:
    """Two dense layers, "fc6" and "fc7", each with ReLU and dropout of a half (Krizhevsky 2012, section 4.2)."""
    for name in ("fc6", "fc7"):
        x = relu(keras.layers.Dense(units, kernel_initializer="he_uniform", name=name)(x), name)
        x = keras.layers.Dropout(0.5, name=f"{name}_dropout")(x)
    return x


def class_count(name: str, num_classes: int) -> int:
    """Return `num_classes`, for a closing layer that is not dense.

    Raises:
        ConfigError: it is not positive.
    """
    if not isinstance(num_classes, int) or isinstance(num_classes, bool) or not 1 <= num_classes <= MOST_CLASSES:
        raise ConfigError(f"{name}: num_classes is {num_classes!r} but must be a whole number in 1..{MOST_CLASSES:,}.")
    return num_classes


def even_conv(
    x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str, **options: Any
) -> keras.KerasTensor:
    """Convolution with (k-1)/2 zeros on every side, as Caffe's and PyTorch's networks pad.

    Keras' "same" agrees at stride 1; at stride 2 and an even size it pads bottom and right only.

    Args:
        options: of `keras.layers.Conv2D`; no bias and He 2015's initialisation (1502.01852) unless told.
    """
    settings = {"use_bias": False, "kernel_initializer": "he_uniform", **options}
    padding = "same"
    if stride > 1 and kernel > 1:
        border = settings.get("dilation_rate", 1) * (kernel - 1) // 2
        x, padding = keras.layers.ZeroPadding2D(border, name=f"{name}_pad")(x), "valid"
    return keras.layers.Conv2D(filters, kernel, stride, padding=padding, name=name, **settings)(x)


def batch_norm(x: keras.KerasTensor, name: str, epsilon: float = 1e-5) -> keras.KerasTensor:
    """Batch normalisation (Ioffe 2015, 1502.03167) of the layer called `name`, itself called `name`_bn."""
    return keras.layers.BatchNormalization(momentum=BN_MOMENTUM, epsilon=epsilon, name=f"{name}_bn")(x)


def relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """ReLU after the layer called `name`, itself called `name`_relu."""
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def even_max_pool(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """3x3 max pooling at stride 2 of maps that are nowhere negative, padded by one on every side."""
    x = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return keras.layers.MaxPooling2D(3, 2, name=name)(x)


def ceil_max_pool(x: keras.KerasTensor, size: int, name: str) -> keras.KerasTensor:
    """Max pooling at stride 2 of maps that are nowhere negative; the last window may hang over, as in Caffe."""
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
    return keras.layers.MaxPooling2D(size, 2, name=name)(x)


def dilated_pool(
    x: keras.KerasTensor,
    size: int,
    dilation: int,
    name: str,
    *,
    centred: bool = False,
    padded: bool = True,
    kind: Literal["max", "average"] = "max",
) -> keras.KerasTensor:
    """Pooling at stride 1 of size x size values that stand `dilation` apart, with zeros beyond the border.

    Args:
        x: (N, H, W, C) maps that are nowhere negative.
        centred: the window lies around each pixel, and at dilation 1 leaves out what is beyond the border; otherwise
            it starts at the pixel.
        padded: False keeps the windows that lie inside the maps only.

    Returns: (N, H, W, C); unless padded, dilation * (size - 1) rows and columns fewer.
    """
    layer, merge = POOLINGS[kind]
    if centred and dilation == 1:
        return layer(size, 1, padding="same", name=name)(x)
    reach = dilation * (size - 1)
    before = reach // 2 if centred else 0
    wide = keras.layers.ZeroPadding2D(((before, reach - before),) * 2, name=f"{name}_pad")(x) if padded else x
    views = [
        keras.layers.Cropping2D(((down, reach - down), (right, reach - right)), name=f"{name}_{down}_{right}")(wide)
        for down in range(0, reach + 1, dilation)
        for right in range(0, reach + 1, dilation)
    ]
    return merge(name=name)(views)


def stride_plan(name: str, strides: Sequence[int], output_stride: int) -> list[tuple[int, int, int]]:
    """Turn strides into dilation once `output_stride` is reached, with the same weights.

    Args:
        name: of the model, for messages.
        strides: stride of each stage (or each layer), in order, the stem first.
        output_stride: 32, 16 or 8: input pixels per output pixel.

    Returns: per stage (stride, dilation of its first block, dilation of the others), as in Chen 2017
        (1706.05587, section 3.1).

    Raises:
        ConfigError: another output stride.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise ConfigError(f"{name}: output_stride is {output_stride} but must be 8, 16 or 32.")
    plan, reached, dilation = [], 1, 1
    for stride in strides:
        first = dilation
        if reached >= output_stride:
            dilation *= stride
            plan.append((1, first, dilation))
        else:
            reached *= stride
            plan.append((stride, first, dilation))
    return plan
