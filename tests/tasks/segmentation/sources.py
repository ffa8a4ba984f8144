"""Small sources made by hand: coloured rectangles, whose classes a tiny network can learn from colour alone."""

import numpy as np

from kcnn.data.source import Info, Source
from kcnn.data.splits import mask_array_split
from kcnn.recipe import Model, Preprocess, Recipe, Train
from kcnn.tasks.segmentation.config import SegmentationConfig

COLOURS = np.array([(40, 40, 40), (200, 60, 60), (60, 90, 210), (80, 190, 90)])
NAMES = ("ground", "brick", "water", "grass")
SIZE = (32, 48)


def scenes(count, size=SIZE, classes=4, seed=0):
    """Return noisy images and masks of `count` scenes, a rectangle of each class, an ignored row at the bottom."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, *size), np.uint8)
    for mask in masks:
        for index in range(1, classes):
            top, left = rng.integers(0, size[0] - 9), rng.integers(0, size[1] - 9)
            mask[top : top + rng.integers(6, 16), left : left + rng.integers(6, 16)] = index
    noise = rng.integers(-20, 20, (count, *size, 3))
    images = np.clip(COLOURS[masks] + noise, 0, 255).astype(np.uint8)
    masks[:, -1] = 255
    return images, masks


def source(count=16, held_out=6, classes=4, size=SIZE, **splits):
    """Return a source of `count` scenes to learn from; splits of one's own as name=(images, masks)."""
    made = {"train": scenes(count, size, classes), "validation": scenes(held_out, size, classes, 1)}
    made |= {"test": scenes(held_out, size, classes, 2), **splits}
    info = Info(
        name="scenes",
        splits={name: len(images) for name, (images, _) in made.items()},
        classes=NAMES[:classes],
        keys=("mask",),
        image_shape=(*size, 3),
        palette=tuple(map(tuple, COLOURS[:classes].tolist())),
    )
    return Source(info=info, splits={name: mask_array_split(*pair, name) for name, pair in made.items()})


def recipe(epochs=2, batch_size=6, size=SIZE, model="tiny_unet", **config):
    return Recipe(
        name="scenes",
        task="segmentation",
        preprocess=Preprocess(size=size),
        model=Model(name=model),
        config=SegmentationConfig(**config),
        train=Train(epochs=epochs, batch_size=batch_size, optimizer="adamw", learning_rate=0.01),
    )
