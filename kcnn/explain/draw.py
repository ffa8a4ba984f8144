"""Pictures of what the methods return: overlays, signed slopes, grids of tiles, rows of titled pictures.

Images are uint8 or float in 0..255, gray or RGB; pictures are uint8 RGB.
"""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np

from kcnn.colours import INK, MUTED
from kcnn.errors import ConfigError, ShapeError
from kcnn.explain.maps import enlarge, shaped, unit_range
from kcnn.figure import Figure
from kcnn.ops.arithmetic import is_real, whole
from kcnn.ops.arrays import finite, numbers

MIDDLE = 128  # the gray of 0 in a signed picture
BRIGHTEST = 99.5  # percentile of the absolute values that is drawn black or white
LINE = 215  # gray between tiles


def pixels(images: Any) -> np.ndarray:
    """Return images (..., H, W, 1 or 3) in 0..255 as uint8 (..., H, W, 3).

    Raises:
        ShapeError: other channels.
        ConfigError: values outside 0..255, as those of preprocessed images.
    """
    images = numbers("images", images)
    if images.ndim < 3 or images.shape[-1] not in (1, 3):
        raise ShapeError(
            f"images are {images.shape} but must be (..., H, W, 1 or 3).",
            expected="(..., H, W, 3)",
            actual=images.shape,
        )
    if images.size and not (images.min() >= 0 and images.max() <= 255):
        raise ConfigError(
            f"images hold values of {images.min():g} to {images.max():g} but must lie in 0..255: draw over the images "
            "as they were before preprocessing."
        )
    return np.broadcast_to(np.round(images), (*images.shape[:-1], 3)).astype("uint8")


def heat(maps: np.ndarray, colours: str = "inferno") -> np.ndarray:
    """Return maps (N, H, W) as pictures (N, H, W, 3): each spans the whole range of a matplotlib colour map.

    Raises:
        ConfigError: maps that are not finite.
        ShapeError: maps of another shape.
    """
    return (matplotlib.colormaps[colours](unit_range(finite("maps", maps)))[..., :3] * 255).round().astype("uint8")


def overlay(images: Any, maps: np.ndarray, strength: float = 0.55) -> np.ndarray:
    """Return maps over their images.

    Args:
        images: (N, H, W, 1 or 3), 0..255.
        maps: (N, h, w) of any range, enlarged to the images'.
        strength: share of the map in the picture, 0..1.

    Returns: (N, H, W, 3).
    """
    below = pixels(images)
    if not (is_real(strength) and 0 <= strength <= 1):
        raise ConfigError(f"strength is {strength!r} but must lie in 0..1.")
    maps = finite("maps", maps)
    if below.ndim != 4 or maps.ndim != 3 or len(maps) != len(below):
        raise ShapeError(
            f"maps are {maps.shape} but must be (N, h, w), one for each of the images {below.shape}.",
            expected=(len(below), "h", "w"),
            actual=maps.shape,
        )
    above = heat(enlarge(maps, below.shape[1:3]), "turbo")
    return ((1 - strength) * below + strength * above).round().astype("uint8")


def signed(values: np.ndarray) -> np.ndarray:
    """Return values (N, H, W, C) around 0 as pictures: 0 is gray, the strongest of each image black or white.

    Args:
        values: C is 1 or 3; with other numbers of channels their sum is drawn.

    Returns: (N, H, W, 3).
    """
    values = shaped("values", finite("values", values), "N, H, W, C")
    if values.shape[-1] not in (1, 3):
        values = values.sum(axis=-1, keepdims=True)
    most = np.percentile(np.abs(values), BRIGHTEST, axis=(1, 2, 3), keepdims=True)
    most = np.where(most > 0, most, np.maximum(np.abs(values).max(axis=(1, 2, 3), keepdims=True), 1e-30))
    drawn = MIDDLE + np.clip(values / most, -1, 1) * (MIDDLE - 1)
    return np.broadcast_to(drawn.round(), (*values.shape[:-1], 3)).astype("uint8")


