"""Whether a map depends on what the network has learnt (Adebayo 2018, 1810.03292, section 3)."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kcnn.errors import ConfigError, ShapeError
from kcnn.explain.core import Target, ask
from kcnn.ops import graph
from kcnn.ops.arithmetic import whole
from kcnn.ops.arrays import finite


def randomised(model: keras.Model, seed: int = 0) -> keras.Model:
    """Return a copy of a functional or Sequential model whose every weight array is shuffled; the model stays.

    Shuffling keeps the range of each array, so that scores stay finite and only what was learnt is gone.
    """
    generator = np.random.default_rng(whole("seed", seed, 0))
    graph.inputs(model)  # explains where the model has no known graph
    copy = keras.models.clone_model(model)
    copy.set_weights([generator.permutation(values.ravel()).reshape(values.shape) for values in model.get_weights()])
    return copy


def sanity_check(
    method: Callable[..., np.ndarray],
    model: keras.Model,
    images: Any,
    target: Target = None,
    *,
    seed: int = 0,
    **options: Any,
) -> np.ndarray:
    """Return how alike the maps of a network and of its randomised copy are.

    Args:
        method: such as `grad_cam`: (model, images, target, **options) -> (N, ...).
        model, images, target: as in `kcnn.explain.core.ask`; the target is the trained network's in both.
        seed: of the shuffle.
        **options: of the method.

    Returns: (N,) rank correlation of absolute values, -1..1 (figure 3 of the paper). Near 1 the method shows the
        image, not the network.

    Raises:
        ConfigError: `method` is no function, or gives values that are not finite; as `kcnn.explain.core.ask`.
        ShapeError: `method` gives no map for each image; as `kcnn.explain.core.ask`.
    """
    if not callable(method):
        raise ConfigError(f"method is {method!r:.80} but must be a function, such as kcnn.explain.grad_cam.grad_cam.")
    question = ask(model, images, target)
    fixed: Any = question.choose or question.targets
    networks = model, randomised(model, seed)
    pair = [finite("maps", method(one, question.images, fixed, **options)) for one in networks]
    for values in pair:
        if values.shape != pair[0].shape or values.ndim < 2 or len(values) != len(question.images):
            raise ShapeError(
                f"the method gives {values.shape} but must give a map for each of {len(question.images)} images, alike "
                "for both networks.",
                expected=(len(question.images), "..."),
                actual=values.shape,
            )
    trained, random = (np.abs(values).reshape(len(values), -1) for values in pair)
    return np.array([_rank_correlation(*rows) for rows in zip(trained, random, strict=True)])


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    ranks = [_ranks(values) for values in (one, other)]
    if min(np.ptp(values) for values in ranks) == 0:  # a constant map is like no other
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[place.ravel()]
