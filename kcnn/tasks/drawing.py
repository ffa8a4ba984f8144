"""Images with words on them: what the `draw` of several tasks needs."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from PIL import Image, ImageFont

from kcnn.data.masks import IGNORE, default_palette

if TYPE_CHECKING:
    from kcnn.data.source import Info

SHORT_SIDE = 224  # pixels; smaller pictures are enlarged before anything is drawn on them
MOST_PIXELS = 4096  # a side, of what is enlarged
PAPER, INK = "#f2f4f7", "#1f2430"
SHADE = 0.35  # of black over pixels that have no class


def enlarged(image: np.ndarray) -> Image.Image:
    """Return uint8 (H, W, 1 or 3) as RGB; small ones by a whole factor larger, pixels staying square."""
    picture = Image.fromarray(np.asarray(image[..., 0] if image.shape[-1] == 1 else image)).convert("RGB")
    factor = max(1, min(round(SHORT_SIDE / min(picture.size)), MOST_PIXELS // max(picture.size)))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def palette(info: "Info") -> tuple[tuple[int, int, int], ...]:
    """Return (r, g, b), 0..255, of each class: the data's own colours, or PASCAL VOC's where they have none."""
    return info.palette or default_palette(len(info.classes))


def paint(
    image: np.ndarray, mask: np.ndarray, colours: tuple[tuple[int, int, int], ...], strength: float = 0.55
) -> np.ndarray:
    """Return uint8 (H, W, 3): the image under the colours of its classes.

    Args:
        image: uint8 (H, W, 1 or 3).
        mask: uint8 (H, W) class ids; pixels labelled 255 keep the image's own colour, darkened.
        colours: (r, g, b) of each class.
        strength: how much of the picture is the class's colour, 0..1.
    """
    table = np.zeros((256, 3), np.float32)
    table[: len(colours)] = colours
    share = np.where(mask == IGNORE, SHADE, strength)[..., None]
    return (image * (1 - share) + table[mask] * share).round().astype(np.uint8)


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return a font of that height in pixels, which matplotlib brings."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)
