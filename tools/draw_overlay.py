"""Draw what a run of segmentation answers: test images, their true classes, its own, below each other.

kcnn train shapes_segnet
.venv/bin/python tools/draw_overlay.py runs/shapes_segnet docs/segmentation.png
"""

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf

from kcnn.data.preprocess import normalise, prepare
from kcnn.explain.draw import pixels, sheet
from kcnn.tasks import figures
from kcnn.tasks.segmentation.predictions import overlay
from kcnn.train.weights import load_run, open_data

ENLARGED = 4  # so that the lines are thin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--columns", type=int, default=8, help="the first images of the test split")
    args = parser.parse_args()
    model, recipe, info = load_run(args.run)
    part = open_data(recipe, info).split("test")
    examples = [part.read(tf.constant(index, tf.int64)) for index in range(args.columns)]
    images = np.stack([prepare(example["image"], recipe.preprocess).numpy() for example in examples])
    found = np.argmax(model.predict(normalise(images, recipe.preprocess), verbose=0), axis=-1).astype("uint8")
    shown = [np.repeat(np.repeat(image, ENLARGED, 0), ENLARGED, 1) for image in pixels(images)]
    rows = [
        shown,
        [overlay(image, example["mask"].numpy(), info) for image, example in zip(shown, examples, strict=True)],
        [overlay(image, mask, info) for image, mask in zip(shown, found, strict=True)],
    ]
    figure = sheet(rows, [[""] * args.columns] * 3, ["image", "true", "predicted"])
    figures.name_colours(figure, [*found, *(example["mask"].numpy() for example in examples)], info)
    figures.save(figure, args.picture)
    print(f"{args.picture}: {args.picture.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
