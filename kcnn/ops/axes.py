"""Which inputs each unit of a layer sees, along one axis: links between neighbouring layers, and their composition.

Units repeat: behind convolutions all see the same window, shifted; behind upsampling and transposed convolution a few
kinds alternate. So an axis is known exactly, for all its units, by the boxes of one period.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kcnn.ops.arithmetic import Window

Box = tuple[int, int]  # first input, and one past the last
RADIUS = {"bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}  # of the interpolation kernel, in inputs


@dataclass(frozen=True)
class Link:
    """How the units of a layer hang on those of the layer before.

    Attributes:
        taps: the inputs that outputs 0, 1, ... of a period read; outputs a period later read `step` further.
        step: inputs per period.
        size: number of outputs.
    """

    taps: tuple[Sequence[int], ...]
    step: int
    size: int

    def inputs(self, unit: int) -> list[int]:
        """Return the inputs that `unit` reads, those in the padding too."""
        turn, phase = divmod(unit, len(self.taps))
        return [tap + turn * self.step for tap in self.taps[phase]]


@dataclass(frozen=True)
class Axis:
    """The boxes of all units: unit `turn * len(boxes) + phase` sees `boxes[phase]`, shifted by `turn * advance`.

    Attributes:
        boxes: input pixels (first, one past the last); None for units that see nothing, as in a bed of nails.
        advance: input pixels per period.
        size: number of units.
    """

    boxes: tuple[Box | None, ...]
    advance: int
    size: int

    @property
    def stride(self) -> Fraction:
        """Input pixels per unit; below 1 where the map is finer than the image."""
        return Fraction(self.advance, len(self.boxes))

    @property
    def field(self) -> int:
        """Input pixels of the largest box."""
        return max((box[1] - box[0] for box in self.boxes if box), default=0)

    @property
    def start(self) -> float | None:
        """Centre of the first unit's box, or of the first unit that sees anything; pixel 0 is centred at 0.5."""
        return next(((box[0] + box[1]) / 2 for box in self.boxes if box), None)

    def box(self, unit: int) -> Box | None:
        """Return the box of one unit, which may reach outside the image."""
        turn, phase = divmod(unit, len(self.boxes))
        box = self.boxes[phase]
        return box and (box[0] + turn * self.advance, box[1] + turn * self.advance)

    def through(self, link: Link) -> "Axis":
        """Return the axis behind a layer."""
        periods = len(self.boxes) // math.gcd(len(self.boxes), link.step)
        boxes = tuple(hull(map(self.box, link.inputs(unit))) for unit in range(periods * len(link.taps)))
        return Axis(boxes, self.advance * link.step * periods // len(self.boxes), link.size)

    def joined(self, other: "Axis") -> "Axis":
        """Return the axis of a map computed from two maps of the same stride."""
        period = math.lcm(len(self.boxes), len(other.boxes))
        boxes = tuple(hull((self.box(unit), other.box(unit))) for unit in range(period))
        return Axis(boxes, int(self.stride * period), self.size)


def image(size: int) -> Axis:
    """Return the axis of an image: every pixel sees itself."""
    return Axis(((0, 1),), 1, size)


def hull(boxes: Iterable[Box | None]) -> Box | None:
    """Return the smallest box around `boxes`; None when there are none."""
    found = [box for box in boxes if box]
    return (min(box[0] for box in found), max(box[1] for box in found)) if found else None


def sliding(window: Window, size: int) -> Link:
    """Return the link of a convolution or pooling over `size` inputs."""
    before, _ = window.pads(size)
    taps = range(-before, -before + window.effective, window.dilation)
    return Link((taps,), window.stride, window.output(size))


def painting(window: Window, size: int, output_padding: int | None = None) -> Link:
    """Return the link of a transposed convolution: the reverse of a convolution over its outputs."""
    outputs = window.transposed(size, output_padding)
    before, _ = window.pads(outputs)
    offsets = [tap * window.dilation - before for tap in range(window.kernel)]
    taps = tuple(
        [(phase - offset) // window.stride for offset in offsets if (phase - offset) % window.stride == 0]
        for phase in range(window.stride)
    )
    return Link(taps, 1, outputs)


def resampled(size: int, outputs: int, interpolation: str = "nearest") -> Link:
    """Return the link of resizing `size` inputs to `outputs`, pixel centres at halves, without anti-aliasing.

    Args:
        size, outputs: before and after.
        interpolation: "nearest" or a key of `RADIUS`.
    """
    common = math.gcd(size, outputs)
    centres = [Fraction((2 * unit + 1) * size, 2 * outputs) for unit in range(outputs // common)]
    if interpolation == "nearest":
        taps: tuple[Sequence[int], ...] = tuple((math.floor(centre),) for centre in centres)
    else:
        taps = tuple(_around(centre - Fraction(1, 2), RADIUS[interpolation]) for centre in centres)
    return Link(taps, size // common, outputs)


def binned(size: int, outputs: int) -> Link:
    """Return the link of pooling `size` inputs to a fixed number of bins, which share border inputs if they must."""
    common = math.gcd(size, outputs)
    bins = range(outputs // common)
    taps = tuple(range(unit * size // outputs, -(-(unit + 1) * size // outputs)) for unit in bins)
    return Link(taps, size // common, outputs)


def nailed(size: int, stride: int) -> Link:
    """Return the link of bed-of-nails unpooling: every input at the corner of its cell, nothing else."""
    return Link(((0,), *((),) * (stride - 1)), 1, size * stride)


def shifted(size: int, before: int, after: int) -> Link:
    """Return the link of padding (positive) or cropping (negative) both ends."""
    return Link(((-before,),), 1, size + before + after)


def _around(centre: Fraction, radius: int) -> Sequence[int]:
    if centre.denominator == 1:  # interpolation kernels are 0 at the other inputs
        return (int(centre),)
    return range(math.ceil(centre - radius), math.floor(centre + radius) + 1)
