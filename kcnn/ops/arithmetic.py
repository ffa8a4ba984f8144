"""The arithmetic of convolution: sizes, connections, receptive fields, costs. Plain Python, exact integers.

A `Window` is one axis of a convolution or pooling; a layer in two dimensions has two. Sizes follow Dumoulin and
Visin 2016 (1603.07285), sections 2 to 5; "same" follows TensorFlow and Keras. A multiply-add is one multiplication
with its addition.
"""

import math
import numbers
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kcnn.errors import ConfigError, ShapeError

MODES = ("valid", "same", "even", "full")
Padding = int | tuple[int, int] | str


@dataclass(frozen=True)
class Window:
    """One axis of a convolution or pooling.

    Attributes:
        kernel: number of taps, at least 1.
        stride: inputs between two neighbouring windows, at least 1.
        padding: zeros at both ends as a number, as (before, after), or by name. "valid": none. "same": as Keras, so
            that ceil(size / stride) windows fit, the odd zero at the end. "even": (effective - 1) // 2 at both ends,
            which keeps the size for odd kernels at stride 1. "full": effective - 1 at both ends.
        dilation: inputs between two neighbouring taps, at least 1.

    Raises:
        ConfigError: a setting is fractional, too small, or an unknown name.
    """

    kernel: int
    stride: int = 1
    padding: Padding = "valid"
    dilation: int = 1

    def __post_init__(self) -> None:
        for name in ("kernel", "stride", "dilation"):
            object.__setattr__(self, name, whole(name, getattr(self, name), 1))
        object.__setattr__(self, "padding", _padding(self.padding))

    @property
    def effective(self) -> int:
        """Inputs from the first tap to the last: dilation * (kernel - 1) + 1."""
        return self.dilation * (self.kernel - 1) + 1

    def pads(self, size: int | None = None) -> tuple[int, int]:
        """Return the zeros before and after an axis of `size`; "same" needs it at stride above 1.

        Raises:
            ConfigError: the padding depends on the size and none is given.
        """
        if isinstance(self.padding, tuple):
            return self.padding
        if self.padding == "even":
            return ((self.effective - 1) // 2,) * 2
        if self.padding == "full":
            return (self.effective - 1,) * 2
        if self.padding == "valid":
            return 0, 0
        if self.stride == 1:
            total = self.effective - 1
        elif size is None:
            raise ConfigError(f"padding 'same' at stride {self.stride} depends on the size of the input: give `size`.")
        else:
            total = max((-(-size // self.stride) - 1) * self.stride + self.effective - size, 0)
        return total // 2, total - total // 2

    def output(self, size: int) -> int:
        """Return how many windows fit: floor((size + padding - effective) / stride) + 1.

        Raises:
            ConfigError: `size` is no whole number of at least 1.
            ShapeError: the window is larger than the padded input.
        """
        return self._room(size) // self.stride + 1

    def unused(self, size: int) -> int:
        """Return how many values at the end of the padded input no window reaches."""
        return self._room(size) % self.stride

    def fits(self, size: int) -> bool:
        """Return whether the last window ends where the padded input ends, so that nothing is left out."""
        return self.unused(size) == 0

    def transposed(self, size: int, output_padding: int | None = None) -> int:
        """Return the output size of the transposed convolution.

        Each of the `size` inputs paints a window, a stride apart; padding is cropped, output padding added at the
        end: (size - 1) * stride + effective - padding + output_padding.

        Args:
            size: of the input.
            output_padding: in 0..stride - 1. None is Keras' choice: "same" gives size * stride, "valid" at least
                size * stride; 0 for other paddings. With a number, "same" crops effective // 2 at both ends.

        Raises:
            ConfigError: a setting is no whole number in its range.
            ShapeError: padding crops everything.
        """
        size = whole("size", size, 1)
        if output_padding is None:
            if self.padding == "same":
                return size * self.stride
            extra = max(self.stride - self.effective, 0) if self.padding == "valid" else 0
        else:
            extra = whole("output_padding", output_padding, 0)
            if extra >= self.stride:
                raise ConfigError(
                    f"output_padding is {extra} but must be below the stride, {self.stride}: it chooses among the "
                    "sizes that the stride would have made equal."
                )
        crop = 2 * (self.effective // 2) if self.padding == "same" else sum(self.pads())
        result = (size - 1) * self.stride + self.effective - crop + extra
        if result < 1:
            raise ShapeError(
                f"the transposed convolution of {size} values gives {result} values: padding crops {crop} of "
                f"{result + crop}. Use less padding or a larger input.",
                expected="at least 1 value",
                actual=result,
            )
        return result

    def taps(self, size: int) -> list[range]:
        """Return, for each output, the inputs it is computed from, from -before to size + after - 1."""
        before, _ = self.pads(size)
        starts = range(-before, -before + self.output(size) * self.stride, self.stride)
        return [range(start, start + self.effective, self.dilation) for start in starts]

    def _room(self, size: int) -> int:
        size = whole("size", size, 1)
        padded = size + sum(self.pads(size))
        if self.effective > padded:
            raise ShapeError(
                f"a window of {self.kernel} taps at dilation {self.dilation} spans {self.effective} values, but the "
                f"padded input has {padded} ({size} and padding {self.pads(size)}). Use a smaller kernel or dilation, "
                "more padding, or a larger input.",
                expected=f"at least {self.effective} values",
                actual=padded,
            )
        return padded - self.effective


def pooling(size: int = 2, stride: int | None = None, padding: Padding = "valid") -> Window:
    """Return the window of a pooling; the stride is its size unless given."""
    return Window(size, size if stride is None else stride, padding)


def windows(rank: int, kernel: Any, stride: Any = 1, padding: Any = "valid", dilation: Any = 1) -> tuple[Window, ...]:
    """Return one `Window` for each of `rank` axes.

    Args:
        rank: 1 for sequences, 2 for images.
        kernel, stride, dilation: a number for all axes, or a sequence with one for each.
        padding: one setting for all axes, or a sequence with one for each: so (1, 2) means 1 at the top and bottom,
            2 at the left and right, and ((0, 1), (0, 1)) one at the bottom and right.

    Raises:
        ConfigError: a sequence has another length, or a setting cannot work.
    """
    settings = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    columns = [_each(rank, name, value) for name, value in settings.items()]
    return tuple(Window(*row) for row in zip(*columns, strict=True))


def output_shape(
    shape: Sequence[int], kernel: Any, stride: Any = 1, padding: Any = "valid", dilation: Any = 1
) -> tuple[int, ...]:
    """Return the spatial shape after a convolution of `shape`, such as (height, width); settings as in `windows`."""
    axes = windows(len(shape), kernel, stride, padding, dilation)
    return tuple(axis.output(size) for axis, size in zip(axes, shape, strict=True))


def connectivity(window: Window, size: int) -> list[list[bool]]:
    """Return the matrix [output][input] of a one-dimensional convolution: True where the input feels the output.

    A row shows what an output sees, a column which outputs an input reaches; a dense layer's is True everywhere.
    """
    return [[index in taps for index in range(size)] for taps in window.taps(size)]


def toeplitz(window: Window, size: int, weights: Sequence[Any]) -> list[list[Any]]:
    """Return the banded matrix M [output][input] with M @ x the correlation of x with `weights`.

    The same weights stand in every row, shifted by the stride; the transpose of M is the transposed convolution.

    Raises:
        ConfigError: `weights` has another length than the kernel.
    """
    if len(weights) != window.kernel:
        raise ConfigError(f"there are {len(weights)} weights for a kernel of {window.kernel}; give one for each tap.")
    matrix = []
    for taps in window.taps(size):
        shared = dict(zip(taps, weights, strict=True))
        matrix.append([shared.get(index, 0) for index in range(size)])
    return matrix


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What one unit of a layer sees of the input, along one axis.

    Attributes:
        field: inputs from the first to the last that it sees, beyond the border too.
        jump: inputs between the centres of neighbouring units.
        start: centre of the first unit's field; the centre of the first input is 0.5.
    """

    field: int
    jump: int
    start: float


def receptive_field(layers: Iterable[Window], size: int | None = None) -> list[Reach]:
    """Return the `Reach` after each layer of a stack, first layer first.

    Args:
        layers: convolutions and poolings in order.
        size: of the input; needed where "same" padding meets a stride above 1.

    Raises:
        ConfigError: `size` is needed and missing.
        ShapeError: with `size`, a window is larger than its padded input.
    """
    field, jump, start, rows = 1, 1, 0.5, []
    for layer in layers:
        before, _ = layer.pads(size)
        size = None if size is None else layer.output(size)
        start += ((layer.effective - 1) / 2 - before) * jump
        field += (layer.effective - 1) * jump
        jump *= layer.stride
        rows.append(Reach(field=field, jump=jump, start=start))
    return rows


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a layer costs for one image; costs add up with `+`."""

    weights: int
    biases: int
    macs: int

    @property
    def params(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            weights=self.weights + other.weights, biases=self.biases + other.biases, macs=self.macs + other.macs
        )


def dense(inputs: int, units: int, bias: bool = True) -> Cost:
    """Return the cost of a fully connected layer: every unit sees every input."""
    weights = whole("inputs", inputs, 1) * whole("units", units, 1)
    return Cost(weights=weights, biases=units * bias, macs=weights)


def convolution(
    output: Sequence[int], kernel: Any, channels: int, filters: int, groups: int = 1, bias: bool = True
) -> Cost:
    """Return the cost of a convolution.

    Args:
        output: spatial shape of the result, such as (height, width).
        kernel: taps for all axes, or a sequence with one for each.
        channels, filters: maps in and out.
        groups: each filter sees channels / groups maps.
        bias: one for each filter.

    Raises:
        ConfigError: a setting is no whole number of at least 1, or groups do not divide channels and filters.
    """
    groups = whole("groups", groups, 1)
    if whole("channels", channels, 1) % groups or whole("filters", filters, 1) % groups:
        raise ConfigError(f"groups is {groups} but must divide channels, {channels}, and filters, {filters}.")
    weights = _count("kernel", _each(len(output), "kernel", kernel)) * (channels // groups) * filters
    return Cost(weights=weights, biases=filters * bias, macs=weights * _count("output", output))


def depthwise(output: Sequence[int], kernel: Any, channels: int, multiplier: int = 1, bias: bool = True) -> Cost:
    """Return the cost of a depthwise convolution: `multiplier` filters for each map, each seeing that map alone."""
    return convolution(output, kernel, channels, channels * whole("multiplier", multiplier, 1), channels, bias)


def separable(output: Sequence[int], kernel: Any, channels: int, filters: int, bias: bool = True) -> Cost:
    """Return the cost of a depthwise convolution followed by 1x1 to `filters` maps; the bias is the second's."""
    return depthwise(output, kernel, channels, bias=False) + convolution(output, 1, channels, filters, bias=bias)


def reduced(output: Sequence[int], kernel: Any, channels: int, middle: int, filters: int) -> Cost:
    """Return the cost of 1x1 to `middle` maps followed by `kernel` to `filters` maps of the same size."""
    return convolution(output, 1, channels, middle) + convolution(output, kernel, middle, filters)


def operations(kernel: Any, channels: int = 1, rank: int = 2) -> tuple[int, int]:
    """Return (multiplications, additions) for one output value without bias: 9 and 8 for 3x3 on one map."""
    products = _count("kernel", _each(rank, "kernel", kernel)) * whole("channels", channels, 1)
    return products, products - 1


def activation_bytes(shape: Sequence[int], bytes_each: int = 4) -> int:
    """Return the memory of an array of `shape`, float32 unless said otherwise."""
    return _count("shape", shape) * whole("bytes_each", bytes_each, 1)


def whole(name: str, value: Any, least: int) -> int:
    """Return `value` as an int.

    Raises:
        ConfigError: it is fractional, no number, or below `least`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < least:
        raise ConfigError(f"{name} is {value!r} but must be a whole number of at least {least}.")
    return number


def is_real(value: Any) -> bool:
    """Return whether `value` is one finite number: an int or a float, NumPy's too, but no bool and no text."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    return isinstance(value, numbers.Integral) or math.isfinite(value)


def _padding(value: Any) -> Padding:
    if isinstance(value, str):
        if value.lower() not in MODES:
            raise ConfigError(f"padding is {value!r} but must be a number, (before, after) or one of {MODES}.")
        return value.lower()
    if isinstance(value, Sequence):
        if len(value) != 2:
            raise ConfigError(f"padding is {value!r} but must have two numbers, before and after.")
        return whole("padding", value[0], 0), whole("padding", value[1], 0)
    return (whole("padding", value, 0),) * 2


def _each(rank: int, name: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (value,) * rank
    if len(value) != rank:
        raise ConfigError(f"{name} is {value!r} but must be one setting for all or {rank}, one for each axis.")
    return tuple(value)


def _count(name: str, values: Iterable[Any]) -> int:
    return math.prod(whole(name, value, 1) for value in values)
