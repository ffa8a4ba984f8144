"""Images with words on them: what the `draw` of several tasks needs."""

from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageFont

SHORT_SIDE = 224  # pixels; smaller pictures are enlarged before anything is drawn on them
MOST_PIXELS = 4096  # a side, of what is enlarged
PAPER, INK = "#f2f4f7", "#1f2430"


def enlarged(image: np.ndarray) -> Image.Image:
    """Return uint8 (H, W, 1 or 3) as RGB; small ones by a whole factor larger, pixels staying square."""
    picture = Image.fromarray(np.asarray(image[..., 0] if image.shape[-1] == 1 else image)).convert("RGB")
    factor = max(1, min(round(SHORT_SIDE / min(picture.size)), MOST_PIXELS // max(picture.size)))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return a font of that height in pixels, which matplotlib brings."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)
