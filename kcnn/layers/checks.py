"""What layers check before they are built: whole numbers, (N, H, W, C) maps, and two of these."""

from typing import Any

from kcnn.errors import ShapeError
from kcnn.ops import arithmetic


def whole(layer: str, argument: str, value: Any, least: int = 1) -> int:
    """Return `value` as an int, a whole number of at least `least`.

    Raises:
        ConfigError: it is something else.
    """
    return arithmetic.whole(f"{layer}: {argument}", value, least)


def maps(layer: str, shape: Any) -> tuple[int | None, ...]:
    """Return `shape`, that of (N, H, W, C) maps with a known number of channels.

    Raises:
        ShapeError: there are not four axes, channels are open, or height or width is 0.
    """
    whole_maps = isinstance(shape, (tuple, list)) and len(shape) == 4 and shape[3] is not None
    if not whole_maps or 0 in shape[1:]:
        raise ShapeError(
            f"{layer}: the input has shape {shape} but must be maps (N, H, W, C) of at least one pixel and a known "
            "number of channels; add the missing axis with keras.layers.Reshape or [..., None].",
            expected="(N, H, W, C)",
            actual=shape,
        )
    return tuple(shape)


def two_maps(layer: str, shapes: Any, names: str) -> tuple[tuple[int | None, ...], ...]:
    """Return the shapes of two maps, each as `maps`; `names` says what they are, as in "[maps, reference]".

    Raises:
        ShapeError: there are not two, or one is not of maps.
    """
    pair = isinstance(shapes, (list, tuple)) and len(shapes) == 2
    if not pair or not all(isinstance(shape, (list, tuple)) for shape in shapes):
        raise ShapeError(
            f"{layer}: the input must be two maps, {names}, but has shape {shapes}.",
            expected="[(N, H, W, C), (N, H', W', D)]",
            actual=shapes,
        )
    return maps(layer, shapes[0]), maps(layer, shapes[1])
