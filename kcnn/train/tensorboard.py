"""What TensorBoard shows of a run: scalars under Keras' own tags, images/s, pictures, HParams.

`tensorboard --logdir runs/NAME/tensorboard` shows one run, `--logdir runs` compares all.
"""

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kcnn.errors import DataError
from kcnn.recipe import Recipe
from kcnn.tasks.task import raw_outputs
from kcnn.train.state import State, averaged

if TYPE_CHECKING:
    from kcnn.train.job import Job


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


class Answers(keras.callbacks.Callback):
    """After each epoch, what the network says about the same few validation images (`Task.watched`), beside the truth.

    Args:
        folder: the run's `tensorboard` folder.
        job: its task answers and draws; `train.ema` lends the averaged weights.
    """

    def __init__(self, folder: Path, job: "Job"):
        super().__init__()
        self._folder = folder
        self._job = job

    @classmethod
    def of(cls, folder: Path, job: "Job") -> list["Answers"]:
        """Return the callback, or none where there is nothing to show."""
        return [cls(folder, job)] if job.task.watched and "validation" in job.source.splits else []

    def on_train_begin(self, logs: Any = None) -> None:
        """Read the images; each under a tag of its own, since their sizes may differ."""
        import tensorflow as tf

        job = self._job
        part = job.source.split("validation").without(job.bad["validation"])
        places = np.unique(np.linspace(0, part.size - 1, job.task.watched).round().astype(np.int64))
        self._examples = [{key: part.numpy() for key, part in one.items()} for one in part.examples(places)]
        self._run = raw_outputs(self.model, job.recipe.preprocess)
        self._writer = tf.summary.create_file_writer(str(self._folder / "pictures"))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Draw them."""
        lent = averaged(self.model) if self._job.recipe.train.ema else contextlib.nullcontext()
        with lent, contextlib.suppress(DataError):  # numbers that are not finite are the keeper's to tell
            for index, example in enumerate(self._examples):
                self._show(f"validation/{index + 1}", example, epoch)

    def _show(self, tag: str, example: dict[str, np.ndarray], epoch: int) -> None:
        import tensorflow as tf

        from kcnn.data.preprocess import shown

        job, image = self._job, example["image"]
        outputs = job.task.whole(self._run, image, job.recipe.preprocess, job.recipe.config)
        answer = job.task.decode(outputs, job.source.info, image.shape[:2])
        with self._writer.as_default(step=epoch):
            for name, values in (("", answer), ("_true", example)):
                tf.summary.image(tag + name, job.task.draw(shown(image), values, job.source.info)[None])
        self._writer.flush()

    def on_train_end(self, logs: Any = None) -> None:
        """Close the file."""
        self._writer.close()


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
    names = dict.fromkeys((recipe.train.monitor.removeprefix("val_"), "loss"))
    shown = [hparams.Metric(f"epoch_{name}", group="validation") for name in names]
    with tf.summary.create_file_writer(str(folder)).as_default():
        hparams.hparams_config(hparams=[hparams.HParam(name) for name in values], metrics=shown)
        hparams.hparams(values, trial_id=recipe.name)
