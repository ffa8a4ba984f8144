"""Integrated Gradients: what each value adds on the straight way from a baseline (Sundararajan 2017, 1703.01365)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.errors import ShapeError
from kcnn.explain.core import BATCH, Question, Target, ask, gather
from kcnn.ops.arithmetic import whole
from kcnn.ops.arrays import finite, like


def integrated_gradients(
    model: keras.Model,
    images: Any,
    target: Target = None,
    *,
    baseline: Any = 0.0,
    steps: int = 50,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return (image - baseline) times the mean gradient between the two (section 3), by Gauss-Legendre quadrature.

    Args:
        model, images, target: as in `kcnn.explain.core.ask`.
        baseline: what stands for "nothing there": a number, or (C,), or (H, W, C), or (N, H, W, C), in the unit of the
            images.
        steps: points of the quadrature; 20 to 300 in the paper. `gap` tells whether they were enough.
        batch_size: gradients at once; memory does not grow with `steps`.

    Returns: float32 (N, H, W, C), signed, in the unit of the score; sums to score(image) - score(baseline).

    Raises:
        ConfigError: as in `saliency`; or the baseline is not finite.
        ShapeError: the baseline does not fit the images.
    """
    question = ask(model, images, target, batch_size=batch_size)
    start, run = like("baseline", baseline, question.images), question.slopes()
    places, weights = np.polynomial.legendre.leggauss(whole("steps", steps, 1))
    total = np.zeros(question.images.shape)
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        between = (start + place * (question.images - start)).astype("float32")
        total += weight * gather(lambda batch, targets, points: run(points, targets), question, between)
    return (total * (question.images - start)).astype("float32")


def gap(
    model: keras.Model,
    images: Any,
    attributions: np.ndarray,
    target: Target = None,
    *,
    baseline: Any = 0.0,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return (N,) how far attributions miss completeness (proposition 1): their sum, less the difference of scores.

    Args:
        attributions: (N, H, W, C) of `integrated_gradients`.
        model, images, target, baseline, batch_size: those it was given.

    Raises:
        ConfigError: attributions that are not finite; or as in `integrated_gradients`.
        ShapeError: attributions of another shape than the images; or as in `integrated_gradients`.
    """
    question = ask(model, images, target, batch_size=batch_size)
    attributions = finite("attributions", attributions)
    if attributions.shape != question.images.shape:
        raise ShapeError(
            f"attributions are {attributions.shape} but the images are {question.images.shape}; give those of the same "
            "images, one value for each of theirs.",
            expected=question.images.shape,
            actual=attributions.shape,
        )
    start = like("baseline", baseline, question.images)
    risen = _scores(question, question.images) - _scores(question, start)
    return attributions.sum(axis=(1, 2, 3), dtype="float64") - risen


def _scores(question: Question, images: np.ndarray) -> np.ndarray:
    run = tf.function(question.answer, input_signature=question.specs, autograph=False)
    return gather(lambda batch, targets, points: run(points, targets), question, images, what="scores").astype(
        "float64"
    )
