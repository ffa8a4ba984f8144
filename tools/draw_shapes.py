"""The picture of `docs/shapes.jpg`: scenes as they are, their masks, their boxes.

python tools/draw_shapes.py [docs/shapes.jpg] [--size 112] [--columns 8] [--seed 0]
"""

import argparse

import numpy as np
from PIL import Image, ImageDraw

from kcnn.data import shapes
from kcnn.data.masks import default_palette


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", nargs="?", default="docs/shapes.jpg")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    count = 4 * args.columns
    pictures = [shapes.picture(index, size=args.size, seed=args.seed) for index in range(count)]
    views = [picture.image for picture in pictures[: 2 * args.columns]]
    views += [masked(picture) for picture in pictures[2 * args.columns : 3 * args.columns]]
    views += [boxed(picture) for picture in pictures[3 * args.columns :]]
    rows = [np.concatenate(views[at : at + args.columns], axis=1) for at in range(0, count, args.columns)]
    Image.fromarray(np.concatenate(rows)).save(args.path, quality=90, subsampling=0)


def masked(picture: shapes.Picture) -> np.ndarray:
    colours = np.array(default_palette(len(shapes.CLASSES)), np.uint8)[picture.mask]
    return np.where(picture.mask[..., None] > 0, picture.image // 3 + colours // 3 * 2, picture.image)


def boxed(picture: shapes.Picture) -> np.ndarray:
    image = Image.fromarray(picture.image)
    for x1, y1, x2, y2 in picture.boxes:
        ImageDraw.Draw(image).rectangle((x1, y1, x2 - 1, y2 - 1), outline=(255, 0, 60))
    return np.array(image)


if __name__ == "__main__":
    main()
