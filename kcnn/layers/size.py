"""Maps brought to another map's height and width: enlarged, padded to a whole number of cells, cropped.

What Keras' `Resizing`, `ZeroPadding2D` and `Cropping2D` do for numbers that are known beforehand, for sizes that only
the image tells.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from kcnn.errors import ShapeError
from kcnn.layers import checks

Shape = tuple[int | None, ...]


class LikeReference(keras.layers.Layer):
    """What both have in common: two inputs, maps and the reference that has the wanted height and width."""

    reads = 1  # inputs whose values matter, see `kcnn.ops.graph.Call.read`

    def build(self, input_shape: list[Shape]) -> None:
        """Check that there are two maps; there are no weights."""
        checks.two_maps(self.name, input_shape, "[maps, reference]")

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Return (N, H', W', C)."""
        maps, reference = input_shape
        return maps[0], *reference[1:3], maps[3]


@keras.saving.register_keras_serializable(package="kcnn")
class ResizeLike(LikeReference):
    """Bilinear interpolation to the height and width of a second input.

    Pixels are squares whose centres stand at half numbers, so corners of both images coincide: PyTorch's
    `align_corners=False`, TensorFlow's `half_pixel_centers`. Beyond the outermost centres the edge is repeated.
    Shrinking does not smooth.

    Input: [maps (N, H, W, C), reference (N, H', W', D)]. Output: (N, H', W', C).

    Raises:
        ShapeError: the input is not two maps.

    Example:
        >>> maps, wider = keras.ops.array([[[[0.0], [4.0]]]]), keras.ops.zeros((1, 1, 4, 3))
        >>> ResizeLike()([maps, wider]).numpy().squeeze().tolist()
        [0.0, 1.0, 3.0, 4.0]
    """

    def call(self, inputs: list[Any]) -> Any:
        """Return the resized maps."""
        maps, reference = inputs
        sizes = tuple(ops.shape(reference)[1:3])
        if all(isinstance(size, int) for size in sizes):
            return ops.image.resize(maps, sizes, interpolation="bilinear")
        for axis, size in enumerate(sizes, start=1):  # `resize` wants numbers; in a graph they can be tensors
            maps = _resampled(maps, size, axis)
        return maps


def _resampled(maps: Any, size: Any, axis: int) -> Any:
    """Return `maps` with `size` pixels along `axis`, each between the two of the old ones that it stands between."""
    last = ops.cast(ops.shape(maps)[axis] - 1, "float32")
    places = (ops.arange(size, dtype="float32") + 0.5) * ((last + 1) / ops.cast(size, "float32")) - 0.5
    places = ops.clip(places, 0.0, last)
    before = ops.floor(places)
    share = ops.reshape(places - before, (-1, *(1,) * (3 - axis)))
    first, second = (
        ops.take(maps, ops.cast(index, "int32"), axis=axis) for index in (before, ops.minimum(before + 1, last))
    )
    return first + ops.cast(share, maps.dtype) * (second - first)


@keras.saving.register_keras_serializable(package="kcnn")
class CropLike(LikeReference):
    """Leave out what reaches beyond the height and width of a second input.

    Args:
        offset: rows and columns left out at the top and left; the others go at the bottom and right.

    Input: [maps (N, H, W, C), reference (N, H', W', D)], H >= H' + offset and W >= W' + offset.
    Output: (N, H', W', C).

    Raises:
        ConfigError: `offset` is not a whole number of at least 0.
        ShapeError: the input is not two maps, or the maps do not reach so far.
    """

    def __init__(self, *, offset: int = 0, **options: Any):
        super().__init__(**options)
        self.offset = checks.whole(self.name, "offset", offset, least=0)

    def build(self, input_shape: list[Shape]) -> None:
        """Check that the maps reach far enough."""
        super().build(input_shape)
        maps, reference = input_shape
        pairs = zip(maps[1:3], reference[1:3], strict=True)
        if any(None not in pair and pair[0] < pair[1] + self.offset for pair in pairs):
            start = f" from pixel {self.offset} on" if self.offset else ""
            raise ShapeError(
                f"{self.name}: maps of {maps[1]}x{maps[2]} cannot be cropped to {reference[1]}x{reference[2]}{start}.",
                expected=reference,
                actual=maps,
            )

    def call(self, inputs: list[Any]) -> Any:
        """Return the cropped maps."""
        maps, reference = inputs
        height, width = ops.shape(reference)[1:3]
        return maps[:, self.offset : self.offset + height, self.offset : self.offset + width]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return super().get_config() | {"offset": self.offset}


@keras.saving.register_keras_serializable(package="kcnn")
class PadToMultiple(keras.layers.Layer):
    """Zeros at the bottom and right until height and width are multiples of a number.

    Args:
        multiple: of pixels; what a network halves five times needs 32.
        least: height and width of the result are at least `least` times `multiple`.

    Input: (N, H, W, C). Output: (N, H', W', C).

    Raises:
        ConfigError: `multiple` or `least` is not a positive whole number.
        ShapeError: the input is not (N, H, W, C).
    """

    def __init__(self, multiple: int, *, least: int = 1, **options: Any):
        super().__init__(**options)
        self.multiple = checks.whole(self.name, "multiple", multiple)
        self.least = checks.whole(self.name, "least", least)

    def build(self, input_shape: Shape) -> None:
        """Check the shape; there are no weights."""
        checks.maps(self.name, input_shape)

    def call(self, inputs: Any) -> Any:
        """Return the padded maps."""
        sides = ops.shape(inputs)[1:3]
        padded = [self.padded(side) for side in sides]
        if all(isinstance(side, int) for side in padded) and tuple(padded) == tuple(sides):
            return inputs
        ends = [[0, wanted - side] for wanted, side in zip(padded, sides, strict=True)]
        wide = ops.pad(inputs, [[0, 0], *ends, [0, 0]])
        return ops.reshape(wide, (-1, *padded, inputs.shape[-1]))  # where sides are tensors, `pad` forgets the channels

    def padded(self, side: Any) -> Any:
        """Return the side that `side` pixels are padded to."""
        cells = -(-side // self.multiple)
        cells = max(cells, self.least) if isinstance(cells, int) else ops.maximum(cells, self.least)
        return cells * self.multiple

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (N, H', W', C)."""
        batch, *sides, channels = input_shape
        return batch, *(None if side is None else self.padded(side) for side in sides), channels

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return super().get_config() | {"multiple": self.multiple, "least": self.least}


@keras.saving.register_keras_serializable(package="kcnn")
class BilinearKernel(keras.initializers.Initializer):
    """Start of a transposed convolution that enlarges each map bilinearly (Long 2014, 1411.4038, section 3.3).

    With kernel 2f, stride f and "same" padding it is `ResizeLike` by f, but for the border, beyond which it sees
    zeros. Map c goes to map c, as far as there are both.
    """

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Return the kernel of `shape` (rows, columns, maps out, maps in)."""
        rows, columns = (
            np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1)) - 0.5 * (size % 2 == 0) for size in shape[:2]
        )
        weights = np.outer(rows / ((shape[0] + 1) // 2), columns / ((shape[1] + 1) // 2))
        return ops.convert_to_tensor(weights[..., None, None] * np.eye(*shape[2:]), dtype=dtype or "float32")
