"""Max pooling that remembers positions, and two ways back to the larger map.

A third, which fills each square with its value, is `keras.layers.UpSampling2D`.
"""

import functools
from typing import Any

import keras
from keras import ops

from kcnn.errors import ShapeError
from kcnn.layers import checks

Shape = tuple[int | None, ...]


class Squares(keras.layers.Layer):
    """What all have in common: squares of `size` x `size` pixels."""

    def __init__(self, size: int = 2, **options: Any):
        super().__init__(**options)
        self.size = checks.whole(self.name, "size", size)

    def build(self, input_shape: Shape) -> None:
        """Check the shape; there are no weights."""
        checks.maps(self.name, input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return super().get_config() | {"size": self.size}


@keras.saving.register_keras_serializable(package="kcnn")
class MaxPoolingWithPositions(Squares):
    """Max pooling that also says where each maximum stood (Zeiler 2013, 1311.2901, section 2.1, its "switches").

    Windows do not overlap; rows and columns that fill none are dropped. Of equal maxima the first in reading order is
    taken. A window that holds NaN gives NaN.

    Args:
        size: side of the windows, in pixels.

    Input: (N, H, W, C) maps, H and W of at least `size`, or open.
    Output: the maxima (N, H // size, W // size, C), and their int32 positions of the same shape: row * size + column
        inside the window.

    Raises:
        ConfigError: `size` is not a positive whole number.
        ShapeError: the input is not (N, H, W, C), or no window fits into it.

    Example:
        >>> maxima, positions = MaxPoolingWithPositions()(keras.ops.array([[[[1.0], [2.0]], [[3.0], [3.0]]]]))
        >>> maxima.numpy().item(), positions.numpy().item()
        (3.0, 2)
    """

    def build(self, input_shape: Shape) -> None:
        """Check that a window fits; there are no weights."""
        if any(side is not None and side < self.size for side in checks.maps(self.name, input_shape)[1:3]):
            raise ShapeError(
                f"{self.name}: the input has shape {input_shape} but must have at least {self.size}x{self.size} "
                "pixels, those of one window.",
                expected=(None, self.size, self.size, None),
                actual=input_shape,
            )

    def call(self, inputs: Any) -> tuple[Any, Any]:
        """Return (maxima, positions)."""
        ends = [length // self.size * self.size for length in ops.shape(inputs)[1:3]]
        places = [
            inputs[:, row : ends[0] : self.size, column : ends[1] : self.size]
            for row in range(self.size)
            for column in range(self.size)
        ]
        maxima = functools.reduce(ops.maximum, places)
        positions = ops.full_like(maxima, len(places) - 1, dtype="int32")
        for index in reversed(range(len(places) - 1)):
            positions = ops.where(places[index] == maxima, index, positions)
        return maxima, positions

    def compute_output_spec(self, inputs: Any) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Return the two outputs' shapes and types."""
        batch, *sides, channels = inputs.shape
        shape = (batch, *(None if side is None else side // self.size for side in sides), channels)
        return keras.KerasTensor(shape, self.compute_dtype), keras.KerasTensor(shape, "int32")


class Unpooling(Squares):
    """What both ways back have in common: each input pixel becomes a square."""

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (N, H * size, W * size, C)."""
        batch, *sides, channels = input_shape
        return batch, *(None if side is None else side * self.size for side in sides), channels


@keras.saving.register_keras_serializable(package="kcnn")
class MaxUnpooling(Unpooling):
    """Put each value where the maximum stood, zeros elsewhere (Badrinarayanan 2015, 1511.00561, figure 3).

    The way back from `MaxPoolingWithPositions` of the same `size`.

    Args:
        size: side of the squares, in pixels.

    Input: [values (N, H, W, C), positions (N, H, W, C)], positions 0..size**2 - 1; another position gives zeros.
    Output: (N, H * size, W * size, C).

    Raises:
        ConfigError: `size` is not a positive whole number.
        ShapeError: the two inputs differ in shape or are not (N, H, W, C).

    Example:
        >>> MaxUnpooling()([keras.ops.array([[[[5.0]]]]), keras.ops.array([[[[2]]]])]).numpy().squeeze().tolist()
        [[0.0, 0.0], [5.0, 0.0]]
    """

    def build(self, input_shape: list[Shape]) -> None:
        """Check that both shapes agree."""
        values, positions = checks.two_maps(self.name, input_shape, "[values, positions]")
        if any(None not in pair and pair[0] != pair[1] for pair in zip(values, positions, strict=True)):
            raise ShapeError(
                f"{self.name}: values have shape {values} but positions {positions}; give the positions of the pooling "
                "whose output has the values' shape.",
                expected=values,
                actual=positions,
            )

    def call(self, inputs: list[Any]) -> Any:
        """Return the larger maps."""
        values, positions = inputs
        zeros = ops.zeros_like(values)
        return interleave([ops.where(positions == place, values, zeros) for place in range(self.size**2)], self.size)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Return (N, H * size, W * size, C)."""
        return super().compute_output_shape(tuple(input_shape[0]))


@keras.saving.register_keras_serializable(package="kcnn")
class BedOfNailsUnpooling(Unpooling):
    """Put each value in the upper left corner of its square, zeros elsewhere.

    Args:
        size: side of the squares, in pixels.

    Input: (N, H, W, C) maps. Output: (N, H * size, W * size, C).

    Raises:
        ConfigError: `size` is not a positive whole number.
        ShapeError: the input is not (N, H, W, C).

    Example:
        >>> BedOfNailsUnpooling()(keras.ops.array([[[[5.0]]]])).numpy().squeeze().tolist()
        [[5.0, 0.0], [0.0, 0.0]]
    """

    def call(self, inputs: Any) -> Any:
        """Return the larger maps."""
        return interleave([inputs] + [ops.zeros_like(inputs)] * (self.size**2 - 1), self.size)


def interleave(places: list[Any], size: int) -> Any:
    """Return maps whose pixel (i * size + row, j * size + column) is pixel (i, j) of place row * size + column."""
    if size == 1:
        return places[0]
    return ops.depth_to_space(ops.concatenate(places, axis=-1), size, data_format="channels_last")
