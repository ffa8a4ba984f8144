"""Trainable sub-sampling."""

from typing import Any

import keras
from keras import ops

from kcnn.layers import checks


@keras.saving.register_keras_serializable(package="kcnn")
class TrainableSubsampling(keras.layers.Layer):
    """Mean of each square, times one coefficient and plus one bias a map (LeCun 1998, section II-B, layer S2).

    The paper adds the four values; its coefficient is a quarter of this one. Its squashing function is a layer of its
    own. Squares do not overlap; rows and columns that fill none are dropped.

    Args:
        size: side of the squares, in pixels.

    Input: (N, H, W, C) maps, H and W of at least `size`, or open. Output: (N, H // size, W // size, C).
    Weights: "coefficient" (C,), at first 1, and "bias" (C,), at first 0.

    Raises:
        ConfigError: `size` is not a positive whole number.
        ShapeError: the input is not (N, H, W, C).

    Example:
        >>> TrainableSubsampling()(keras.ops.array([[[[1.0], [2.0]], [[3.0], [6.0]]]])).numpy().tolist()
        [[[[3.0]]]]
    """

    def __init__(self, size: int = 2, **options: Any):
        super().__init__(**options)
        self.size = checks.whole(self.name, "size", size)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make two weights a map."""
        channels = checks.maps(self.name, input_shape)[3]
        self.coefficient = self.add_weight(name="coefficient", shape=(channels,), initializer="ones")
        self.bias = self.add_weight(name="bias", shape=(channels,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """Return the weighted means."""
        means = ops.average_pool(inputs, self.size, self.size, "valid", data_format="channels_last")
        return means * self.coefficient + self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (N, H // size, W // size, C)."""
        batch, *sides, channels = input_shape
        return batch, *(None if side is None else side // self.size for side in sides), channels

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return super().get_config() | {"size": self.size}
