"""Spatial pyramid pooling."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kcnn.errors import ConfigError
from kcnn.layers import checks


@keras.saving.register_keras_serializable(package="kcnn")
class SpatialPyramidPooling(keras.layers.Layer):
    """Maxima over grids of fixed numbers of bins: a vector of one length from maps of any size.

    He 2014 (1406.4729), section 2.2. Bin i of n over H rows reaches from floor(i H / n) to ceil((i + 1) H / n), as in
    the paper's appendix A; where the paper's sliding windows (section 2.3) give n bins, they are the same. Bins overlap
    where n does not divide H, and repeat pixels where n is above H.

    Args:
        bins: bins per side of each level; the paper's four levels by default.

    Input: (N, H, W, C) maps, H and W of at least 1, or open.
    Output: (N, C * sum of bins**2): level after level, bins row by row, channels last.

    Raises:
        ConfigError: `bins` is empty or holds something other than positive whole numbers.
        ShapeError: the input is not (N, H, W, C).

    Example:
        >>> SpatialPyramidPooling([2, 1])(keras.ops.reshape(keras.ops.arange(9.0), (1, 3, 3, 1))).numpy().tolist()
        [[4.0, 5.0, 7.0, 8.0, 8.0]]
    """

    def __init__(self, bins: Sequence[int] = (6, 3, 2, 1), **options: Any):
        super().__init__(**options)
        if not isinstance(bins, (list, tuple)) or not bins:
            raise ConfigError(f"{self.name}: bins is {bins!r} but must list the bins per side, as in [6, 3, 2, 1].")
        self.bins = [checks.whole(self.name, "bins", n) for n in bins]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Check the shape; there are no weights."""
        checks.maps(self.name, input_shape)

    def call(self, inputs: Any) -> Any:
        """Return the maxima of all bins."""
        channels = inputs.shape[-1]
        levels = []
        for n in self.bins:
            rows = [ops.max(inputs[:, a:b], axis=1) for a, b in edges(ops.shape(inputs)[1], n)]  # n of (N, W, C)
            strips = ops.stack(rows, axis=1)
            cells = [ops.max(strips[:, :, a:b], axis=2) for a, b in edges(ops.shape(inputs)[2], n)]
            levels.append(ops.reshape(ops.stack(cells, axis=2), (-1, n * n * channels)))
        return ops.concatenate(levels, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (N, C * sum of bins**2)."""
        return input_shape[0], input_shape[3] * sum(n * n for n in self.bins)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return super().get_config() | {"bins": self.bins}


def edges(length: Any, n: int) -> list[tuple[Any, Any]]:
    """Return (start, end) of n bins that together cover 0..length."""
    return [(i * length // n, ((i + 1) * length + n - 1) // n) for i in range(n)]
