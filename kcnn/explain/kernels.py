"""The kernels that a layer has learnt."""

import keras
import numpy as np

from kcnn.errors import ConfigError
from kcnn.explain.core import find_row
from kcnn.ops import graph


def kernels(model: keras.Model, layer: str | int) -> np.ndarray:
    """Return the kernels of a convolution.

    Args:
        model: built functional or Sequential model.
        layer: name or row of a 2-D convolution, depthwise or transposed too.

    Returns: float32 (h, w, in, out); of a depthwise convolution `in` is its channels and `out` its multiplier, of a
        transposed one the input comes first too.

    Raises:
        UnknownNameError: no such layer.
        ConfigError: it has no 2-D kernels; those that have are listed.
    """
    calls = list(graph.calls(model))
    row = find_row(model, layer, spatial=False)
    values = of_layer(calls[row].layer)
    if values is None:
        known = dict.fromkeys(call.name for call in calls if _kernel(call.layer) is not None)
        raise ConfigError(
            f"layer {calls[row].name!r} ({type(calls[row].layer).__name__}) has no 2-D kernels; these have: "
            f"{', '.join(known) or 'none'}."
        )
    return values


def of_layer(layer: object) -> np.ndarray | None:
    """Return the kernels of a layer as `kernels` does, or None where it has none."""
    found = _kernel(layer)
    if found is None:
        return None
    values = keras.ops.convert_to_numpy(found).astype("float32")
    return values.transpose(0, 1, 3, 2) if isinstance(layer, keras.layers.Conv2DTranspose) else values


def _kernel(layer: object) -> keras.Variable | None:
    found = getattr(layer, "kernel", None)
    found = getattr(layer, "depthwise_kernel", None) if found is None else found
    return found if found is not None and len(found.shape) == 4 else None
