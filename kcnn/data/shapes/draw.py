"""From a scene to pixels: image, masks, boxes and captions of the same things.

Sums, products, quotients and square roots alone, which IEEE 754 fixes to the last bit: every machine draws the same.
"""

from dataclasses import dataclass

import numpy as np

from kcnn.data.shapes.scene import KINDS, Backdrop, Scene, Thing

LIGHT = (-0.6, -0.8)  # where light comes from: x, y
_SHADOW = 0.05  # offset of the shadow, in units of the shorter side
_GRAIN = 5.0  # gray levels

_BITE = (0.48, 0.78)  # of the crescent: x of its centre, and its radius, in units of the crescent's
_OUTLINES = {  # corners in units of the radius, y downwards, as pairs of x and y
    "square": ((-0.7071, -0.7071), (0.7071, -0.7071), (0.7071, 0.7071), (-0.7071, 0.7071)),
    "triangle": ((0.0, -1.0), (0.8660254, 0.5), (-0.8660254, 0.5)),
    "star": (
        (0.0, -1.0), (0.2586, -0.3560), (0.9510565, -0.3090170), (0.4185, 0.1360), (0.5877853, 0.8090170),
        (0.0, 0.4400), (-0.5877853, 0.8090170), (-0.4185, 0.1360), (-0.9510565, -0.3090170), (-0.2586, -0.3560),
    ),
    "cross": (
        (-0.33, -0.94), (0.33, -0.94), (0.33, -0.33), (0.94, -0.33), (0.94, 0.33), (0.33, 0.33),
        (0.33, 0.94), (-0.33, 0.94), (-0.33, 0.33), (-0.94, 0.33), (-0.94, -0.33), (-0.33, -0.33),
    ),
    "arrow": ((-0.95, -0.28), (0.05, -0.28), (0.05, -0.75), (1.0, 0.0), (0.05, 0.75), (0.05, 0.28), (-0.95, 0.28)),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What one scene gives, N things from back to front.

    Attributes:
        image: uint8 (H, W, 3), 0..255.
        mask: uint8 (H, W): 0 background, else 1 + position in `KINDS`.
        masks: uint8 (N, H, W), 1 where the thing is to be seen.
        boxes: float32 (N, 4), (x1, y1, x2, y2) in pixels, around `masks`; classes: int32 (N,), as in `mask`.
        captions: sentences.
    """

    image: np.ndarray
    mask: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    captions: tuple[str, ...]


def draw(scene: Scene, height: int, width: int) -> Picture:
    """Draw `scene`, anti-aliased; of masks a pixel has what its centre has.

    A thing of which no pixel is left to see, in a very small picture, has no mask and no box.
    """
    unit = float(min(height, width))
    canvas = _backdrop(scene.backdrop, height, width, unit)
    owner = np.full((height, width), -1, np.int64)
    for position, thing in enumerate(scene.things):
        _paint(canvas, owner, position, thing, unit)
    kinds = np.array([1 + KINDS.index(thing.kind) for thing in scene.things], np.int32)
    masks = (owner == np.arange(len(kinds))[:, None, None]).astype(np.uint8)
    seen = masks.any(axis=(1, 2))
    mask = np.concatenate([kinds, [0]]).astype(np.uint8)[owner]  # -1 is the last one
    return Picture(
        image=np.clip(np.rint(canvas), 0, 255).astype(np.uint8),
        mask=mask,
        masks=masks[seen],
        boxes=np.array([_box(m) for m in masks[seen]], np.float32).reshape(-1, 4),
        classes=kinds[seen],
        captions=scene.captions,
    )


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def _paint(canvas: np.ndarray, owner: np.ndarray, position: int, thing: Thing, unit: float) -> None:
    """Lay the shadow of a thing and the thing itself over `canvas`, within the rectangle that they reach."""
    height, width = owner.shape
    reach = (thing.radius + 2 * _SHADOW) * unit + 2
    top, bottom = max(0, int(thing.y * unit - reach)), min(height, int(thing.y * unit + reach) + 2)
    left, right = max(0, int(thing.x * unit - reach)), min(width, int(thing.x * unit + reach) + 2)
    part = canvas[top:bottom, left:right]
    x = (np.arange(left, right) + 0.5)[None, :] - thing.x * unit
    y = (np.arange(top, bottom) + 0.5)[:, None] - thing.y * unit
    radius, (cosine, sine) = thing.radius * unit, thing.turn

    def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return radius * _distance(thing.kind, (cosine * x + sine * y) / radius, (cosine * y - sine * x) / radius)

    soft = 1.5 * _SHADOW * unit
    under = distance(x - 0.6 * _SHADOW * unit, y - 0.8 * _SHADOW * unit)
    part *= 1 - 0.32 * np.clip(0.5 - under / soft, 0, 1)[..., None]
    edge = distance(x, y)
    lit = (x * LIGHT[0] + y * LIGHT[1]) / radius  # -1..1 across the thing
    rim = np.clip(1 + edge / (0.14 * radius + 0.5), 0, 1)  # darker towards the edge
    surface = np.array(thing.rgb, np.float64) * (1 + 0.13 * lit - 0.22 * rim * rim)[..., None]
    cover = np.clip(0.5 - edge, 0, 1)[..., None]
    part += cover * (surface - part)
    owner[top:bottom, left:right][edge < 0] = position


def _distance(kind: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the distance from the outline in units of the radius, negative inside."""
    if kind in _OUTLINES:
        return _from_polygon(_OUTLINES[kind], x, y)
    centre = np.sqrt(x * x + y * y)
    if kind == "circle":
        return centre - 1
    if kind == "ring":
        return np.abs(centre - 0.78) - 0.22
    return _from_crescent(x, y, centre)


def _from_crescent(x: np.ndarray, y: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return the distance from a unit disc less the disc `_BITE`; beyond both arcs the nearest point is a tip."""
    at, radius = _BITE
    bite = np.sqrt((x - at) * (x - at) + y * y)
    nearest = np.maximum(centre - 1, radius - bite)
    tip_x = (1 + at * at - radius * radius) / (2 * at)
    tip_y = (1 - tip_x * tip_x) ** 0.5
    on_arc = np.where(bite < radius, (x - at) * radius < (tip_x - at) * bite, x < tip_x * centre)
    from_tip = np.sqrt((x - tip_x) * (x - tip_x) + (np.abs(y) - tip_y) * (np.abs(y) - tip_y))
    return np.where(on_arc | (nearest < 0), nearest, from_tip)


def _from_polygon(corners: tuple[tuple[float, float], ...], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the distance from the nearest edge; inside, where a ray crosses an odd number of edges, it is negative."""
    nearest = np.full(np.broadcast_shapes(x.shape, y.shape), np.inf)
    inside = np.zeros(nearest.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        ex, ey = bx - ax, by - ay
        px, py = x - ax, y - ay
        along = np.clip((px * ex + py * ey) / (ex * ex + ey * ey), 0, 1)
        dx, dy = px - along * ex, py - along * ey
        nearest = np.minimum(nearest, dx * dx + dy * dy)
        if ey:
            inside ^= ((y >= ay) != (y >= by)) & (px < ex * (py / ey))
    return np.where(inside, -1.0, 1.0) * np.sqrt(nearest)


def _backdrop(backdrop: Backdrop, height: int, width: int, unit: float) -> np.ndarray:
    """Return float64 (H, W, 3): the pattern between both colours, a fall of light, and grain."""
    x = ((np.arange(width) + 0.5) / unit)[None, :]
    y = ((np.arange(height) + 0.5) / unit)[:, None]
    cosine, sine = backdrop.turn
    u, v = (cosine * x + sine * y) / backdrop.period, (cosine * y - sine * x) / backdrop.period
    blur = 1 / (unit * backdrop.period)  # a pixel, in periods
    share = _pattern(backdrop, x, y, u, v, blur)
    first, second = (np.array(colour, np.float64) for colour in backdrop.colours)
    canvas = first + share[..., None] * (second - first)
    canvas *= 1 + 0.08 * (0.5 - y)[..., None]
    grain = _lattice(np.arange(height)[:, None], np.arange(width)[None, :], backdrop.seed)
    return canvas + _GRAIN * (grain - 0.5)[..., None]


def _pattern(backdrop: Backdrop, x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray, blur: float) -> np.ndarray:
    """Return the share of the second colour, 0..1, at picture coordinates x, y and pattern coordinates u, v."""
    if backdrop.pattern == "striped":
        return _wave(u, blur)
    if backdrop.pattern == "chequered":
        one, other = _wave(u, blur), _wave(v, blur)
        return one + other - 2 * one * other
    if backdrop.pattern == "dotted":
        across, down = u - np.floor(u) - 0.5, v - np.floor(v) - 0.5
        return np.clip(0.5 - (np.sqrt(across * across + down * down) - 0.3) / blur, 0, 1)
    if backdrop.pattern == "cloudy":
        rough = _noise(x * 4, y * 4, backdrop.seed) + 0.5 * _noise(x * 9, y * 9, backdrop.seed + 1)
        return np.clip(rough / 0.75 - 0.5, 0, 1)
    along = 0.5 + 0.25 * (u + v) * backdrop.period  # plain: a slow change from one colour to the other
    return np.clip(along, 0, 1)


def _wave(at: np.ndarray, blur: float) -> np.ndarray:
    """Return 0 in one half of each period and 1 in the other, with edges of one pixel."""
    inside = np.abs(at - np.floor(at) - 0.5) - 0.25
    return np.clip(0.5 - inside / blur, 0, 1)


def _noise(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Return smooth noise, 0..1: random values at whole coordinates, blended between (Perlin 1985, value noise)."""
    column, row = np.floor(x), np.floor(y)
    right, down = x - column, y - row
    right, down = (t * t * (3 - 2 * t) for t in (right, down))
    columns, rows = column.astype(np.int64), row.astype(np.int64)
    corners = [[_lattice(rows + i, columns + j, seed) for j in (0, 1)] for i in (0, 1)]
    upper, lower = (a + right * (b - a) for a, b in corners)
    return upper + down * (lower - upper)


def _lattice(rows: np.ndarray, columns: np.ndarray, seed: int) -> np.ndarray:
    """Return random numbers in 0..1 of whole coordinates: the finaliser of SplitMix64 on arrays."""
    value = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + columns.astype(np.uint64)
    value = value * np.uint64(0xD1342543DE82EF95) + np.uint64(seed)
    value = (value ^ value >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ value >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return (value ^ value >> np.uint64(31)) * 2.0**-64
