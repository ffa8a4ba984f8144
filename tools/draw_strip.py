"""Draw what a run looks at, and what fools it: a row for each of a few test images, a column for each method.

kcnn train digits_lenet5
.venv/bin/python tools/draw_strip.py runs/digits_lenet5 docs/explain_digits.png
"""

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf

from kcnn.adversarial.pgd import pgd
from kcnn.adversarial.victim import Victim
from kcnn.data.preprocess import normalise, prepare
from kcnn.explain import draw, methods
from kcnn.tasks import figures
from kcnn.train.weights import load_run, open_data

COLUMNS = ("occlusion", "grad_cam", "layer_cam", "integrated_gradients", "guided_backprop")
ROWS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--eps", type=float, default=64)
    args = parser.parse_args()
    model, recipe, info = load_run(args.run)
    part = open_data(recipe, info).split("test")
    order = np.argsort(part.labels, kind="stable")
    chosen = order[np.linspace(0, part.size - 1, 2 * ROWS + 1).astype(int)[1::2]]  # of classes far apart
    images = [part.read(tf.constant(index, tf.int64))["image"] for index in chosen]
    pictures = np.stack([prepare(image, recipe.preprocess).numpy() for image in images])
    ready, labels = normalise(pictures, recipe.preprocess).numpy(), part.labels[chosen]
    columns = [draw.pixels(pictures)]
    columns += [methods.drawn(name, methods.apply(name, model, ready, labels), pictures) for name in COLUMNS]
    victim = Victim(model, recipe.preprocess)
    fooled = pgd(victim.aim(pictures, labels), eps=args.eps)
    columns.append(draw.pixels(fooled.images))
    rows = [[column[row] for column in columns] for row in range(ROWS)]
    titles = [["image", *COLUMNS, f"PGD, eps {args.eps:g}"]] + [[""] * len(columns)] * (ROWS - 1)
    for row, (before, after) in enumerate(zip(fooled.before, fooled.after, strict=True)):
        for place, shares in ((0, before), (-1, after)):
            titles[row] = list(titles[row])
            told = f"{info.classes[shares.argmax()]} ({shares.max():.0%})"
            titles[row][place] = f"{titles[row][place]}: {told}" if row == 0 else told
    figures.save(draw.sheet(rows, titles, [""] * ROWS), args.picture)
    print(f"{args.picture}: {args.picture.stat().st_size / 1024:.0f} KiB, {fooled.flipped:.0%} fooled at {args.eps:g}")


if __name__ == "__main__":
    main()
