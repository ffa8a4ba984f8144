"""From what the network says to pictures a person reads: signature, decode, draw."""

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFilter

from kcnn.data.masks import IGNORE, resize_mask
from kcnn.tasks.drawing import INK, PAPER, enlarged, font, paint, palette
from kcnn.tasks.segmentation.boundaries import boundary
from kcnn.tasks.segmentation.scores import measure
from kcnn.tasks.task import Signature

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

    from kcnn.data.source import Info
    from kcnn.recipe import Recipe

LINED = 64  # pixels a side from which on there is room for lines
FINE = 480  # pixels of the short side; of larger pictures lines are drawn on a copy of about that size
SHOWN = 12  # classes in a legend
LEAST_WIDTH = 300  # pixels, of a legend
GIVES = """\
`class_map`, uint8 (N, {height}, {width}): the id of each pixel's most probable class, which is the number of its line
in `labels.txt`, counted from 0. It has the input's size; `kcnn predict --format=masks` brings it to the photo's."""
USAGE = """\
classes = model.get_tensor(model.get_output_details()[0]["index"])[0]
print({name: (classes == i).mean() for i, name in enumerate(open("labels.txt").read().splitlines())})"""


def signature(recipe: "Recipe", info: "Info") -> Signature:
    """One output, "class_map", uint8 (N, height, width): the most probable class of every pixel.

    Answers are pixels, each by itself; pixels labelled 255 are not measured.
    """
    del info
    height, width = recipe.preprocess.size
    return Signature(
        outputs=("class_map",),
        finish=lambda logits: {"class_map": tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)},
        answers=lambda outputs: np.asarray(outputs["class_map"]).reshape(-1),
        truth=lambda examples: np.asarray(examples["mask"]).reshape(-1),
        measure=measure,
        gives=GIVES.format(height=height, width=width),
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
    """Return uint8 (H, W, 3): the image in gray as `paint` colours it, thin white lines between the classes.

    In gray, so that a class has one colour, that of the legend, whatever it lies on. Specks have their colour and no
    line, so that a noisy answer does not turn white.

    Args:
        image: uint8 (H, W, 1 or 3).
        mask: uint8 (h, w) class ids and 255, enlarged to the image by its nearest pixels.
        info: its palette, or the usual one.
    """
    size = image.shape[1::-1]
    large = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    gray = np.asarray(Image.fromarray(image if image.shape[-1] == 3 else image[..., 0]).convert("L"))
    picture = paint(gray[..., None], large, palette(info))
    if min(size) < LINED:
        return picture
    return np.where(_outlines(mask, size)[..., None], (0.4 * picture + 0.6 * 255).astype(np.uint8), picture)


def _outlines(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return bool `size` (width, height) as (H, W): boundaries of what is left when each pixel takes the commonest
    class around it. Specks that fill less than half of a window of 3 to 9 pixels a side are gone then.
    """
    step = max(1, min(size) // FINE)
    small = Image.fromarray(np.ascontiguousarray(mask[::step, ::step]))
    calm = small.filter(ImageFilter.ModeFilter(int(np.clip(min(small.size) // 48 | 1, 3, 9))))
    drawn = calm.resize((size[0] // step, size[1] // step), Image.Resampling.NEAREST)
    lines = Image.fromarray(boundary(np.asarray(drawn)) != IGNORE)
    return np.asarray(lines.resize(size, Image.Resampling.NEAREST))


def draw(image: np.ndarray, answer: dict[str, Any], info: "Info") -> np.ndarray:
    """Return the image under the colours of its classes with a legend below, as uint8 (H, W, 3).

    The legend names the largest classes with their share of the pixels. Small images are enlarged by a whole factor.

    Args:
        image: uint8 (H, W, 1 or 3).
        answer: a prediction as from `decode`, or a target; both have a "mask" of the image's size.
        info: class names and palette.
    """
    mask = np.asarray(answer["mask"])
    picture = Image.fromarray(overlay(np.asarray(enlarged(image)), mask, info))
    width = max(picture.width, LEAST_WIDTH)
    height = max(22, min(width, 1200) // 30)
    letters = font(int(height * 0.6))
    rows = _legend(shares(mask, len(info.classes)), info, width, letters)
    sheet = Image.new("RGB", (width, picture.height + height * len(rows)), PAPER)
    sheet.paste(picture)
    pen = ImageDraw.Draw(sheet)
    for line, row in enumerate(rows):
        top = picture.height + line * height
        for left, colour, text in row:
            box = (left, top + 0.22 * height, left + 0.56 * height, top + 0.78 * height)
            pen.rectangle(box, fill=colour, outline=INK)
            pen.text((left + 0.8 * height, top + height / 2), text, fill=INK, font=letters, anchor="lm")
    return np.asarray(sheet)


def _legend(
    found: list[tuple[int, float]], info: "Info", width: int, letters: "FreeTypeFont"
) -> list[list[tuple[int, tuple[int, int, int], str]]]:
    """Return rows of (left, colour, text) that fit into `width` pixels; to each text belongs a square before it."""
    colours = palette(info)
    rows: list[list[tuple[int, tuple[int, int, int], str]]] = [[]]
    left = 8
    for index, share in found[:SHOWN]:
        text = f"{info.classes[index]} {share:.0%}" if share >= 0.005 else f"{info.classes[index]} <1%"
        needed = int(letters.getlength(text) + 2.7 * letters.size)
        if rows[-1] and left + needed > width:
            rows.append([])
            left = 8
        rows[-1].append((left, colours[index], text))
        left += needed
    return rows
