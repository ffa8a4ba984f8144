"""A picture of what the network is shown: the first training batch, after augmentation."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from kcnn import atomic
from kcnn.data.source import Info
from kcnn.recipe import Preprocess
from kcnn.tasks.drawing import paint, palette


def pixels(inputs: np.ndarray, record: Preprocess) -> np.ndarray:
    """Undo `record`'s normalisation: float (N, H, W, C) -> uint8 RGB (N, H, W, 3)."""
    values = (np.asarray(inputs, np.float32) * np.asarray(record.std) + np.asarray(record.mean)) / record.scale
    values = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    if record.channel_order == "bgr":
        values = values[..., ::-1]
    return np.repeat(values, 3, axis=-1) if values.shape[-1] == 1 else values


def draw_samples(path: Path, batch: Any, record: Preprocess, info: Info, count: int = 32) -> None:
    """Draw the first `count` images of a batch as a PNG grid, with class names where the targets tell them.

    Masks are laid over the images, a legend below names their colours.

    Args:
        path: the file to write.
        batch: (inputs, targets, ...) as `Task.dataset` gives it; inputs are float (N, H, W, C).
        record: how the inputs were normalised.
        info: class names and palette; targets of shape (N,) are ids, of (N, classes) shares, of which the largest
            counts, and of the inputs' (N, H, W) class ids of pixels.
        count: at most this many images.
    """
    from kcnn.figure import Figure
    from kcnn.tasks.figures import name_colours

    images, targets = pixels(batch[0][:count], record), np.asarray(batch[1])[:count]
    titles = _titles(targets, info.classes)
    masked = targets.dtype == np.uint8 and targets.shape == images.shape[:3]
    if masked:
        images = np.stack([paint(*pair, palette(info)) for pair in zip(images, targets, strict=True)])
    columns = min(8, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.2 * columns, 1.4 * rows), dpi=110, layout="constrained")
    for axis in (axes := figure.subplots(rows, columns, squeeze=False).ravel()):
        axis.set_axis_off()
    for axis, image, title in zip(axes, images, titles, strict=False):
        axis.imshow(image, interpolation="nearest")
        axis.set_title(title, fontsize=7, pad=2)
    if masked:
        name_colours(figure, targets, info)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    atomic.write_bytes(path, content.getvalue())


def _titles(targets: np.ndarray, classes: tuple[str, ...]) -> list[str]:
    if targets.ndim == 2 and targets.shape[1] == len(classes):
        shares = targets / np.maximum(targets.sum(axis=1, keepdims=True), 1e-9)
        ids, top = shares.argmax(axis=1), shares.max(axis=1)
        return [classes[i] if share > 0.85 else f"{classes[i]} {share:.2f}" for i, share in zip(ids, top, strict=True)]
    if targets.ndim == 1 and targets.dtype.kind in "iu":
        return [classes[i] for i in targets]
    return [""] * len(targets)
