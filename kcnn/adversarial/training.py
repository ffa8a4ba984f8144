"""Adversarial training: the network learns from images that are changed, each step anew, to mislead it."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.adversarial.aim import check_eps
from kcnn.adversarial.climb import climb
from kcnn.errors import ConfigError, ShapeError
from kcnn.recipe import Preprocess

METHODS = ("fgsm", "pgd")
STEPS = 7  # of PGD in training, as Madry 2018, section 5, for CIFAR10


@keras.saving.register_keras_serializable("kcnn")
class Hardened(keras.Model):
    """A functional network whose training loss is that of attacked images; in all else a plain `keras.Model`.

    "fgsm": the mean of the losses on the image and on one FGSM step away from it (Goodfellow 2015, 1412.6572,
    section 6). "pgd": the loss where `STEPS` steps from a random start within eps end (Madry 2018, 1706.06083).
    A network trained against FGSM with a large eps may learn to mislead that one step (Tramer 2018, 1705.07204): its
    error under FGSM is then below its error under PGD by far, so measure with PGD, and train with it to withstand more.
    The attacks look at the network as it is in inference; metrics are of the images themselves. Build it as
    `Hardened(inputs, outputs, name=...)`; without `train_against` it trains as any model.
    """

    attack: tuple[str, float, Preprocess] | None = None

    def train_against(self, method: str, eps: float, preprocess: Preprocess) -> None:
        """Choose the attack.

        Args:
            method: of `METHODS`.
            eps: largest change of a value, in pixels, 0..255.
            preprocess: how the images were normalised.

        Raises:
            ConfigError: a setting that cannot work.
            ShapeError: `preprocess` makes other images than the network takes.
        """
        if not isinstance(method, str) or method not in METHODS:
            raise ConfigError(f"method is {method!r:.80} but must be one of {', '.join(METHODS)}.")
        if check_eps(eps) > 255:
            raise ConfigError(f"eps is {eps!r} but must lie in 0..255, in pixels; 255 is the whole range.")
        if not isinstance(preprocess, Preprocess):
            raise ConfigError(f"preprocess is {preprocess!r:.80} but must be a kcnn.recipe.Preprocess.")
        taken, made = self.inputs[0].shape[1:], preprocess.image_shape
        if len(taken) != 3 or any(a not in (None, b) for a, b in zip(taken, made, strict=True)):
            raise ShapeError(
                f"preprocess makes images {made} but the network takes {taken}; give the record of its images.",
                expected=taken,
                actual=made,
            )
        self.attack = (method, float(eps), preprocess)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True) -> tf.Tensor:
        """Return the loss of a batch; in training that of its attacked images takes part."""
        if not training or self.attack is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        away = self(self._attacked(x, y), training=True)
        found = super().compute_loss(x, y, away, sample_weight, training)
        if self.attack[0] == "pgd":
            return found
        return 0.5 * (found + super().compute_loss(x, y, y_pred, sample_weight, training))

    def _attacked(self, inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Return normalised images within eps of `inputs`; the loss's reduction does not matter to a sign."""
        method, eps, record = self.attack  # type: ignore[misc]
        scale, mean, std = (np.asarray(value, "float32") for value in (record.scale, record.mean, record.std))
        pixels = tf.clip_by_value((tf.cast(inputs, tf.float32) * std + mean) / scale, 0.0, 255.0)
        start, step, steps = pixels, eps, 1
        if method == "pgd":
            seed = tf.stack([tf.cast(self.optimizer.iterations, tf.int32), 0])  # a resumed run draws the same
            start = pixels + tf.random.stateless_uniform(tf.shape(pixels), seed, -eps, eps)
            start, step, steps = tf.clip_by_value(start, 0.0, 255.0), 2.5 * eps / STEPS, STEPS

        def loss(changed: tf.Tensor) -> Any:
            return self.loss(targets, self((changed * scale - mean) / std, training=False))

        return (climb(loss, pixels, start, eps=eps, step=step, steps=steps) * scale - mean) / std
