"""How each kind of layer connects its units to its input: the rules behind `kcnn.ops.receptive_field`.

Layers are known by where they come from and their class name, "keras.Conv2D", and unknown ones are refused: a
sub-class may compute anything. Rules are those of inference, so dropout, augmentation and batch normalisation act on
each unit alone.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any

from kcnn.errors import ConfigError
from kcnn.ops.arithmetic import Window, pooling
from kcnn.ops.axes import RADIUS, Link, binned, nailed, painting, resampled, shifted, sliding
from kcnn.ops.graph import Call


class Effect(Enum):
    """What a layer does where it has no `Link` per axis."""

    POINTWISE = "each unit sees the units at its own position"
    CONTEXT = "each unit sees its own position, scaled by statistics of the whole map"
    GLOBAL = "each unit sees the whole map"


Sizes = tuple[int, ...]  # of the spatial axes of the input
Rule = Callable[[Call, Sizes], Effect | tuple[Link, ...]]


def effect(call: Call, sizes: Sizes) -> Effect | tuple[Link, ...]:
    """Return how the output of `call` hangs on its input: an `Effect`, or one `Link` for each spatial axis.

    Raises:
        ConfigError: no rule is known for this layer, or not for this setting; the layer is named.
    """
    layer = call.layer
    rule = _RULES.get(key(type(layer)))
    if rule is None:
        raise ConfigError(
            f"layer {call.name!r} is a {key(type(layer))}, whose receptive field is not known. Say what its units see "
            "with kcnn.ops.field_rules.add_rule, for example add_rule(MyLayer, lambda call, sizes: Effect.POINTWISE)."
        )
    if getattr(layer, "data_format", None) == "channels_first":
        raise _refusal(call, "channels first", "channels last")
    return rule(call, sizes)


def add_rule(kind: type, rule: Rule) -> None:
    """Make a layer class known; it applies to that class alone, not to its sub-classes."""
    _RULES[key(kind)] = rule


def key(kind: type) -> str:
    """Return the name a class goes by in the table: its top package and its own name."""
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def _refusal(call: Call, found: str, expected: str) -> ConfigError:
    return ConfigError(
        f"layer {call.name!r} ({type(call.layer).__name__}) has {found}; its receptive field is known for {expected}."
    )


def _windows(call: Call, kernel: Any) -> list[Window]:
    layer, rank = call.layer, len(kernel)
    dilations = getattr(layer, "dilation_rate", (1,) * rank)
    rows = []
    for size, stride, dilation in zip(kernel, layer.strides, dilations, strict=True):
        causal = layer.padding == "causal"
        padding = (int(dilation) * (int(size) - 1), 0) if causal else layer.padding
        rows.append(Window(int(size), int(stride), padding, int(dilation)))
    return rows


def _convolution(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    return tuple(map(sliding, _windows(call, call.layer.kernel_size), sizes))


def _pooling(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    return tuple(map(sliding, _windows(call, call.layer.pool_size), sizes))


def _transposed(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    extra = call.layer.output_padding
    extras = extra if isinstance(extra, (tuple, list)) else (extra,) * len(sizes)
    return tuple(map(painting, _windows(call, call.layer.kernel_size), sizes, extras))


def _upsampling(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    interpolation = getattr(call.layer, "interpolation", "nearest")
    factors = call.layer.size if isinstance(call.layer.size, (tuple, list)) else (call.layer.size,)
    if interpolation not in ("nearest", *RADIUS):
        raise _refusal(call, f"interpolation {interpolation!r}", f"nearest, {', '.join(RADIUS)}")
    return tuple(resampled(s, s * int(factor), interpolation) for s, factor in zip(sizes, factors, strict=True))


def _resizing(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    layer = call.layer
    if layer.interpolation not in ("nearest", *RADIUS):
        raise _refusal(call, f"interpolation {layer.interpolation!r}", f"nearest, {', '.join(RADIUS)}")
    if layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio or layer.antialias:
        raise _refusal(call, "cropping, padding or anti-aliasing", "plain resizing")
    return tuple(map(resampled, sizes, (layer.height, layer.width), (layer.interpolation,) * 2))


def _adaptive_pooling(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    return tuple(map(binned, sizes, call.layer.output_size))


def _ends(values: Any, rank: int) -> list[tuple[int, int]]:
    return [tuple(values)] if rank == 1 else [tuple(pair) for pair in values]


def _padding(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    ends = _ends(call.layer.padding, len(sizes))
    return tuple(shifted(size, *pair) for size, pair in zip(sizes, ends, strict=True))


def _cropping(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    ends = _ends(call.layer.cropping, len(sizes))
    return tuple(shifted(size, -before, -after) for size, (before, after) in zip(sizes, ends, strict=True))


def _center_crop(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    links = []
    for size, kept in zip(sizes, (call.layer.height, call.layer.width), strict=True):
        if kept > size:
            raise _refusal(call, f"{kept} pixels to cut from {size}", "crops that are no larger than the map")
        before = (size - kept) // 2
        links.append(shifted(size, -before, before + kept - size))
    return tuple(links)


def _last_axis(call: Call, _: Sizes) -> Effect:
    axes = call.layer.axis
    rank = len(call.inputs[0].shape)
    if all(axis in (-1, rank - 1) for axis in (axes if isinstance(axes, (tuple, list)) else (axes,))):
        return Effect.POINTWISE
    if type(call.layer).__name__ == "Concatenate":
        raise _refusal(call, f"axis {axes}", "maps stacked along the channels, axis -1")
    return Effect.CONTEXT


def _reshape(call: Call, _: Sizes) -> Effect:
    before, after = call.inputs[0].shape, call.outputs[0].shape
    if len(after) == 2:
        return Effect.GLOBAL
    if before[:-1] == after[:-1]:
        return Effect.POINTWISE
    raise _refusal(call, f"output {after} from {before}", "reshapes that keep height and width, or flatten")


def _sparse(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    return tuple(sliding(Window(call.layer.kernel_size), size) for size in sizes)


def _squares(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    return tuple(sliding(pooling(call.layer.size), size) for size in sizes)


def _copies(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    return tuple(resampled(size, size * call.layer.size) for size in sizes)


def _nails(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    return tuple(nailed(size, call.layer.size) for size in sizes)


def _outputs(call: Call) -> Sizes:
    sizes = tuple(call.outputs[0].shape[1:-1])
    if None in sizes:
        raise _refusal(call, "an open size", "models built with a full image_shape")
    return sizes


def _resize_like(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    return tuple(resampled(size, wanted, "bilinear") for size, wanted in zip(sizes, _outputs(call), strict=True))


def _crop_like(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    links = []
    for size, wanted in zip(sizes, _outputs(call), strict=True):
        before = call.layer.offset
        links.append(shifted(size, -before, before + wanted - size))
    return tuple(links)


def _pad_to_multiple(call: Call, sizes: Sizes) -> tuple[Link, ...]:
    return tuple(shifted(size, 0, call.layer.padded(size) - size) for size in sizes)


_RULES: dict[str, Rule] = {
    f"keras.{kind}{rank}D": rule
    for ranks, kinds, rule in (
        ((1, 2, 3), ("Conv",), _convolution),
        ((1, 2), ("DepthwiseConv", "SeparableConv"), _convolution),
        ((1, 2, 3), ("MaxPooling", "AveragePooling"), _pooling),
        ((1, 2, 3), ("UpSampling",), _upsampling),
        ((1, 2, 3), ("ZeroPadding",), _padding),
        ((1, 2, 3), ("Cropping",), _cropping),
        ((1, 2, 3), ("AdaptiveMaxPooling", "AdaptiveAveragePooling"), _adaptive_pooling),
        ((1, 2, 3), ("GlobalMaxPooling", "GlobalAveragePooling"), lambda call, sizes: Effect.GLOBAL),
        ((1, 2, 3), ("SpatialDropout",), lambda call, sizes: Effect.POINTWISE),
    )
    for kind in kinds
    for rank in ranks
}
_RULES |= {f"keras.Conv{rank}DTranspose": _transposed for rank in (1, 2, 3)}
_RULES |= {
    "keras.Resizing": _resizing,
    "keras.CenterCrop": _center_crop,
    "keras.Reshape": _reshape,
    "keras.Flatten": lambda call, sizes: Effect.GLOBAL,
    "keras.GroupNormalization": lambda call, sizes: Effect.CONTEXT,
    "kcnn.LocalResponseNormalization": lambda call, sizes: Effect.POINTWISE,
    "kcnn.SparseConv2D": _sparse,
    "kcnn.TrainableSubsampling": _squares,
    "kcnn.MaxPoolingWithPositions": _squares,
    "kcnn.MaxUnpooling": _copies,  # a value may come to stand anywhere in its square
    "kcnn.BedOfNailsUnpooling": _nails,
    "kcnn.ResizeLike": _resize_like,
    "kcnn.CropLike": _crop_like,
    "kcnn.PadToMultiple": _pad_to_multiple,
    "kcnn.SpatialPyramidPooling": lambda call, sizes: Effect.GLOBAL,
}
_RULES |= dict.fromkeys(
    [f"keras.{kind}" for kind in ("Concatenate", "Softmax", "LayerNormalization", "RMSNormalization")], _last_axis
)
_RULES |= {
    f"keras.{kind}": lambda call, sizes: Effect.POINTWISE
    for kind in (
        *("Activation", "ActivityRegularization", "BatchNormalization", "Dense", "Identity", "Normalization"),
        *("ReLU", "LeakyReLU", "PReLU", "ELU", "Rescaling"),
        *("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "StochasticDepth"),
        *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"),
        *("LayerScale", "CustomScaleLayer"),  # of keras.applications
        *("Divide", "TrueDivide", "Negative", "Cast", "Exp", "Sqrt", "Square", "Clip"),  # of keras.ops, from here on
        *("Relu", "Relu6", "LeakyRelu", "Elu", "Gelu", "Silu", "Sigmoid", "HardSigmoid", "HardSilu", "HardSwish"),
        *("Tanh", "Softplus"),
    )
}
