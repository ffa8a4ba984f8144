"""The page of a network: layer by layer its kernels, what its channels answer to most, and the inputs they ask for.

The hierarchy of Zeiler 2014 (1311.2901, figure 2): edges, textures, parts, objects.
"""

import base64
import collections
import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from kcnn import atomic
from kcnn.errors import ConfigError
from kcnn.explain import draw
from kcnn.explain.core import BATCH, find_row, usable_layers
from kcnn.explain.kernels import kernels
from kcnn.explain.maps import shaped
from kcnn.explain.maximise import Ascent, maximise
from kcnn.explain.patches import Patch, top_patches
from kcnn.figure import Figure
from kcnn.ops import graph
from kcnn.ops.arithmetic import whole
from kcnn.ops.receptive_field import ledger, unit_box

LAYERS = 5
TILE = 72  # pixels of a patch on the page
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:2em auto;padding:0 1em;color:#1f2430}}
h2{{margin:2em 0 .3em}}figure{{margin:.6em 0}}figcaption,p{{color:#6f7580}}img{{max-width:100%;image-rendering:auto}}
table{{border-spacing:0 6px}}td{{padding-right:14px;vertical-align:middle}}</style><h1>{title}</h1>{body}</html>
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Exhibit:
    """What the page shows of one layer.

    Attributes:
        layer: name.
        field: (height, width) of what a unit sees, in pixels; None where it sees the whole image.
        kernels: picture (H, W, 3) of the layer's kernels; None where it has none.
        patches: channel -> its strongest patches.
        inputs: channel -> picture (H, W, 3) of the input that its middle unit asks for; empty where none were.
        fires: channel -> the commonest names of the images of its patches, as "name (count)".
    """

    layer: str
    field: tuple[int, ...] | None
    kernels: np.ndarray | None
    patches: dict[int, list[Patch]]
    inputs: dict[int, np.ndarray]
    fires: dict[int, str]


def exhibit(
    model: keras.Model,
    pictures: np.ndarray,
    layer: str | int,
    *,
    prepare: Callable[[Any], Any],
    names: Sequence[str] = (),
    channels: int = 6,
    ascent: Ascent | None = None,
) -> Exhibit:
    """Collect what the page shows of a layer.

    Args:
        model: built functional or Sequential model of one image input.
        pictures: (N, H, W, 1 or 3) in 0..255, of the size the model takes.
        layer: name or row of a layer with maps.
        prepare: pictures -> what the model takes.
        names: of each picture, such as its class.
        channels: how many, those with the strongest answers first.
        ascent: how inputs are maximised; None for none. Its `low` and `high` become black and white.

    Returns: `Exhibit` of up to `channels` channels.

    Raises:
        ConfigError: names of another number than pictures; `channels` below 1; no gradient, or not a finite one.
        UnknownNameError, ShapeError: no such layer; pictures that the model does not take.
    """
    pictures = shaped("pictures", pictures, "N, H, W, 1 or 3")
    if not callable(prepare):
        raise ConfigError(f"prepare is {prepare!r:.80} but must be a function: pictures -> what the model takes.")
    if len(names) not in (0, len(pictures)):
        raise ConfigError(f"there are {len(names)} names but {len(pictures)} pictures; give one for each, or none.")
    row = find_row(model, layer)
    call = list(graph.calls(model))[row]
    found = top_patches(model, pictures, row, prepare=prepare, batch_size=BATCH)
    ranked = sorted(found, key=lambda channel: -found[channel][0].value)[: whole("channels", channels, 1)]
    inputs = {} if ascent is None else _inputs(model, row, ranked, prepare, pictures.shape[1:], ascent)
    patches = {channel: found[channel] for channel in ranked}
    return Exhibit(
        layer=call.name,
        field=ledger(model, pictures.shape[1:3])[row].size,
        kernels=_kernels(model, row),
        patches=patches,
        inputs=inputs,
        fires={channel: _fires(own, names) for channel, own in patches.items()} if names else {},
    )


def _inputs(
    model: keras.Model,
    row: int,
    channels: list[int],
    prepare: Callable[[Any], Any],
    shape: Sequence[int],
    ascent: Ascent,
) -> dict[int, np.ndarray]:
    """Maximise the middle unit of each channel, and cut out what it sees, as pictures of `shape`."""
    ramp = np.broadcast_to(np.linspace(0, 255, shape[-1]).astype("uint8"), (1, *shape))
    example = np.asarray(prepare(ramp))
    height, width = (side // 2 for side in graph.run(model, [example], row).shape[1:3])

    def middle(maps: tf.Tensor) -> tf.Tensor:
        return tf.gather(maps[:, height, width], channels, axis=1, batch_dims=1)

    def share(images: np.ndarray) -> np.ndarray:
        return (images - np.asarray(ascent.low)) / np.subtract(ascent.high, ascent.low)

    images, _ = maximise(model, middle, layer=row, count=len(channels), image_shape=example.shape[1:], ascent=ascent)
    y1, x1, y2, x2 = unit_box(model, row, (height, width), image_size=shape[:2], inside=True) or (0, 0, *shape[:2])
    order = np.argsort(share(example)[0, 0, 0])  # some networks take the colours backwards
    shown = share(images[:, y1:y2, x1:x2])[..., order] * 255
    return dict(zip(channels, draw.pixels(np.clip(shown, 0, 255)), strict=True))


def default_layers(model: keras.Model, count: int = LAYERS) -> list[str]:
    """Return the names of `count` layers with maps, from the first to the last, rectified where they can be."""
    rows = usable_layers(model)
    kinds = [call.layer for call in graph.calls(model)]
    rectified = [name for name, row in rows.items() if _rectifies(kinds[row])] or list(rows)
    at = np.linspace(0, len(rectified) - 1, min(count, len(rectified))).round().astype(int)
    return [rectified[index] for index in at]


def write(folder: Path | str, title: str, exhibits: Sequence[Exhibit]) -> Path:
    """Write `gallery.html`, one file that needs nothing else, and `gallery.png`; return the page.

    Raises:
        ConfigError: no exhibits.
    """
    if not exhibits:
        raise ConfigError("there are no exhibits, so there is nothing to write; give those of one layer at least.")
    body = "".join(_section(one) for one in exhibits)
    page = Path(folder) / "gallery.html"
    atomic.write_text(page, PAGE.format(title=html.escape(title), body=body))
    buffer = io.BytesIO()
    poster(title, exhibits).savefig(buffer, format="png", dpi=100, facecolor="white")
    atomic.write_bytes(page.with_suffix(".png"), buffer.getvalue())
    return page


def poster(title: str, exhibits: Sequence[Exhibit], channels: int = 4) -> Figure:
    """Return one figure: a row for each layer, for its first channels the four best patches and, beside them, the
    maximised input where there is one."""
    rows, titles = [], []
    for one in exhibits:
        chosen = list(one.patches)[:channels]
        rows.append([_answers(one, channel) for channel in chosen])
        titles.append([f"channel {channel}" for channel in chosen])
    figure = draw.sheet(rows, titles, [one.layer for one in exhibits])
    figure.suptitle(title, fontsize=11, color=draw.INK)
    return figure


def _answers(one: Exhibit, channel: int) -> np.ndarray:
    """Four patches in a square, and the input at the square's size."""
    patches = _strip(one, channel, 4, 2)
    if channel not in one.inputs:
        return patches
    asked = Image.fromarray(one.inputs[channel]).resize(patches.shape[1::-1], Image.Resampling.NEAREST)
    return draw.grid(np.stack([patches, np.asarray(asked)]))


def _strip(one: Exhibit, channel: int, count: int, columns: int) -> np.ndarray:
    return draw.grid(np.stack([_tile(patch.pixels) for patch in one.patches[channel][:count]]), columns)


def _tile(pixels: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(draw.pixels(pixels))
    small = max(picture.size) < TILE
    return np.asarray(picture.resize((TILE, TILE), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS))


def _section(one: Exhibit) -> str:
    seen = "the whole image" if one.field is None else f"{one.field[0]} x {one.field[1]} pixels"
    parts = [f"<h2>{html.escape(one.layer)}</h2><p>A unit sees {seen}.</p>"]
    if one.kernels is not None:
        parts.append(f"<figure>{_image(one.kernels, 'kernels')}<figcaption>kernels</figcaption></figure>")
    parts.append("<table>")
    for channel in one.patches:
        cells = [f"channel {channel}", _image(_strip(one, channel, 9, 9), f"patches of channel {channel}")]
        if channel in one.inputs:
            cells.append(_image(_tile(one.inputs[channel]), f"input that channel {channel} asks for"))
        cells.append(html.escape(one.fires.get(channel, "")))
        parts.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "".join([*parts, "</table>"])


def _image(picture: np.ndarray, alt: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png")
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def _kernels(model: keras.Model, row: int) -> np.ndarray | None:
    try:
        values = kernels(model, row)
    except ConfigError:
        return None
    return draw.kernels(values) if values.shape[0] > 1 else None


def _fires(patches: Sequence[Patch], names: Sequence[str]) -> str:
    counts = collections.Counter(names[patch.image] for patch in patches)
    return ", ".join(f"{name} ({count})" if count > 1 else name for name, count in counts.most_common(3))


def _rectifies(layer: Any) -> bool:
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    return isinstance(layer, keras.layers.ReLU) or activation in ("relu", "relu6")
