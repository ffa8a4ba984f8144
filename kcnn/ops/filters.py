"""Image filters: correlation and true convolution with any border, the classic kernels, and every step of the slide.

Convolutional layers correlate: the kernel lies on the image as written. True convolution turns it by half a turn first;
both are the same for kernels that such a turn leaves as they are. Borders are those of `BORDERS`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kcnn.errors import ConfigError, ShapeError, UnknownNameError
from kcnn.ops.arithmetic import whole

# What lies outside the image, as modes of numpy.pad.
BORDERS = {
    "valid": None,  # nothing: only whole windows count, and the result is smaller
    "zero": "constant",  # zeros, as in a convolutional layer; scipy.ndimage "constant"
    "reflect": "reflect",  # mirrored, border pixels not repeated, as OpenCV does by default; scipy.ndimage "mirror"
    "symmetric": "symmetric",  # mirrored, border pixels repeated; scipy.ndimage "reflect"
    "replicate": "edge",  # the border pixels; scipy.ndimage "nearest"
    "wrap": "wrap",  # the opposite side; scipy.ndimage "wrap"
}


def correlate(image: Any, kernel: Any, border: str = "zero") -> Any:
    """Return the image filtered channel by channel: G[i, j] = sum over u, v of H[u, v] F[i + u, j + v].

    Args:
        image: (H, W), (H, W, C) or (N, H, W, C), any numbers.
        kernel: (h, w) weights, or a name of `NAMES`. Offset (0, 0) is at (h // 2, w // 2).
        border: a key of `BORDERS`.

    Returns: a tensor of the image's shape, float64 if the image is, else float32; the sums are taken in float64.
        With "valid" H - h + 1 and W - w + 1 take the place of H and W.

    Raises:
        ShapeError: image or kernel has another shape or is empty, or the kernel is larger than a "valid" image.
        ConfigError: an unknown border.
        UnknownNameError: an unknown kernel name.

    Example:
        >>> correlate([[1, 2, 3], [4, 5, 6], [7, 8, 9]], "sobel_x", "valid").numpy().tolist()
        [[8.0]]
    """
    weights = kernel_of(kernel)
    return _slide(image, weights, border, (weights.shape[0] // 2, weights.shape[1] // 2))


def convolve(image: Any, kernel: Any, border: str = "zero") -> Any:
    """Return the true convolution: `correlate` with the kernel turned by half a turn. Arguments as there."""
    weights = kernel_of(kernel)[::-1, ::-1]
    return _slide(image, weights, border, ((weights.shape[0] - 1) // 2, (weights.shape[1] - 1) // 2))


def as_layer(kernel: Any, channels: int = 1, border: str = "zero", name: str | None = None) -> keras.layers.Layer:
    """Return a built, frozen Keras layer that filters every channel on its own.

    Args:
        kernel: (h, w) weights, or a name of `NAMES`.
        channels: of its input.
        border: "zero" or "valid", the two that a convolutional layer knows.
        name: of the layer; the kernel's name by default.

    Returns: a `keras.layers.DepthwiseConv2D` without bias; its output equals `correlate`.

    Raises:
        ConfigError: another border; or a side of even length with "zero", which Keras would centre otherwise.
    """
    weights = kernel_of(kernel)
    if border not in ("zero", "valid"):
        raise ConfigError(f"border is {border!r} but a layer knows only 'zero' and 'valid'; use correlate for others.")
    if border == "zero" and any(side % 2 == 0 for side in weights.shape):
        raise ConfigError(f"the kernel is {weights.shape} but must have odd sides for border 'zero'; use 'valid'.")
    layer = keras.layers.DepthwiseConv2D(
        weights.shape,
        padding="same" if border == "zero" else "valid",
        use_bias=False,
        trainable=False,
        data_format="channels_last",
        name=name or (kernel if isinstance(kernel, str) else None),
    )
    layer.build((None, None, None, whole("channels", channels, 1)))
    layer.set_weights([np.repeat(weights[:, :, None, None], channels, axis=2)])
    return layer


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One position of the sliding window.

    Attributes:
        position: (row, column) of the output value.
        corner: (row, column) of the image under the kernel's first weight; negative outside the image.
        patch: what the window shows, of the kernel's shape.
        products: patch times kernel.
        total: sum of the products, and the bias.
    """

    position: tuple[int, int]
    corner: tuple[int, int]
    patch: np.ndarray
    products: np.ndarray
    total: int | float


def trace(image: Any, kernel: Any, border: str = "valid", stride: int = 1, bias: float = 0) -> Iterator[Step]:
    """Return every step of a correlation in reading order: from the top left to the right, then down.

    Args:
        image: (H, W) with a kernel (h, w), or (H, W, C) with a kernel (h, w, C), which is then summed over channels
            as in a convolutional layer. Whole numbers stay exact.
        kernel: weights, or a name of `NAMES`.
        border: a key of `BORDERS`.
        stride: pixels from a window to the next.
        bias: added to every sum.

    Raises:
        ShapeError, ConfigError, UnknownNameError: as in `correlate`; or `stride` is no whole number of at least 1.

    Example:
        >>> [step.total for step in trace([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 0], [0, -1]])]
        [-4, -4, -4, -4]
    """
    pixels = np.asarray(image)
    weights = kernel_of(kernel) if isinstance(kernel, str) else np.asarray(kernel)
    if pixels.ndim not in (2, 3) or weights.ndim != pixels.ndim or weights.shape[2:] != pixels.shape[2:]:
        raise ShapeError(
            f"the image has shape {pixels.shape} and the kernel {weights.shape}; give (H, W) and (h, w), or "
            "(H, W, C) and (h, w, C) with the same C.",
            expected="(H, W) and (h, w), or (H, W, C) and (h, w, C)",
            actual=(pixels.shape, weights.shape),
        )
    if pixels.dtype.kind in "bui" and weights.dtype.kind in "bui":
        pixels, weights = pixels.astype(object), weights.astype(object)  # Python's numbers do not overflow
    high, wide = weights.shape[:2]
    before = (0, 0)
    if mode := _mode(border, pixels.shape[:2], (high, wide)):
        before = (high // 2, wide // 2)
        ends = [(high // 2, (high - 1) // 2), (wide // 2, (wide - 1) // 2), (0, 0)]
        pixels = np.pad(pixels, ends[: pixels.ndim], mode=mode)  # type: ignore[call-overload]
    return _steps(pixels, weights, before, whole("stride", stride, 1), bias)


def _steps(
    pixels: np.ndarray, weights: np.ndarray, before: tuple[int, int], stride: int, bias: float
) -> Iterator[Step]:
    high, wide = weights.shape[:2]
    for row, y in enumerate(range(0, pixels.shape[0] - high + 1, stride)):
        for column, x in enumerate(range(0, pixels.shape[1] - wide + 1, stride)):
            patch = pixels[y : y + high, x : x + wide]
            products = patch * weights
            yield Step(
                position=(row, column),
                corner=(y - before[0], x - before[1]),
                patch=patch,
                products=products,
                total=np.asarray(products.sum()).item() + bias,
            )


def box(size: int = 3) -> np.ndarray:
    """Return the mean over a square: (size, size) equal weights that sum to 1."""
    return np.full((whole("size", size, 1),) * 2, 1 / size**2)


def binomial(size: int = 3) -> np.ndarray:
    """Return the (size, size) Gaussian of whole numbers: a row of Pascal's triangle each way, scaled to sum to 1."""
    row = np.array([math.comb(whole("size", size, 1) - 1, k) for k in range(size)]) / 2 ** (size - 1)
    return np.outer(row, row)


def gaussian(sigma: float, radius: int | None = None) -> np.ndarray:
    """Return a sampled Gaussian that sums to 1.

    Args:
        sigma: standard deviation in pixels, above 0.
        radius: of the square (2 radius + 1, 2 radius + 1); 4 sigma, rounded, by default, as scipy.ndimage does.

    Raises:
        ConfigError: `sigma` is not above 0, or `radius` no whole number of at least 0.
    """
    if not 0 < sigma < math.inf:
        raise ConfigError(f"sigma is {sigma} but must be a number of pixels above 0.")
    reach = int(4 * sigma + 0.5) if radius is None else whole("radius", radius, 0)
    row = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    row /= row.sum()
    return np.outer(row, row)


def unsharp(blur: np.ndarray, amount: float = 1.0) -> np.ndarray:
    """Return the kernel that adds to the image `amount` times what `blur` takes away; `blur` has odd sides."""
    return (1 + amount) * impulse(blur.shape) - amount * blur


def impulse(shape: tuple[int, ...]) -> np.ndarray:
    """Return the kernel that changes nothing: 1 at (h // 2, w // 2)."""
    kernel = np.zeros(shape)
    kernel[tuple(side // 2 for side in shape)] = 1
    return kernel


SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
PREWITT = np.array([[-1, 0, 1]] * 3)
KERNELS: dict[str, np.ndarray] = {
    "identity": impulse((3, 3)),
    "box": box(),
    "gaussian": binomial(),
    "gaussian5": binomial(5),
    "sharpen": unsharp(box()),  # twice the impulse less the box
    "unsharp": unsharp(binomial(5)),
    "sobel_x": SOBEL,  # rises to the right: vertical edges
    "sobel_y": SOBEL.T,
    "prewitt_x": PREWITT,
    "prewitt_y": PREWITT.T,
    "laplacian": np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    "laplacian4": np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]]),
    "emboss": np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]),
}
NAMES = tuple(KERNELS)


def kernel_of(kernel: Any) -> np.ndarray:
    """Return the weights (h, w) of a named kernel, or `kernel` itself as an array.

    Raises:
        UnknownNameError: no kernel has this name.
        ShapeError: `kernel` is not (h, w) or is empty.
    """
    if isinstance(kernel, str):
        if kernel not in KERNELS:
            raise UnknownNameError("kernel", kernel, NAMES)
        return KERNELS[kernel].copy()
    weights = np.asarray(kernel)
    if weights.ndim != 2 or 0 in weights.shape:
        raise ShapeError(
            f"the kernel has shape {weights.shape} but must be (h, w) with at least one weight.",
            expected="(h, w)",
            actual=weights.shape,
        )
    return weights


def _slide(image: Any, weights: np.ndarray, border: str, before: tuple[int, int]) -> Any:
    """Correlate with `before` rows and columns of border at the top and left."""
    pixels = ops.convert_to_tensor(image)
    precise = keras.backend.standardize_dtype(pixels.dtype) == "float64"
    rank = len(pixels.shape)
    if rank not in (2, 3, 4) or 0 in pixels.shape[-3:]:
        raise ShapeError(
            f"the image has shape {tuple(pixels.shape)} but must be (H, W), (H, W, C) or (N, H, W, C), not empty.",
            expected="(H, W), (H, W, C) or (N, H, W, C)",
            actual=tuple(pixels.shape),
        )
    if rank == 2:
        pixels = pixels[..., None]
    if rank < 4:
        pixels = pixels[None]
    sizes = tuple(pixels.shape[1:3])
    if mode := _mode(border, sizes, weights.shape):
        ends = [(first, side - 1 - first) for first, side in zip(before, weights.shape, strict=True)]
        pixels = _bordered(pixels, ends, mode)
    pixels = ops.cast(pixels, "float64")
    filters = ops.cast(np.repeat(weights[:, :, None, None], pixels.shape[-1], axis=2), pixels.dtype)
    result = ops.depthwise_conv(pixels, filters, padding="valid", data_format="channels_last")
    result = ops.cast(result if rank == 4 else result[0], "float64" if precise else "float32")
    return result[..., 0] if rank == 2 else result


def _bordered(pixels: Any, ends: list[tuple[int, int]], mode: str) -> Any:
    if mode == "constant":
        return ops.pad(pixels, [(0, 0), *ends, (0, 0)])
    for axis, end in enumerate(ends, start=1):
        places = np.pad(np.arange(pixels.shape[axis]), end, mode=mode)  # type: ignore[call-overload]
        pixels = ops.take(pixels, places, axis=axis)
    return pixels


def _mode(border: str, sizes: tuple[int, ...], kernel: tuple[int, ...]) -> str | None:
    """Return the mode of numpy.pad, None for "valid", after checking that there is a window."""
    if border not in BORDERS:
        raise ConfigError(f"border is {border!r} but must be one of {tuple(BORDERS)}.")
    if border == "valid" and any(side < taps for side, taps in zip(sizes, kernel, strict=True)):
        raise ShapeError(
            f"the kernel is {kernel} but the image only {sizes}, so no whole window fits; choose another border or a "
            "smaller kernel.",
            expected=f"at least {kernel}",
            actual=sizes,
        )
    return BORDERS[border]
