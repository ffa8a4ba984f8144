"""What TensorBoard shows of a run: scalars under Keras' own tags, images/s, pictures, HParams.

`tensorboard --logdir runs/NAME/tensorboard` shows one run, `--logdir runs` compares all.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from kcnn.recipe import Recipe
from kcnn.train.state import State


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras' callback, with training images per second beside its own numbers (tag `epoch_images_per_second`)."""

    def __init__(self, folder: Path, state: State):
        super().__init__(str(folder))
        self._state = state

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Do nothing: the steps are neither profiled nor logged one by one."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Do nothing: Keras builds scalars at every step even where it then writes none."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the epoch's scalars."""
        super().on_epoch_end(epoch, {**(logs or {}), "images_per_second": self._state.rate})


def log_pictures(folder: Path, pictures: Mapping[str, Path], step: int) -> None:
    """Show PNG files in TensorBoard's image tab.

    Args:
        folder: the run's `tensorboard` folder.
        pictures: tag -> file, such as {"report/confusion": run / "report" / "confusion.png"}.
        step: the optimizer step they belong to.
    """
    import tensorflow as tf

    with tf.summary.create_file_writer(str(folder / "pictures")).as_default(step=step):
        for tag, path in pictures.items():
            tf.summary.image(tag, tf.io.decode_png(path.read_bytes(), channels=3)[None])


def log_report(folder: Path, report: Path, step: int) -> None:
    """Show every PNG in the folder `report` (confusion matrix, wrong predictions ...) under the tag report/NAME."""
    log_pictures(folder, {f"report/{path.stem}": path for path in sorted(report.glob("*.png"))}, step)


def log_hparams(folder: Path, recipe: Recipe) -> None:
    """Tell the HParams tab what this run was trained with, and which numbers to compare runs by."""
    import tensorflow as tf
    from tensorboard.plugins.hparams import api as hparams

    values: dict[str, Any] = {"model": recipe.model.name, "data": recipe.data.source}
    for section in (recipe.train, recipe.config):
        if dataclasses.is_dataclass(section):
            values |= {
                field.name: value
                for field in dataclasses.fields(section)
                if isinstance(value := getattr(section, field.name), (bool, int, float, str))
            }
    shown = [hparams.Metric(f"epoch_{name}", group="validation") for name in ("accuracy", "loss")]
    with tf.summary.create_file_writer(str(folder)).as_default():
        hparams.hparams_config(hparams=[hparams.HParam(name) for name in values], metrics=shown)
        hparams.hparams(values, trial_id=recipe.name)
