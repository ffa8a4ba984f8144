"""Small sources made by hand, for data that no public set has: one class, absent classes, several labels."""

import numpy as np

from kcnn.data.source import Info, Source
from kcnn.data.splits import array_split
from kcnn.recipe import Model, Preprocess, Recipe, Train
from kcnn.tasks.classification.config import ClassificationConfig

GRAY = Preprocess(size=(16, 16), channel_order="gray")


def source(labels, num_classes, names=None, **splits):
    """Return a source of noise images, brighter from class to class, with `labels` in each split."""
    labels = np.asarray(labels)
    several = labels.ndim == 2
    rng = np.random.default_rng(0)
    found = {}
    for name, given in {"train": labels, "validation": labels, "test": labels, **splits}.items():
        chosen = np.asarray(given, np.uint8 if several else np.int32)
        level = (chosen @ np.arange(1, num_classes + 1) if several else chosen + 1) * (200 // max(num_classes, 1))
        noise = rng.integers(0, 40, (len(chosen), 16, 16, 1))
        images = np.clip(level[:, None, None, None] + noise, 0, 255).astype(np.uint8)
        found[name] = array_split(images, chosen, name)
    info = Info(
        name="made",
        splits={name: split.size for name, split in found.items()},
        classes=tuple(names or (f"class {i}" for i in range(num_classes))),
        multi_label=several,
        image_shape=(16, 16, 1),
    )
    return Source(info=info, splits=found)


def recipe(epochs=2, batch_size=4, **config):
    return Recipe(
        name="made",
        preprocess=GRAY,
        model=Model(name="tiny_lenet5"),
        config=ClassificationConfig(**config),
        train=Train(epochs=epochs, batch_size=batch_size),
    )
