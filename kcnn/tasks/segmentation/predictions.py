"""From what the network says to pictures a person reads: signature, decode, draw."""

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from kcnn.data.masks import IGNORE, default_palette, resize_mask
from kcnn.tasks.drawing import INK, PAPER, enlarged, font, paint
from kcnn.tasks.segmentation.boundaries import boundary
from kcnn.tasks.segmentation.scores import measure
from kcnn.tasks.task import Signature

if TYPE_CHECKING:
    from kcnn.data.source import Info
    from kcnn.recipe import Recipe

LINED = 64  # pixels a side from which on there is room for lines
SHOWN = 12  # classes in a legend
LEAST_WIDTH = 300  # pixels, of a legend
USAGE = """\
classes = model.get_tensor(model.get_output_details()[0]["index"])[0]
print({name: (classes == i).mean() for i, name in enumerate(open("labels.txt").read().splitlines())})"""


def signature(recipe: "Recipe", info: "Info") -> Signature:
    """One output, "class_map", uint8 (N, height, width): the most probable class of every pixel.

    Answers are pixels, each by itself; pixels labelled 255 are not measured.
    """
    del recipe, info
    return Signature(
        outputs=("class_map",),
        finish=lambda logits: {"class_map": tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)},
        answers=lambda outputs: np.asarray(outputs["class_map"]).reshape(-1),
        truth=lambda examples: np.asarray(examples["mask"]).reshape(-1),
        measure=measure,
        usage=USAGE,
    )


def decode(outputs: dict[str, np.ndarray], info: "Info", size: tuple[int, int]) -> dict[str, Any]:
    """Return the prediction for one image.

    Args:
        outputs: {"class_map": uint8 (h, w)} of one example.
        info: class names.
        size: (height, width) of the original image, to which the map is brought by its nearest pixels.

    Returns: {"label", "share"} of the class with the most pixels, "shares": the same of every class that occurs,
        largest first, and "mask", the class ids as uint8 (height, width).
    """
    mask = resize_mask(tf.constant(outputs["class_map"], tf.uint8), size).numpy()
    found = [{"label": info.classes[i], "share": share} for i, share in shares(mask, len(info.classes))]
    return {**found[0], "shares": found, "mask": mask}


def shares(mask: np.ndarray, num_classes: int) -> list[tuple[int, float]]:
    """Return (class id, share of the labelled pixels) of every class in a mask, largest first."""
    counts = np.bincount(mask.ravel(), minlength=num_classes)[:num_classes]
    order = np.argsort(-counts, kind="stable")
    return [(int(i), float(counts[i] / counts.sum())) for i in order if counts[i]]


def overlay(image: np.ndarray, mask: np.ndarray, info: "Info") -> np.ndarray:
    """Return uint8 (H, W, 3): the image as `paint` colours it, thin white lines between the classes.

    Args:
        image: uint8 (H, W, 1 or 3).
        mask: uint8 (H, W) class ids and 255.
        info: its palette, or the usual one.
    """
    picture = paint(image, mask, palette(info))
    lines = (boundary(mask) != IGNORE)[..., None] & (min(mask.shape) >= LINED)
    return np.where(lines, (0.4 * picture + 0.6 * 255).astype(np.uint8), picture)


def palette(info: "Info") -> tuple[tuple[int, int, int], ...]:
    """Return (r, g, b) of each class."""
    return info.palette or default_palette(len(info.classes))


def draw(image: np.ndarray, answer: dict[str, Any], info: "Info") -> np.ndarray:
    """Return the image under the colours of its classes with a legend below, as uint8 (H, W, 3).

    The legend names the largest classes with their share of the pixels. Small images are enlarged by a whole factor.

    Args:
        image: uint8 (H, W, 1 or 3).
        answer: a prediction as from `decode`, or a target; both have a "mask" of the image's size.
        info: class names and palette.
    """
    mask = np.asarray(answer["mask"])
    large = enlarged(image)
    big = np.asarray(Image.fromarray(mask).resize(large.size, Image.Resampling.NEAREST))
    picture = Image.fromarray(overlay(np.asarray(large), big, info))
    rows = _legend(shares(mask, len(info.classes)), info, max(picture.width, LEAST_WIDTH))
    height = max(22, min(picture.width, 1200) // 30)
    sheet = Image.new("RGB", (max(picture.width, LEAST_WIDTH), picture.height + height * len(rows)), PAPER)
    sheet.paste(picture)
    pen, letters = ImageDraw.Draw(sheet), font(int(height * 0.6))
    for line, row in enumerate(rows):
        top = picture.height + line * height
        for left, colour, text in row:
            box = (left, top + 0.22 * height, left + 0.56 * height, top + 0.78 * height)
            pen.rectangle(box, fill=colour, outline=INK)
            pen.text((left + 0.8 * height, top + height / 2), text, fill=INK, font=letters, anchor="lm")
    return np.asarray(sheet)


def _legend(
    found: list[tuple[int, float]], info: "Info", width: int
) -> list[list[tuple[int, tuple[int, int, int], str]]]:
    """Return rows of (left, colour, text) that fit into `width` pixels."""
    height = max(22, min(width, 1200) // 30)
    letters, colours = font(int(height * 0.6)), palette(info)
    rows: list[list[tuple[int, tuple[int, int, int], str]]] = [[]]
    left = 8
    for index, share in found[:SHOWN]:
        text = f"{info.classes[index]} {share:.0%}" if share >= 0.005 else f"{info.classes[index]} <1%"
        needed = int(letters.getlength(text) + 1.6 * height)
        if rows[-1] and left + needed > width:
            rows.append([])
            left = 8
        rows[-1].append((left, colours[index], text))
        left += needed
    return rows