def grid(tiles: np.ndarray, columns: int | None = None, *, gap: int = 2, zoom: int = 1) -> np.ndarray:
    """Return tiles side by side, in reading order.

    Args:
        tiles: (K, h, w) of any range, each drawn in gray over its own range; or pictures (K, h, w, 3), uint8.
        columns: tiles in a row; about a square of them by default.
        gap: pixels between tiles.
        zoom: pixels for each pixel of a tile, along each axis.

    Returns: (H, W, 3); places without a tile are as light as the gaps.
    """
    tiles = numbers("tiles", tiles)
    gap = whole("gap", gap, 0)
    if tiles.ndim not in (3, 4) or (tiles.ndim == 4 and tiles.shape[-1] != 3) or not tiles.size:
        raise ShapeError(f"tiles are {tiles.shape} but must be (K, h, w) or (K, h, w, 3), K >= 1.",
                         expected="(K, h, w)", actual=tiles.shape)  # fmt: skip
    if tiles.ndim == 3:
        tiles = heat(tiles, "gray")
    tiles = tiles.repeat(whole("zoom", zoom, 1), axis=1).repeat(zoom, axis=2)
    columns = whole("columns", math.ceil(math.sqrt(len(tiles))) if columns is None else columns, 1)
    height, width = tiles.shape[1] + gap, tiles.shape[2] + gap
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * height + gap, min(columns, len(tiles)) * width + gap, 3), LINE, "uint8")
    for number, tile in enumerate(tiles):
        y, x = gap + number // columns * height, gap + number % columns * width
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return sheet


def feature_maps(maps: np.ndarray, *, most: int = 64, zoom: int = 1) -> np.ndarray:
    """Return the grid of the first `most` channels of one image's maps (h, w, C), each over its own range."""
    maps = shaped("maps", maps, "h, w, C")
    return grid(np.moveaxis(maps, -1, 0)[: whole("most", most, 1)], zoom=zoom)


def kernels(values: np.ndarray, *, most: int = 64, zoom: int = 8) -> np.ndarray:
    """Return the grid of the first `most` kernels of a layer, 0 in gray.

    Args:
        values: (h, w, in, out) of `kcnn.explain.kernels`: in colour where `in` is 3, one tile for each output; else
            one tile for each pair of an input and an output.
        most: tiles.
        zoom: pixels for each weight.
    """
    values, most = shaped("kernels", values, "h, w, in, out"), whole("most", most, 1)
    if values.shape[2] == 3:
        tiles, columns = np.moveaxis(values, -1, 0)[:most], None
    else:
        tiles = values.transpose(3, 2, 0, 1).reshape(-1, *values.shape[:2], 1)[:most]
        columns = values.shape[2] if 1 < values.shape[2] <= 16 else None
    return grid(signed(tiles), columns, zoom=zoom)


def row(pictures: Sequence[np.ndarray], titles: Sequence[str], heading: str = "") -> Figure:
    """Return a figure of titled pictures (H, W, 3) in one row."""
    return sheet([pictures], [titles], [heading])


def sheet(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[Sequence[str]], headings: Sequence[str]) -> Figure:
    """Return a figure of rows of titled pictures; the heading of a row stands left of it.

    Raises:
        ConfigError: no pictures, or of titles and headings another number than of rows.
    """
    if not rows or not all(map(len, rows)) or not len(rows) == len(titles) == len(headings):
        raise ConfigError(
            f"there are {len(rows)} rows, {len(titles)} of titles and {len(headings)} headings; give a row of titles "
            "and a heading for each row of at least one picture."
        )
    columns = max(len(pictures) for pictures in rows)
    heights = [2.3 * max(picture.shape[0] / picture.shape[1] for picture in pictures) + 0.25 for pictures in rows]
    figure = Figure(figsize=(2.3 * columns + 0.5, sum(heights)), layout="constrained")
    places = figure.subplots(len(rows), columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    for axes in places.ravel():
        axes.set_axis_off()
    for line, pictures, names, heading in zip(places, rows, titles, headings, strict=True):
        for axes, picture, name in zip(line, pictures, names, strict=False):
            axes.imshow(picture, interpolation="nearest")
            axes.set_title(name, fontsize=9, color=INK)
        line[0].text(-0.04, 0.5, heading, transform=line[0].transAxes, rotation=90, ha="right", va="center",
                     fontsize=9, color=MUTED)  # fmt: skip
    return figure
