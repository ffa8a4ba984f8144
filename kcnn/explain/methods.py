"""The methods that answer "which pixels?", by name, and one way to call and draw them all."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kcnn.errors import UnknownNameError

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(frozen=True)
class Method:
    """A function "kcnn.explain.NAME:NAME" and what it gives.

    Attributes:
        summary: one line for `kcnn list`.
        kind: "map" (N, h, w), drawn over the image; "slopes" (N, H, W, C), drawn as the largest of each pixel;
            "signed" (N, H, W, C), drawn around gray.
        takes_layer: it looks at one layer, the last with maps unless told.
        takes_probability: it is shown the class's probability in place of its logit.
    """

    summary: str
    kind: str
    takes_layer: bool = False
    takes_probability: bool = False


METHODS = {
    "grad_cam": Method("maps weighted by their mean slope (Selvaraju 2017)", "map", takes_layer=True),
    "grad_cam_plus": Method("the same, by slopes that raise the score (Chattopadhay 2018)", "map", takes_layer=True),
    "layer_cam": Method("each place of a map has its own weight, for any depth (Jiang 2021)", "map", takes_layer=True),
    "score_cam": Method("maps weighted by what is seen through them, no slopes (Wang 2020)", "map", takes_layer=True),
    "cam": Method("the closing weights applied before the pooling (Zhou 2016)", "map"),
    "occlusion": Method("how much covering a place costs (Zeiler 2014)", "map", takes_probability=True),
    "saliency": Method("the slope of the score at each pixel (Simonyan 2014)", "slopes"),
    "smooth_grad": Method("the mean slope over noisy copies (Smilkov 2017)", "slopes"),
    "integrated_gradients": Method("slopes summed on the way from a blank image (Sundararajan 2017)", "slopes"),
    "guided_backprop": Method("slopes, rectified on the way back too (Springenberg 2015)", "signed"),
    "deconvnet": Method("the way back by transposed kernels, rectified (Zeiler 2014)", "signed"),
}


def method(name: str) -> Method:
    """Return the row of `METHODS`.

    Raises:
        UnknownNameError: there is none.
    """
    if not isinstance(name, str) or name not in METHODS:
        raise UnknownNameError("method", str(name), METHODS)
    return METHODS[name]


def apply(
    name: str,
    model: "keras.Model",
    images: "np.ndarray",
    targets: Any,
    *,
    layer: str | None = None,
    softmax: bool = True,
    batch_size: int = 16,
) -> "np.ndarray":
    """Call a method with settings that suit the size of the images.

    Args:
        name: of `METHODS`.
        model: from preprocessed images to logits.
        images, targets: as in `kcnn.explain.core.ask`.
        layer: for the methods that look at one; the others do without.
        softmax: the classes exclude each other, so that methods may be shown probabilities.
        batch_size: images at once.

    Returns: of the shape that `Method.kind` tells.

    Raises:
        UnknownNameError: no such method.
        KcnnError: as the method.
    """
    from kcnn.explain.core import with_softmax
    from kcnn.ops.arrays import numbers

    row = method(name)
    function: Callable[..., np.ndarray] = getattr(importlib.import_module(f"kcnn.explain.{name}"), name)
    options: dict[str, Any] = {"batch_size": batch_size}
    if row.takes_layer:
        options["layer"] = layer
    if name == "occlusion":
        window = max(1, min(numbers("images", images).shape[1:3], default=1) // 5)
        options |= {"window": window, "stride": max(1, window // 3)}
    return function(with_softmax(model) if row.takes_probability and softmax else model, images, targets, **options)


def drawn(name: str, values: "np.ndarray", pictures: "np.ndarray") -> "np.ndarray":
    """Return what a method found as pictures, uint8 (N, H, W, 3).

    Args:
        name: of the method.
        values: what it returned.
        pictures: (N, H, W, 1 or 3) images in 0..255, over which maps are drawn.
    """
    from kcnn.explain import draw, maps

    kind = method(name).kind
    if kind == "map":
        return draw.overlay(pictures, values)
    return draw.signed(values) if kind == "signed" else draw.heat(maps.per_pixel(values))
