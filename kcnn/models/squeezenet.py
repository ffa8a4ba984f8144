"""SqueezeNet: AlexNet's accuracy with a fiftieth of its weights.

Paper: Iandola 2016 (1602.07360), table 1 and figure 1; version 1.1 is the authors' later one, of 2.4 times fewer
multiply-adds: the first convolution has 64 maps of 3x3 in place of 96 of 7x7, and pooling follows it, fire3 and fire5
in place of it, fire4 and fire8.
Pooling keeps the window that hangs over the lower and right edge, as Caffe does.
Departures: He's initialisation. As in the paper, ReLU and pooling follow the class maps ("logits"), so the outputs are
0 or more.
"""

from dataclasses import dataclass

import keras

from kcnn.models.common import ImageShape, ceil_max_pool, class_count, even_conv, image_input, relu


@dataclass(frozen=True, kw_only=True)
class SqueezeNetSpec:
    """One row: fire modules as (squeezed maps, expanded maps of each kernel), by the pooling before them."""

    stem: int  # maps of the first convolution
    fires: tuple[tuple[tuple[int, int], ...], ...]
    lost: int = 1  # cells that the unpadded stem takes from a level
    source: str
    params: int  # trainable, 1000 classes, RGB


SPECS = {
    "squeezenet1_1": SqueezeNetSpec(
        stem=64,
        fires=(((16, 64), (16, 64)), ((32, 128), (32, 128)), ((48, 192), (48, 192), (64, 256), (64, 256))),
        source="Iandola 2016, table 1, in the authors' version 1.1",
        params=1_235_496,
    ),
    # 9*3*8+8; fires 8*4+4 + 4*4+4 + 9*4*4+4, then twice 8*4+4 + 4*4+4 + 9*4*4+4; 8*1000+1000
    "tiny_squeezenet": SqueezeNetSpec(
        stem=8, fires=(((4, 4),), ((4, 4),), ((4, 4),)), source="kcnn, for tests", params=9_836
    ),
}


def fire(x: keras.KerasTensor, squeezed: int, expanded: int, name: str) -> keras.KerasTensor:
    """1x1 convolution to few maps, then 1x1 and 3x3 side by side (figure 1)."""
    x = relu(even_conv(x, squeezed, 1, 1, f"{name}_squeeze", use_bias=True), f"{name}_squeeze")
    sides = [
        relu(even_conv(x, expanded, kernel, 1, f"{name}_expand{kernel}", use_bias=True), f"{name}_expand{kernel}")
        for kernel in (1, 3)
    ]
    return keras.layers.Concatenate(name=name)(sides)


def features(inputs: keras.KerasTensor, spec: SqueezeNetSpec) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C1" (stride 2) to "C4" (stride 16)."""
    x = keras.layers.Conv2D(spec.stem, 3, 2, kernel_initializer="he_uniform", name="stem")(inputs)
    x = relu(x, "stem")
    levels, place = {"C1": x}, 2
    for level, modules in enumerate(spec.fires, start=2):
        x = ceil_max_pool(x, 3, f"pool{level - 1}")
        for squeezed, expanded in modules:
            x = fire(x, squeezed, expanded, f"fire{place}")
            place += 1
        levels[f"C{level}"] = x
    return levels


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build a SqueezeNet.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the outputs.
        image_shape: (height, width, channels); height and width at least 17 pixels, or None.

    Returns: `keras.Model` from (N, H, W, C) images to (N, num_classes) logits of 0 or more.

    Raises:
        ShapeError: height or width below 17.
        ConfigError: `num_classes` is not positive.
    """
    inputs = image_input(name, image_shape, minimum=17)
    x = list(features(inputs, SPECS[name]).values())[-1]
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    x = keras.layers.Conv2D(class_count(name, num_classes), 1, dtype="float32", name="logits")(x)
    x = keras.layers.ReLU(dtype="float32", name="logits_relu")(x)
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    return keras.Model(inputs, x, name=name)
