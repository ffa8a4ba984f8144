"""Score-CAM: maps weighted by the score of the image seen through them; no gradients (Wang 2020, 1910.01279)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.explain.core import BATCH, Target, ask, check_finite, find_row
from kcnn.ops import graph


def score_cam(
    model: keras.Model,
    images: Any,
    target: Target = None,
    *,
    layer: str | int | None = None,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return the sum of the layer's maps, each weighted by how well the class is seen through it (algorithm 1).

    Each map, enlarged to the image and scaled to 0..1, multiplies the image; the scores of the results, through a
    softmax over maps, are the weights. A constant map lets nothing through. The score of the empty image, which the
    algorithm subtracts from each, cancels in the softmax.

    Args:
        model, images, target: as in `kcnn.explain.core.ask`.
        layer: name or row of a layer with maps; None takes the last. One forward pass for each channel.
        batch_size: masked images at once; memory does not grow with the number of channels.

    Returns: float32 (N, h, w) at the layer's resolution, at least 0.

    Raises:
        ConfigError, UnknownNameError: as in `kcnn.explain.weighted_maps`.
    """
    row = find_row(model, layer)
    question = ask(model, images, target, batch_size=batch_size)
    shape = question.images.shape[1:]

    @tf.function(input_signature=[tf.TensorSpec((None, *shape), tf.float32)], autograph=False)
    def activations(image: tf.Tensor) -> tf.Tensor:
        return tf.cast(graph.run(model, [image], row), "float32")

    @tf.function(
        input_signature=[*(tf.TensorSpec(size, tf.float32) for size in (shape, (None, None, None))), question.specs[1]],
        autograph=False,
    )
    def scores(image: tf.Tensor, masks: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        seen = tf.image.resize(tf.transpose(masks, (1, 2, 0)), shape[:2], method="bilinear")
        low, high = (reduce(seen, axis=(0, 1)) for reduce in (tf.reduce_min, tf.reduce_max))
        through = tf.transpose(tf.math.divide_no_nan(seen - low, high - low), (2, 0, 1))
        return question.answer(image * through[..., None], targets)

    found = []
    for image, target_ in zip(question.images, question.targets, strict=True):
        maps = activations(image[None]).numpy()[0].transpose(2, 0, 1)
        parts = [maps[at : at + batch_size] for at in range(0, len(maps), batch_size)]
        answers = [scores(image, part, np.full(len(part), target_, "int32")).numpy() for part in parts]
        risen = check_finite(np.concatenate(answers), "scores")
        weights = np.exp(risen - risen.max())
        found.append(np.maximum(np.tensordot(weights / weights.sum(), maps, axes=1), 0))
    return np.stack(found)
