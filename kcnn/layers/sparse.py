"""Convolution whose output maps see only some of the input maps."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kcnn.errors import ConfigError, ShapeError
from kcnn.layers import checks


@keras.saving.register_keras_serializable(package="kcnn")
class SparseConv2D(keras.layers.Layer):
    """Unpadded convolution by a table of connections (LeCun 1998, table I), with one bias an output map.

    Only the connected kernels are weights; zeros fill the rest, so an exported network holds one plain convolution.

    Args:
        connections: for each output map, the input maps that it sees, counted from 0.
        kernel_size: side of the kernels, in pixels.

    Input: (N, H, W, C) maps, H and W of at least `kernel_size`, or open.
    Output: (N, H - kernel_size + 1, W - kernel_size + 1, len(connections)).
    Weights: "kernel" (kernel_size, kernel_size, connections in all), those of the first output map first, at first
        uniform with the variance 1 / inputs, and "bias" (output maps,), at first 0.

    Raises:
        ConfigError: `connections` or `kernel_size` is not of that form.
        ShapeError: the input is not (N, H, W, C) or has fewer maps than `connections` names.

    Example:
        >>> SparseConv2D([[0, 1], [1]], 3)(keras.ops.ones((1, 5, 5, 2))).shape
        TensorShape([1, 3, 3, 2])
    """

    def __init__(self, connections: Sequence[Sequence[int]], kernel_size: int, **options: Any):
        super().__init__(**options)
        self.kernel_size = checks.whole(self.name, "kernel_size", kernel_size)
        rows = isinstance(connections, (list, tuple)) and all(isinstance(row, (list, tuple)) for row in connections)
        if not rows or not connections or not all(row and len(set(row)) == len(row) for row in connections):
            raise ConfigError(
                f"{self.name}: connections is {connections!r} but must list, for each output map, the input maps it "
                "sees, each once, as in [[0, 1], [1, 2]]."
            )
        self.connections = [
            [checks.whole(self.name, "connections", seen, least=0) for seen in row] for row in connections
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make one kernel a connection and one bias an output map."""
        channels, seen = checks.maps(self.name, input_shape)[3], list(itertools.chain(*self.connections))
        if max(seen) >= channels:
            raise ShapeError(
                f"{self.name}: the input has {channels} maps but connections name map {max(seen)}, counted from 0; "
                f"give at least {max(seen) + 1} maps.",
                expected=f"at least {max(seen) + 1} maps",
                actual=channels,
            )
        taps, outputs = self.kernel_size**2, len(self.connections)
        limit = math.sqrt(3 * outputs / (taps * len(seen)))
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, len(seen)),
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )
        self.bias = self.add_weight(name="bias", shape=(outputs,), initializer="zeros")
        self.places = np.zeros((len(seen), channels * outputs), "float32")  # connection -> its place in a full kernel
        ends = [end for end, row in enumerate(self.connections) for _ in row]
        for connection, (start, end) in enumerate(zip(seen, ends, strict=True)):
            self.places[connection, start * outputs + end] = 1

    def call(self, inputs: Any) -> Any:
        """Return the convolved maps."""
        shape = (self.kernel_size, self.kernel_size, inputs.shape[-1], len(self.connections))
        kernel = ops.reshape(ops.matmul(self.kernel, ops.cast(self.places, self.compute_dtype)), shape)
        return ops.conv(inputs, kernel, padding="valid", data_format="channels_last") + self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (N, H - kernel_size + 1, W - kernel_size + 1, output maps)."""
        batch, *sides, _ = input_shape
        sides = [None if side is None else side - self.kernel_size + 1 for side in sides]
        return batch, *sides, len(self.connections)

    def multiply_adds(self, inputs: tuple[int, ...], output: tuple[int, ...]) -> int:
        """Return the multiply-adds for one image; only connected maps count."""
        return output[1] * output[2] * self.kernel_size**2 * sum(map(len, self.connections))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return super().get_config() | {"connections": self.connections, "kernel_size": self.kernel_size}
