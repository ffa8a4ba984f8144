"""What the page asks of a Keras network beyond its answer: which pixels speak for a class, and how to fool it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.errors import ConfigError
from kcnn.explorer.packing import evidence, pixels
from kcnn.recipe import Preprocess

if TYPE_CHECKING:
    import keras

    from kcnn.adversarial.aim import Attacked
    from kcnn.adversarial.victim import Victim

ATTACKS = {"fgsm": {}, "pgd": {"steps": 10}}  # method -> settings that answer within a second or so
MOST_EPS = 128.0
AT_ONCE = 32  # images


def explain(
    model: "keras.Model",
    record: Preprocess,
    image: np.ndarray,
    target: int,
    method: str,
    layer: str | None,
    softmax: bool = True,
) -> dict[str, Any]:
    """Return which pixels of an image speak for a class.

    Args:
        model: from preprocessed images to logits.
        record: how pixels reach it.
        image: (H, W, C), 0..255, of the model's size.
        target: class id.
        method: of `kcnn.explain.methods.METHODS`.
        layer: for the methods that look at one; None or "" for the last with maps.
        softmax: the classes exclude each other, as in `kcnn.explain.methods.apply`.

    Returns: {"most", "map"} as `packing.evidence`, of a signed method {"picture"} instead.

    Raises:
        UnknownNameError: no such method or layer.
        ConfigError: the method does not suit the network.
    """
    from kcnn.data.preprocess import normalise
    from kcnn.explain import draw, methods
    from kcnn.explain.maps import per_pixel

    row = methods.method(method)
    ready = normalise(image[None], record).numpy()
    values = methods.apply(method, model, ready, target, layer=layer or None, softmax=softmax, batch_size=AT_ONCE)
    if row.kind == "signed":
        return {"picture": pixels(draw.signed(values)[0])}
    return evidence((per_pixel(values) if row.kind == "slopes" else values)[0])


def attack(victim: "Victim", image: np.ndarray, method: str, eps: str) -> "Attacked":
    """Change an image (H, W, C) so that the answer changes.

    Raises:
        ConfigError: no such method here, or eps is no number of 0 to `MOST_EPS`.
    """
    from kcnn.adversarial import ATTACKS as FUNCTIONS

    if method not in ATTACKS:
        raise ConfigError(f"method is {method[:40]!r} but must be one of {', '.join(ATTACKS)}.")
    try:
        radius = float(eps)
    except ValueError:
        radius = -1.0
    if not 0 <= radius <= MOST_EPS:
        raise ConfigError(f"eps is {eps[:40]!r} but must be a number from 0 to {MOST_EPS:g}, in pixels of 0..255.")
    result: Attacked = FUNCTIONS.get(method)(victim.aim(image[None]), eps=radius, **ATTACKS[method])
    return result
