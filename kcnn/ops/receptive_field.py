"""What each layer of a Keras model sees of the image: field, stride, centre, and the exact box of any unit.

The theoretical receptive field of Araujo 2019 (distill.pub/2019/computing-receptive-fields), computed with the boxes
of single units, so that branches, upsampling and asymmetric padding need no approximation. Pixel i spans i to i + 1:
its centre is i + 0.5. Boxes are (y1, x1, y2, x2) with y2 and x2 outside, so image[y1:y2, x1:x2] is what a unit sees.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import keras

from kcnn.errors import ConfigError, ShapeError, UnknownNameError
from kcnn.ops import axes
from kcnn.ops.arithmetic import whole
from kcnn.ops.axes import Axis, Link
from kcnn.ops.field_rules import Effect, effect
from kcnn.ops.graph import Call, Tensor, calls, inputs

LARGE = 4096  # pixels, at least, that stand for an open size


@dataclass(frozen=True, kw_only=True)
class Field:
    """What the units of one layer call see. Tuples have one entry for each spatial axis: (vertical, horizontal).

    Attributes:
        name, kind: as in `kcnn.ops.cost.Row`.
        size: image pixels of the field, of the largest where units differ; None where every unit sees the whole image
            (after flattening or global pooling).
        stride: image pixels from a unit to the next; below 1 after more upsampling than pooling. None where global.
        start: centre of the first unit's field; None where global, and along an axis of open size whose padding
            depends on it.
        global_context: besides `size`, values of the whole image come in: from a squeeze-excite gate, a global
            branch, or normalisation over the map. `size` is then that of the local path.
    """

    name: str
    kind: str
    size: tuple[int, ...] | None
    stride: tuple[int | float, ...] | None
    start: tuple[float | None, ...] | None
    global_context: bool


@dataclass(frozen=True)
class _Value:
    """What is known of a tensor: its axes, None where global, and whether context came in."""

    axes: tuple[Axis, ...] | None
    context: bool = False


@dataclass(frozen=True)
class _Walk:
    """One walk through a model at one image size: its calls, how each connects, and what every tensor sees."""

    sizes: tuple[int, ...]
    calls: list[Call]
    effects: list[Effect | tuple[Link, ...]]
    values: dict[Tensor, _Value]

    def after(self, row: int) -> _Value:
        return self.values[self.calls[row].outputs[0]]


def ledger(model: keras.Model, image_size: Sequence[int] | None = None) -> list[Field]:
    """Return the receptive field after every layer call, in the order and with the names of `kcnn.ops.cost.ledger`.

    Args:
        model: built functional or Sequential model, channels last, of images (or sequences, or volumes).
        image_size: (height, width) in pixels, where the model leaves them open. Without it every size is considered,
            and what depends on the size is None (start) or the largest (size).

    Raises:
        ConfigError: a layer whose connections are not known (see `kcnn.ops.field_rules.add_rule`), or branches of
            different stride that are joined. The layer is named.
        ShapeError: the model is not built, or its inputs are no images of one size.
    """
    walks = _walks(model, image_size)
    return [
        _field(call, [walk.after(row) for walk in walks], len(walks[0].sizes))
        for row, call in enumerate(walks[0].calls)
    ]


def unit_box(
    model: keras.Model,
    layer: str | int,
    unit: Sequence[int],
    *,
    image_size: Sequence[int] | None = None,
    inside: bool = False,
) -> tuple[int, ...] | None:
    """Return the box of image pixels that one unit sees.

    Args:
        model, image_size: as in `ledger`.
        layer: name as in `ledger`, or its row number, which tells the calls of a shared layer apart.
        unit: (row, column) on the layer's map; not read where the layer is global.
        inside: False for the whole window, which may reach outside the image, and in which padding between layers
            counts as the image it stands for. True for the pixels whose change can change the unit: inside the image,
            smaller where a window holds padding, and the whole image where there is global context.

    Returns: (y1, x1, y2, x2), y2 and x2 outside; the whole image where the layer is global; None where the unit sees
        nothing, as between the nails of unpooling. A model of sequences gives (first, end).

    Raises:
        UnknownNameError: no such layer.
        ConfigError: as in `ledger`; or a name that is called more than once.
        ShapeError: the unit is not on the map; or the box depends on a size that is open.
    """
    walks, row = _walks(model, image_size), row_of(model, layer)
    boxes = {_box(walk, row, tuple(unit), inside) for walk in walks}
    if len(boxes) > 1:
        raise ShapeError(
            f"what a unit of layer {walks[0].calls[row].name!r} sees depends on the size of the image, which the model "
            "leaves open; give image_size=(height, width).",
            expected="image_size",
            actual=None,
        )
    return boxes.pop()


def row_of(model: keras.Model, layer: str | int) -> int:
    """Return the row of a layer in the ledger.

    Raises:
        UnknownNameError: no layer has this name.
        ConfigError: no such row; or the name is called more than once; or `layer` is neither.
    """
    names = [call.name for call in calls(model)]
    if isinstance(layer, bool) or not isinstance(layer, (int, str)):
        raise ConfigError(f"layer is {layer!r:.80} but must be the name of a layer or the number of its row.")
    if isinstance(layer, int):
        if not 0 <= layer < len(names):
            raise ConfigError(f"layer is row {layer} but the ledger has rows 0 to {len(names) - 1}.")
        return layer
    if layer not in names:
        raise UnknownNameError("layer", layer, names)
    if names.count(layer) > 1:
        rows = [row for row, name in enumerate(names) if name == layer]
        raise ConfigError(f"layer {layer!r} is called {len(rows)} times; give one of the row numbers {rows}.")
    return names.index(layer)


def _walks(model: keras.Model, image_size: Sequence[int] | None) -> list[_Walk]:
    """Walk once at a known size; at an open one, at sizes of every remainder that strides can leave."""
    entries = inputs(model)
    rows = list(calls(model, entries))
    spatial = {entry.shape[1:-1] for entry in entries}
    shape = spatial.pop()
    if spatial or not shape:
        raise ShapeError(
            f"model {model.name!r} has inputs {[entry.shape[1:] for entry in entries]}; receptive fields need images "
            "of one size, (height, width, channels).",
            expected="(height, width, channels)",
            actual=[entry.shape[1:] for entry in entries],
        )
    if image_size is not None:
        given = tuple(whole("image_size", side, 1) for side in image_size)
        if len(given) != len(shape) or any(side not in (None, mine) for side, mine in zip(shape, given, strict=True)):
            raise ShapeError(
                f"image_size is {given} but model {model.name!r} takes {shape}.", expected=shape, actual=given
            )
        shape = given
    if None not in shape:
        return [_walk(rows, entries, shape)]
    first = _walk(rows, entries, _filled(shape, LARGE))
    period = math.lcm(*(axis.advance for value in first.values.values() for axis in value.axes or ()))
    base = -(-LARGE // period) * period
    return [_walk(rows, entries, _filled(shape, base + extra)) for extra in range(period)]


def _filled(shape: tuple[int | None, ...], side: int) -> tuple[int, ...]:
    return tuple(side if own is None else own for own in shape)


def _walk(rows: list[Call], entries: Sequence[Tensor], sizes: tuple[int, ...]) -> _Walk:
    values = {entry: _Value(tuple(map(axes.image, sizes))) for entry in entries}
    effects = []
    for call in rows:
        joined = _joined(call, [values[tensor] for tensor in call.read])
        found: Effect | tuple[Link, ...] = Effect.GLOBAL
        if joined.axes is not None:
            found = effect(call, tuple(axis.size for axis in joined.axes))
        effects.append(found)
        values.update(dict.fromkeys(call.outputs, _through(joined, found)))
    return _Walk(sizes, rows, effects, values)


def _joined(call: Call, values: list[_Value]) -> _Value:
    local = [value.axes for value in values if value.axes is not None]
    if not local:
        return _Value(None)
    result = local[0]
    for other in local[1:]:
        strides = [[axis.stride for axis in each] for each in (result, other)]
        if strides[0] != strides[1]:
            raise ConfigError(
                f"layer {call.name!r} joins branches of strides {_plain(strides[0])} and {_plain(strides[1])}; a field "
                "is known only where branches have the same stride."
            )
        result = tuple(one.joined(two) for one, two in zip(result, other, strict=True))
    return _Value(result, len(local) < len(values) or any(value.context for value in values))


def _through(value: _Value, found: Effect | tuple[Link, ...]) -> _Value:
    if value.axes is None or found is Effect.GLOBAL:
        return _Value(None)
    if isinstance(found, Effect):
        return _Value(value.axes, value.context or found is Effect.CONTEXT)
    return _Value(tuple(axis.through(link) for axis, link in zip(value.axes, found, strict=True)), value.context)


def _field(call: Call, values: list[_Value], rank: int) -> Field:
    """Sum up one call over walks at different sizes; they agree in stride, or the model resizes to fixed sizes."""
    known = [value.axes for value in values if value.axes is not None]
    context = any(value.context for value in values)
    kind = type(call.layer).__name__
    if not known:
        return Field(name=call.name, kind=kind, size=None, stride=None, start=None, global_context=context)
    columns = [[found[axis] for found in known] for axis in range(rank)]
    if any(len({axis.stride for axis in column}) > 1 for column in columns):
        raise ShapeError(
            f"the stride of layer {call.name!r} depends on the size of the image, which the model leaves open; give "
            "image_size=(height, width).",
            expected="image_size",
            actual=None,
        )
    starts = [{axis.start for axis in column} for column in columns]
    return Field(
        name=call.name,
        kind=kind,
        size=tuple(max(axis.field for axis in column) for column in columns),
        stride=_plain([column[0].stride for column in columns]),
        start=tuple(start.pop() if len(start) == 1 else None for start in starts),
        global_context=context,
    )


def _plain(strides: Sequence[Fraction]) -> tuple[int | float, ...]:
    return tuple(int(stride) if stride.denominator == 1 else float(stride) for stride in strides)


def _box(walk: _Walk, row: int, unit: tuple[int, ...], inside: bool) -> tuple[int, ...] | None:
    found = walk.after(row).axes
    if found is not None:
        shape = tuple(axis.size for axis in found)
        if len(unit) != len(shape) or not all(0 <= index < size for index, size in zip(unit, shape, strict=True)):
            name = walk.calls[row].name
            raise ShapeError(
                f"unit {unit} is not on the map of layer {name!r}, which is {shape}.", expected=shape, actual=unit
            )
    if inside:
        return _corners(_reached(walk, row, unit))
    if found is None:
        return _corners([(0, size) for size in walk.sizes])
    return _corners([axis.box(index) for axis, index in zip(found, unit, strict=True)])


def _corners(boxes: Sequence[axes.Box | None]) -> tuple[int, ...] | None:
    known = [box for box in boxes if box is not None]
    if len(known) < len(boxes):
        return None
    return (*(box[0] for box in known), *(box[1] for box in known))


def _reached(walk: _Walk, row: int, unit: tuple[int, ...]) -> list[axes.Box | None]:
    """Go back from a unit through units that exist, so that padding counts for nothing."""
    asked: dict[Tensor, list[set[int]]] = {walk.calls[row].outputs[0]: [{index} for index in unit]}
    for call, found in zip(walk.calls[row::-1], walk.effects[row::-1], strict=True):
        parts = [asked.pop(tensor) for tensor in call.outputs if tensor in asked]
        if not parts:
            continue
        units = [set().union(*sets) for sets in zip(*parts, strict=True)]
        for tensor in call.read:
            own = walk.values[tensor].axes
            wanted = [set() for _ in walk.sizes] if own is None else _before(found, units, [axis.size for axis in own])
            if own is None or all(wanted):
                known = asked.setdefault(tensor, [set() for _ in walk.sizes])
                for mine, more in zip(known, wanted, strict=True):
                    mine.update(more)
    reached = [set().union(*(sets[axis] for sets in asked.values())) for axis in range(len(walk.sizes))]
    return [(min(pixels), max(pixels) + 1) if pixels else None for pixels in reached]


def _before(found: Effect | tuple[Link, ...], units: list[set[int]], sizes: list[int]) -> list[set[int]]:
    """Return the units of the layer before that `units` read."""
    if found is Effect.POINTWISE:
        return units
    if isinstance(found, Effect):
        return [set(range(size)) for size in sizes]
    return [
        {tap for one in mine for tap in link.inputs(one) if 0 <= tap < size}
        for link, mine, size in zip(found, units, sizes, strict=True)
    ]
