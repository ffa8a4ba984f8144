"""Grad-CAM of the same images after every epoch, in TensorBoard's image tab: what the network learns to look at."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.errors import ShapeError
from kcnn.explain import draw
from kcnn.explain.core import Target
from kcnn.explain.grad_cam import grad_cam
from kcnn.ops.arithmetic import whole
from kcnn.ops.arrays import finite


class ExplainCallback(keras.callbacks.Callback):
    """Log Grad-CAM over fixed images.

    Args:
        folder: of TensorBoard's events.
        images: (N, H, W, C), what the model takes.
        pictures: the same images as they look, (N, H, W, 1 or 3) in 0..255.
        target: as in `kcnn.explain.core.ask`: the true classes show how the evidence moves; None follows the answers.
        layer: name or row of a layer with maps; None takes the last.
        every: epochs from one picture to the next.

    Raises:
        ShapeError: images and pictures differ in number or size.
        ConfigError: images that are not finite numbers, or `pictures` outside 0..255.
    """

    def __init__(
        self,
        folder: Path | str,
        images: Any,
        pictures: Any,
        target: Target = None,
        *,
        layer: str | int | None = None,
        every: int = 1,
    ):
        super().__init__()
        self._images, self._pictures = finite("images", images), draw.pixels(pictures)
        if self._images.shape[:3] != self._pictures.shape[:3]:
            raise ShapeError(
                f"images are {self._images.shape} but pictures {self._pictures.shape}; give the same images twice: "
                "preprocessed, and in 0..255.",
                expected=self._images.shape[:3],
                actual=self._pictures.shape[:3],
            )
        self._folder, self._target, self._layer = str(folder), target, layer
        self._every = whole("every", every, 1)
        self._writer: Any = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Draw the images, one beside the other, under the tag explain/grad_cam."""
        if (epoch + 1) % self._every:
            return
        maps = grad_cam(self.model, self._images, self._target, layer=self._layer)
        sheet = np.concatenate(
            [draw.grid(self._pictures, len(maps)), draw.grid(draw.overlay(self._pictures, maps), len(maps))]
        )
        self._writer = self._writer or tf.summary.create_file_writer(self._folder)
        with self._writer.as_default(step=epoch):
            tf.summary.image("explain/grad_cam", sheet[None])

    def on_train_end(self, logs: Any = None) -> None:
        """Close the file of events."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
