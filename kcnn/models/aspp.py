"""Atrous spatial pyramid pooling: what stands at a point, seen at several scales at once.

Paper: Chen 2017 (1706.05587), section 3.3 and figure 5. A function on tensors, made of stock layers, as all blocks in
`kcnn.models`: a layer class would only hide them.
The paper enlarges the image-level branch to the size of the maps and concatenates it with the others; the 1x1 that
follows is linear, so its share of that branch is computed once ("X_project_image") and added everywhere. The result
is the same and works on any H x W.
"""

from collections.abc import Sequence

import keras

from kcnn.errors import ConfigError, ShapeError
from kcnn.models.common import batch_norm, even_conv, relu

RATES = (6, 12, 18)  # at output stride 16; twice that at 8


def aspp(
    x: keras.KerasTensor,
    filters: int = 256,
    rates: Sequence[int] = RATES,
    name: str = "aspp",
    *,
    factor: float = 1,
    separable: bool = False,
) -> keras.KerasTensor:
    """Return (N, H, W, filters) of a 1x1, a 3x3 at each dilation, and the mean of the whole image.

    Args:
        x: (N, H, W, C) maps; H and W may be None.
        filters: maps of each branch and of the result.
        rates: dilations of the 3x3 convolutions, at least 1.
        name: layers are called `name`_...
        factor: of all dilations, as another output stride asks for; layers are called by `rates` all the same, so
            that weights fit at every stride.
        separable: the 3x3 convolutions filter each map alone, and a 1x1 follows (Chen 2018, 1802.02611, section 3.1).

    Raises:
        ShapeError: `x` is not (N, H, W, C).
        ConfigError: no rate, or one below 1.
    """
    if len(x.shape) != 4:
        raise ShapeError(
            f"{name}: the input has shape {x.shape} but must be maps (N, H, W, C), as `features()` gives.",
            expected="(N, H, W, C)",
            actual=x.shape,
        )
    if not rates or any(not isinstance(rate, int) or rate < 1 for rate in rates):
        raise ConfigError(f"{name}: rates are {tuple(rates)} but must be whole numbers of at least 1, as in {RATES}.")
    branches = [_branch(x, filters, 1, 1, f"{name}_point")]
    spread = separable_branch if separable else _branch
    branches += [spread(x, filters, 3, max(1, int(rate * factor)), f"{name}_rate{rate}") for rate in rates]
    local = keras.layers.Concatenate(name=f"{name}_concatenate")(branches)
    local = even_conv(local, filters, 1, 1, f"{name}_project")
    image = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    image = _branch(image, filters, 1, 1, f"{name}_image")
    image = even_conv(image, filters, 1, 1, f"{name}_project_image")
    x = keras.layers.Add(name=f"{name}_add")([local, image])
    return relu(batch_norm(x, f"{name}_project"), f"{name}_project")


def _branch(x: keras.KerasTensor, filters: int, kernel: int, rate: int, name: str) -> keras.KerasTensor:
    return relu(batch_norm(even_conv(x, filters, kernel, 1, name, dilation_rate=rate), name), name)


def separable_branch(x: keras.KerasTensor, filters: int, kernel: int, rate: int, name: str) -> keras.KerasTensor:
    """Depthwise convolution "X_depthwise" and 1x1 "X", each with normalisation and ReLU (Chen 2018, sections 3.1, 3.2).

    Args:
        rate: dilation of the depthwise convolution.
    """
    deep = f"{name}_depthwise"
    start = keras.initializers.VarianceScaling(2.0, mode="fan_out")  # a depthwise output sees one map
    x = keras.layers.DepthwiseConv2D(
        kernel, padding="same", dilation_rate=rate, use_bias=False, depthwise_initializer=start, name=deep
    )(x)
    return _branch(relu(batch_norm(x, deep), deep), filters, 1, 1, name)
