"""What the segmentation families share: a classifier's trunk by name, class scores a pixel, enlarging them."""

import dataclasses
import importlib
from collections.abc import Sequence
from typing import Any

import keras

from kcnn.layers import ResizeLike
from kcnn.models.common import class_count

Levels = dict[str, keras.KerasTensor]


def trunk(
    inputs: keras.KerasTensor, name: str, output_stride: int, changes: Sequence[tuple[str, object]] = ()
) -> tuple[Levels, Any]:
    """Return the levels of a classifier's `features`, and its row.

    Layers are named as in the classifier, by which its weights find them.

    Args:
        inputs: (N, H, W, C) images.
        name: of the classifier, as `kcnn.build` takes it.
        output_stride: 32, 16 or 8.
        changes: (field, value) of its row to replace.

    Raises:
        ConfigError: another `output_stride`.
    """
    from kcnn.models import MODELS

    family = importlib.import_module(MODELS.get(name).__module__)
    row = dataclasses.replace(family.SPECS[name], **dict(changes))
    return family.features(inputs, row, output_stride), row


def scores(
    x: keras.KerasTensor, name: str, num_classes: int, layer: str = "logits", **options: Any
) -> keras.KerasTensor:
    """Return (N, H, W, num_classes) by a linear convolution called `layer`, float32 under every dtype policy.

    Args:
        name: of the model, for messages.
        options: of `keras.layers.Conv2D`; a kernel of 1x1 unless told.

    Raises:
        ConfigError: `num_classes` is not positive.
    """
    classes = class_count(name, num_classes)
    settings = {"kernel_size": 1, "padding": "same", **options}
    return keras.layers.Conv2D(classes, dtype="float32", name=layer, **settings)(x)


def enlarge(x: keras.KerasTensor, reference: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Return `x` at the height and width of `reference`, bilinearly, in the type that `x` has."""
    return ResizeLike(name=name, dtype=x.dtype)([x, reference])
