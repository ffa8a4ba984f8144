"""A class for every pixel from the patch around it, the way before fully convolutional networks, and its fast twin.

Paper: Ciresan 2012 (NIPS 25, "Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy Images"), section
2 and network N4: patches of 95x95 pixels; four convolutions, each with 2x2 max pooling; two dense layers.
`build` gives the fully convolutional twin. Nothing in a patch is padded, so a pooling that does not stride, followed by
convolutions whose taps stand twice as far apart, computes for all pixels at once exactly what `patch_classifier`
computes for each (Long 2014, 1411.4038, section 3.2, filter rarefaction). `slide` is the slow way with the same
weights; `costs` tells what each way multiplies.
Departures: RGB and ReLU; beyond the image stand zeros, in the paper its mirror image.
"""

from dataclasses import dataclass

import keras
import numpy as np

from kcnn.errors import ConfigError, ShapeError
from kcnn.models.common import ImageShape, dilated_pool, image_input, relu
from kcnn.models.dense import scores
from kcnn.ops.cost import ledger, totals

WIDEST_BATCH = 512  # patches at a time


@dataclass(frozen=True, kw_only=True)
class SlidingWindowSpec:
    """One row."""

    convolutions: tuple[tuple[int, int], ...]  # maps and kernel of each; 2x2 max pooling follows
    units: int  # of the dense layer before the scores
    side: int  # of the patch, in pixels, odd
    source: str
    params: int  # trainable, 21 classes, RGB


SPECS = {
    # 16*3*48+48, 25*48*48+48, twice 16*48*48+48, 9*48*200+200, 200*21+21
    "sliding_window": SlidingWindowSpec(
        convolutions=((48, 4), (48, 5), (48, 4), (48, 4)),
        units=200,
        side=95,
        source="Ciresan 2012, network N4",
        params=224_645,
    ),
    # 16*3*4+4, 9*4*8+8, 4*8*16+16, 16*21+21
    "tiny_sliding_window": SlidingWindowSpec(
        convolutions=((4, 4), (8, 3)), units=16, side=15, source="kcnn, for tests", params=1_377
    ),
}


def last_side(spec: SlidingWindowSpec) -> int:
    """Return the side of the last pooled maps of one patch."""
    side = spec.side
    for _, kernel in spec.convolutions:
        side = (side - kernel + 1) // 2
    return side


def classify(
    x: keras.KerasTensor, spec: SlidingWindowSpec, name: str, num_classes: int, *, everywhere: bool
) -> keras.KerasTensor:
    """Return the scores of patches: for (N, side, side, C) a single one, or `everywhere` one per position.

    Args:
        everywhere: poolings keep the size and what follows is dilated.
    """
    dilation = 1
    for index, (filters, kernel) in enumerate(spec.convolutions, start=1):
        layer = f"conv{index}"
        options = {"dilation_rate": dilation, "kernel_initializer": "he_uniform", "name": layer}
        x = relu(keras.layers.Conv2D(filters, kernel, **options)(x), layer)
        if everywhere:
            x = dilated_pool(x, 2, dilation, f"pool{index}", padded=False)
            dilation *= 2
        else:
            x = keras.layers.MaxPooling2D(2, name=f"pool{index}")(x)
    options = {"dilation_rate": dilation, "kernel_initializer": "he_uniform", "name": "dense"}
    x = relu(keras.layers.Conv2D(spec.units, last_side(spec), **options)(x), "dense")
    return scores(x, name, num_classes)


def network(name: str, spec: SlidingWindowSpec, num_classes: int, image_shape: ImageShape) -> keras.Model:
    """Build the network of any spec, a row of `SPECS` or `dataclasses.replace` of one; see `build`."""
    inputs = image_input(name, image_shape, minimum=1)
    x = keras.layers.ZeroPadding2D(spec.side // 2, name="padded")(inputs)
    return keras.Model(inputs, classify(x, spec, name, num_classes, everywhere=True), name=name)


def build(name: str, *, num_classes: int = 21, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build the fully convolutional twin of a patch classifier.

    Args:
        name: a row of `SPECS`.
        num_classes: scores of each pixel.
        image_shape: (height, width, channels); height and width may be None.

    Returns: `keras.Model` from (N, H, W, C) images to (N, H, W, num_classes) logits.

    Raises:
        ShapeError: `image_shape` has no such form.
        ConfigError: `num_classes` is not positive.
    """
    return network(name, SPECS[name], num_classes, image_shape)


def patch_classifier(model: keras.Model) -> keras.Model:
    """Return the network that sees one patch, with the weights of `model` as they are now.

    Args:
        model: of `build`.

    Returns: `keras.Model` from (N, side, side, C) patches to (N, num_classes) logits.

    Raises:
        ConfigError: `model` is not of this family.
    """
    if model.name not in SPECS:
        raise ConfigError(f"the model is {model.name!r} but must be one of kcnn.build: {', '.join(SPECS)}.")
    spec, classes = SPECS[model.name], model.output_shape[-1]
    inputs = keras.Input((spec.side, spec.side, model.input_shape[-1]), name="patches")
    x = classify(inputs, spec, model.name, classes, everywhere=False)
    patch = keras.Model(inputs, keras.layers.Reshape((classes,), name="scores")(x), name=f"{model.name}_patch")
    patch.set_weights(model.get_weights())
    return patch


def slide(classifier: keras.Model, image: np.ndarray) -> np.ndarray:
    """Classify the patch around every pixel, one patch after the other.

    Args:
        classifier: from (N, side, side, C) patches of odd side to (N, num_classes), as `patch_classifier` gives.
        image: (H, W, C) float; zeros stand beyond it.

    Returns: (H, W, num_classes) float32.

    Raises:
        ShapeError: `image` is not (H, W, C) with the classifier's channels, or its patches have an even side.
    """
    rows, columns, channels = classifier.input_shape[1:]
    if rows % 2 == 0 or columns % 2 == 0 or image.ndim != 3 or image.shape[2] != channels:
        raise ShapeError(
            f"image has shape {image.shape} and patches are {rows}x{columns}x{channels}; the image must be (H, W, "
            f"{channels}) and patches of odd height and width, which have a pixel in the middle.",
            expected=(None, None, channels),
            actual=image.shape,
        )
    wide = np.pad(image, ((rows // 2,) * 2, (columns // 2,) * 2, (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(wide, (rows, columns), axis=(0, 1))
    patches = patches.reshape(-1, channels, rows, columns)
    found = []
    for start in range(0, len(patches), WIDEST_BATCH):
        batch = patches[start : start + WIDEST_BATCH].transpose(0, 2, 3, 1)
        found.append(np.asarray(classifier(batch, training=False), "float32"))
    return np.concatenate(found).reshape(*image.shape[:2], -1)


def costs(name: str, height: int, width: int) -> dict[str, int]:
    """Return the multiply-adds of one image by each way: "patches", of one patch times the pixels, and "whole".

    Args:
        name: a row of `SPECS`.
        height, width: of the image, in pixels.

    Example:
        >>> found = costs("sliding_window", 180, 240)
        >>> print(f"{found['patches'] / found['whole']:.0f} times as many multiply-adds")
        413 times as many multiply-adds
    """
    model = build(name, image_shape=(height, width, 3))
    return {
        "patches": height * width * totals(ledger(patch_classifier(model)))["macs"],
        "whole": totals(ledger(model))["macs"],
    }
