"""Pictures of receptive fields: their growth through a network, and the bell inside one of them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from kcnn.colours import BLUE, INK, LINE, MUTED, RED
from kcnn.errors import ConfigError
from kcnn.explain.effective_field import CARRIED, EffectiveField
from kcnn.ops.receptive_field import Field

SHADES = LinearSegmentedColormap.from_list("fields", ["#9db9d9", "#2f6db3", "#1b2f5c"])
HEAT = LinearSegmentedColormap.from_list("heat", ["#ffffff", "#9db9d9", "#2f6db3", "#142447"])


def growth(rows: Sequence[Field], title: str, image_size: Sequence[int]) -> Figure:
    """Draw the field of every layer against its place in the network, and the fields of each stride on the image.

    Args:
        rows: as from `kcnn.ops.receptive_field.ledger`, of a model of images.
        title: above the picture.
        image_size: (height, width) in pixels.

    Raises:
        ConfigError: no layer has a field of its own, so there is nothing to draw.
    """
    local = [(place, row) for place, row in enumerate(rows) if row.size is not None and len(row.size) == 2]
    if not local:
        raise ConfigError("there is no receptive field to draw: every layer sees the whole input, or it is no image.")
    figure = Figure(figsize=(10.5, 4.6), layout="constrained")
    figure.suptitle(title, fontsize=13, color=INK)
    left, right = figure.subplots(1, 2, width_ratios=[1.75, 1])
    last_of_stride = {row.stride[0]: row for _, row in local}
    strides = sorted(last_of_stride)
    colours = {stride: SHADES(index / max(len(strides) - 1, 1)) for index, stride in enumerate(strides)}
    _draw_growth(left, local, colours, image_size)
    _draw_extents(right, [last_of_stride[stride] for stride in strides], colours, image_size)
    return figure


def _draw_growth(
    axes: Axes, local: Sequence[tuple[int, Field]], colours: dict[float, tuple[float, ...]], image_size: Sequence[int]
) -> None:
    places, sizes = [place for place, _ in local], [max(row.size) for _, row in local]
    axes.plot(places, sizes, color=LINE, linewidth=1.2, drawstyle="steps-post", zorder=1)
    for stride, colour in colours.items():
        chosen = [(place, max(row.size)) for place, row in local if row.stride[0] == stride]
        axes.scatter(*zip(*chosen, strict=True), s=13, color=colour, label=f"{stride:g}", zorder=2)
    axes.axhline(max(image_size), color=RED, linewidth=1, linestyle="--", zorder=0)
    top = max(*sizes, *image_size) * 1.12
    axes.text(places[0], max(image_size) + top * 0.012, f"image, {max(image_size)} pixels", color=RED, fontsize=9)
    axes.annotate(
        f"{sizes[-1]:,} pixels",
        (places[-1], sizes[-1]),
        xytext=(0, 7),
        textcoords="offset points",
        ha="right",
        color=INK,
        fontsize=10,
    )
    axes.set_ylim(0, top)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("layer", color=MUTED)
    axes.set_ylabel("receptive field in pixels", color=MUTED)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.tick_params(colors=MUTED, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.legend(
        title="stride", frameon=False, ncols=len(colours), loc="lower left", bbox_to_anchor=(0, 1), fontsize=9,
        title_fontsize=9, handletextpad=0.1, columnspacing=1.0, alignment="left", borderpad=0,
    )  # fmt: skip


def _draw_extents(
    axes: Axes, rows: Sequence[Field], colours: dict[float, tuple[float, ...]], image_size: Sequence[int]
) -> None:
    height, width = image_size
    axes.add_patch(Rectangle((-width / 2, -height / 2), width, height, facecolor="#f3f4f6", edgecolor=RED, ls="--"))
    for row in reversed(rows):
        high, wide = row.size
        colour = colours[row.stride[0]]
        axes.add_patch(Rectangle((-wide / 2, -high / 2), wide, high, fill=False, edgecolor=colour, linewidth=1.8))
    reach = max(height, width, *(max(row.size) for row in rows)) * 0.54
    axes.set(xlim=(-reach, reach), ylim=(reach, -reach), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title("last layer of each stride, on the image", fontsize=10, color=MUTED)


def effective(field: EffectiveField, title: str) -> Figure:
    """Draw a measured field: the gradient of each pixel, the fitted Gaussian, and both profiles.

    Args:
        field: as from `kcnn.explain.effective_field.measure`.
        title: above the picture.
    """
    figure = Figure(figsize=(9.6, 4.8), layout="constrained")
    figure.suptitle(title, fontsize=13, color=INK)
    grid = figure.add_gridspec(2, 2, width_ratios=[1.15, 1])
    _draw_map(figure.add_subplot(grid[:, 0]), field)
    for axis, name in ((1, "horizontal"), (0, "vertical")):
        _draw_profile(figure.add_subplot(grid[1 - axis, 1]), field, axis, name)
    return figure


def _draw_map(axes: Axes, field: EffectiveField) -> None:
    y1, x1, y2, x2 = field.box
    axes.imshow(
        field.gradient,
        cmap=HEAT,
        norm=PowerNorm(0.5, 0),
        extent=(x1, x2, y2, y1),
        interpolation="nearest",
        aspect="equal",
    )
    turn = np.linspace(0, 2 * np.pi, 200)
    for times, style in ((1, "-"), (2, "--")):
        across = field.centre[1] + times * field.sigma[1] * np.cos(turn)
        down = field.centre[0] + times * field.sigma[0] * np.sin(turn)
        axes.plot(across, down, style, color=RED, linewidth=1.5, label=f"{times} sigma")
    axes.spines[:].set_color(INK)
    axes.set_title(
        f"theoretical field {y2 - y1} x {x2 - x1} pixels; {100 * field.share:.1f} % of it\n"
        f"carries {100 * CARRIED:.0f} % of the gradient",
        fontsize=10,
        color=MUTED,
    )
    axes.set(xlim=(x1, x2), ylim=(y2, y1))
    axes.tick_params(colors=MUTED, length=3, labelsize=9)
    axes.legend(frameon=False, fontsize=9, loc="upper right", labelcolor=INK)


def _draw_profile(axes: Axes, field: EffectiveField, axis: int, name: str) -> None:
    first, end = field.box[axis], field.box[axis + 2]
    places = np.arange(first, end) + 0.5
    profile = field.gradient.sum(axis=1 - axis)
    axes.fill_between(places, profile, step="mid", color="#c4d5e8", linewidth=0)
    axes.step(places, profile, where="mid", color=BLUE, linewidth=1)
    mean, sigma = field.centre[axis], field.sigma[axis]
    if sigma:
        fine = np.linspace(first, end, 400)
        bell = np.exp(-0.5 * ((fine - mean) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        axes.plot(fine, bell, color=RED, linewidth=1.5)
    axes.set_title(f"{name}: sigma {sigma:.1f} pixels", fontsize=10, color=MUTED, loc="left")
    axes.set(xlim=(first, end), ylim=(0, None), yticks=[])
    axes.tick_params(colors=MUTED, length=3, labelsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
