"""Predictions for image files, one answer for each, also for the ones that cannot be read."""

import glob
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.data.folder import images_below
from kcnn.errors import DataError
from kcnn.export.runner import Runner
from kcnn.recipe import from_dict

if TYPE_CHECKING:
    from kcnn.tasks.task import Outputs, Task

BATCH = 16


@dataclass(frozen=True)
class Prediction:
    """The answer for one file: `values` as the task decodes them, or `error`, one line.

    `image` is the picture itself, uint8 (H, W, 3), upright; float32 of that range from the `reader` of a model that
    keeps 16 bits.
    """

    file: str
    values: dict[str, Any] | None = None
    error: str | None = None
    image: np.ndarray | None = None


def find_files(names: Iterable[str]) -> Iterator[str]:
    """Yield image files for each name: a file, a folder (every image below it), or a glob pattern ("**" too).

    A name behind which there is no image is yielded as it is, so that its error has a place in the answers.
    """
    for name in names:
        if os.path.isdir(name):
            found = [str(path) for path in images_below(Path(name))]
        elif glob.has_magic(name) and not os.path.exists(name):
            found = sorted(path for path in glob.glob(name, recursive=True) if os.path.isfile(path))
        else:
            found = [name]
        yield from found or [name]


def predict_files(runner: Runner, task: "Task", files: Iterable[str]) -> Iterator[Prediction]:
    """Yield one `Prediction` per file, in order, reading `BATCH` of them at a time where the task takes resized images.

    Args:
        runner: an open model.
        task: that of `runner.facts`.
        files: paths; JPEG, PNG, GIF or BMP.
    """
    from kcnn.data.preprocess import shown

    read, names = reader(runner), iter(files)
    answer = _resized(runner) if task.whole is None else _whole(runner, task)
    while batch := list(itertools.islice(names, BATCH if task.whole is None else 1)):
        found = [read(name) for name in batch]
        outputs = answer([(prediction.image, pixels) for prediction, pixels in found if pixels is not None])
        for prediction, pixels in found:
            if pixels is None:
                yield prediction
                continue
            one = next(outputs)
            if not all(np.isfinite(values).all() for values in one.values()):
                yield Prediction(prediction.file, error="the model's answer is not finite; train or export it again")
                continue
            values = task.decode(one, runner.facts.info, prediction.image.shape[:2])
            yield Prediction(prediction.file, values, None, shown(prediction.image))


Images = list[tuple[np.ndarray, np.ndarray]]  # as they are, and resized


def _resized(runner: Runner) -> Callable[[Images], Iterator["Outputs"]]:
    def answer(images: Images) -> Iterator["Outputs"]:
        outputs = runner.predict(np.stack([pixels for _, pixels in images])) if images else {}
        for row in range(len(images)):
            yield {name: values[row] for name, values in outputs.items()}

    return answer


def _whole(runner: Runner, task: "Task") -> Callable[[Images], Iterator["Outputs"]]:
    config = from_dict(task.config, runner.facts.config)

    def answer(images: Images) -> Iterator["Outputs"]:
        for image, _ in images:
            yield task.whole(runner.raw or runner.predict, image, runner.preprocess, config)

    return answer


def reader(runner: Runner) -> Callable[[str], tuple[Prediction, np.ndarray | None]]:
    """Return a function: path -> (Prediction with the image or the error, resized pixels or None).

    The pixels are those that training sees and that the SavedModel's `serve_bytes` makes of the same file.
    """
    import tensorflow as tf

    from kcnn.data.decode import decode
    from kcnn.data.headers import check_header, read_file
    from kcnn.data.preprocess import prepare
    from kcnn.data.verify import fault

    record = runner.preprocess

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
    def pixels(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = decode(contents, 3, record.bit_depth)
        return image, prepare(image, record)

    def read(name: str) -> tuple[Prediction, np.ndarray | None]:
        try:
            contents = read_file(name)
            kind = check_header(contents).kind
            image, resized = pixels(tf.constant(contents))
        except OSError as error:
            empty = os.path.isdir(name)
            return Prediction(name, error="folder without an image" if empty else error.strerror), None
        except DataError as error:
            return Prediction(name, error=str(error)), None
        except tf.errors.OpError as error:
            return Prediction(name, error=fault(error, kind, contents)), None
        return Prediction(name, image=image.numpy()), resized.numpy()

    return read
