"""Arrays as the page takes them: bytes 0..255 in base64, of a size that fits the screen."""

import base64
from typing import Any

import numpy as np

MOST_SIDE = 96  # of a map as it is sent


def packed(values: np.ndarray, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    """Return pictures (N, H, W) as {"count", "height", "width", "low", "high", "data"}: bytes 0..255 in base64."""
    values = np.nan_to_num(np.asarray(values, "float32"))
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    scaled = np.clip((values - low) / ((high - low) or 1.0) * 255, 0, 255)
    count, height, width = values.shape
    data = base64.b64encode(np.rint(scaled).astype(np.uint8).tobytes()).decode("ascii")
    return {"count": count, "height": height, "width": width, "low": low, "high": high, "data": data}


def pixels(image: np.ndarray) -> dict[str, Any]:
    """Return an image (H, W, C) of 0..255 packed as C pictures."""
    return packed(image.transpose(2, 0, 1), 0, 255)


def evidence(values: np.ndarray) -> dict[str, Any]:
    """Return {"most", "map"}: the largest absolute value of (H, W), and the picture from -most to most, thinned."""
    most = float(np.abs(values).max())
    return {"most": most, "map": packed(thinned(values[None]), -(most or 1.0), most or 1.0)}


def thinned(values: np.ndarray) -> np.ndarray:
    """Return every n-th row and column of pictures (N, H, W), so that no side is longer than `MOST_SIDE`."""
    rows, columns = (np.linspace(0, n - 1, min(n, MOST_SIDE)).round().astype(int) for n in values.shape[1:])
    return values[:, rows][:, :, columns]
