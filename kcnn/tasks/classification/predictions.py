"""From what the network says to names a person reads: signature, decode, caption, draw."""

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from kcnn.tasks.classification.config import settings
from kcnn.tasks.drawing import INK, PAPER, enlarged, font
from kcnn.tasks.task import Signature

if TYPE_CHECKING:
    from kcnn.data.source import Info
    from kcnn.recipe import Recipe

THRESHOLD = 0.5  # a label is given from this probability on, when there may be several
TOP = 5
FILL = "#bcd0e6"


def signature(recipe: "Recipe", info: "Info") -> Signature:
    """One output, "probabilities", float32 (N, classes): softmax, or sigmoid when an image may have several labels.

    Answers are class ids (N,), or 0 and 1 (N, classes) at probability 0.5 when there may be several labels.
    """
    import tensorflow as tf

    several = settings(recipe).multi_label
    squash = tf.nn.sigmoid if several else tf.nn.softmax

    def answers(outputs: dict[str, np.ndarray]) -> np.ndarray:
        scores = np.asarray(outputs["probabilities"])
        return (scores >= THRESHOLD).astype("int32") if several else scores.argmax(-1).astype("int32")

    return Signature(
        outputs=("probabilities",),
        finish=lambda logits: {"probabilities": squash(tf.cast(logits, tf.float32))},
        answers=answers,
        truth=lambda examples: np.asarray(examples["label"], "int32"),
    )


def decode(outputs: dict[str, np.ndarray], info: "Info", size: tuple[int, int]) -> dict[str, Any]:
    """Return the prediction for one image as plain values.

    Args:
        outputs: {"probabilities": (classes,)} of one example.
        info: class names, and whether there may be several labels.
        size: (height, width) of the original image; labels do not depend on it.

    Returns: {"label": name, "class_id": id, "probability": 0..1, "top": [...]}, or with several labels
        {"labels": [every name from probability 0.5 on, surest first], "top": [...]}. "top" holds the (at most) five
        most probable classes as {"label": name, "probability": 0..1}, surest first.
    """
    del size
    scores = np.asarray(outputs["probabilities"], "float64")
    order = np.argsort(-scores, kind="stable")
    top = [{"label": info.classes[i], "probability": float(scores[i])} for i in order[:TOP]]
    if info.multi_label:
        return {"labels": [info.classes[i] for i in order if scores[i] >= THRESHOLD], "top": top}
    best = int(order[0])
    return {"label": info.classes[best], "class_id": best, "probability": float(scores[best]), "top": top}


def shares(label: Any, info: "Info") -> list[tuple[str, float]]:
    """Return (name, share) of every class in a target, largest first.

    Args:
        label: class id, or a (classes,) vector of 0..1: several labels, or the mix of two images.
        info: class names.
    """
    label = np.asarray(label)
    if label.ndim == 0:
        return [(info.classes[int(label)], 1.0)]
    order = np.argsort(-label, kind="stable")
    return [(info.classes[i], float(label[i])) for i in order if label[i] > 0]


def caption(label: Any, info: "Info") -> str:
    """Return a target in words: "boot", "boot 70% + bag 30%", or "no label"."""
    parts = [name if share >= 0.995 else f"{name} {share:.0%}" for name, share in shares(label, info)]
    return " + ".join(parts) or "no label"


def draw(image: np.ndarray, answer: dict[str, Any], info: "Info") -> np.ndarray:
    """Return the image with its labels written below, as uint8 (H, W, 3).

    A prediction shows its three most probable classes, the bar behind each is its probability. A target shows its
    labels. Small images are enlarged by a whole factor, pixels staying square.

    Args:
        image: uint8 (H, W, 1 or 3).
        answer: a prediction as from `decode`, or a target, an example with "label".
        info: class names.
    """
    if "top" in answer:
        rows = [(row["label"], row["probability"]) for row in answer["top"][:3]]
        texts = [(name, f"{share:.1%}", share) for name, share in rows]
    else:
        texts = [(caption(answer["label"], info), "", 0.0)]
    picture = enlarged(image)
    row_height = max(22, picture.width // 20)
    sheet = Image.new("RGB", (picture.width, picture.height + row_height * len(texts)), PAPER)
    sheet.paste(picture)
    pen, letters = ImageDraw.Draw(sheet), font(int(row_height * 0.6))
    for place, (name, number, share) in enumerate(texts):
        top = picture.height + place * row_height
        pen.rectangle((0, top + 1, share * sheet.width, top + row_height - 2), fill=FILL if share else PAPER)
        pen.text((8, top + row_height / 2), name, fill=INK, font=letters, anchor="lm")
        pen.text((sheet.width - 8, top + row_height / 2), number, fill=INK, font=letters, anchor="rm")
    return np.asarray(sheet)
