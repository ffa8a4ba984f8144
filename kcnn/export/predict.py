"""Predictions for image files, one answer for each, also for the ones that cannot be read."""

import glob
import io
import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.errors import DataError
from kcnn.export.runner import Runner

if TYPE_CHECKING:
    from kcnn.tasks.task import Task

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".bmp"})
BATCH = 16


@dataclass(frozen=True)
class Prediction:
    """The answer for one file: `values`, plain and as the task decodes them, or `error`, one line.

    `image` is the picture itself, uint8 (H, W, 3), upright.
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
            found = sorted(str(p) for p in Path(name).rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        elif glob.has_magic(name) and not os.path.exists(name):
            found = sorted(path for path in glob.glob(name, recursive=True) if os.path.isfile(path))
        else:
            found = [name]
        yield from found or [name]


def predict_files(runner: Runner, task: "Task", files: Iterable[str]) -> Iterator[Prediction]:
    """Yield one `Prediction` per file, in order, reading `BATCH` of them at a time.

    Args:
        runner: an open model.
        task: that of `runner.facts`.
        files: paths; JPEG, PNG, GIF or BMP.
    """
    read = reader(runner)
    names = iter(files)
    while batch := list(itertools.islice(names, BATCH)):
        found = [read(name) for name in batch]
        readable = [pixels for _, pixels in found if pixels is not None]
        outputs = runner.predict(np.stack(readable)) if readable else {}
        row = itertools.count()
        for prediction, pixels in found:
            if pixels is None:
                yield prediction
                continue
            at = next(row)
            one = {name: values[at] for name, values in outputs.items()}
            values = task.decode(one, runner.facts.info, prediction.image.shape[:2])
            yield Prediction(prediction.file, values, None, prediction.image)


def reader(runner: Runner) -> Callable[[str], tuple[Prediction, np.ndarray | None]]:
    """Return a function: path -> (Prediction with the image or the error, resized pixels or None).

    The pixels are those that training sees and that the SavedModel's `serve_bytes` makes of the same file.
    """
    import tensorflow as tf

    from kcnn.data.decode import decode
    from kcnn.data.preprocess import resize

    record = runner.preprocess

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
    def pixels(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return decode(contents, 3), resize(decode(contents, record.channels), record)

    def read(name: str) -> tuple[Prediction, np.ndarray | None]:
        try:
            contents = Path(name).read_bytes()
            check_size(contents)
            image, resized = pixels(tf.constant(contents))
        except OSError as error:
            empty = os.path.isdir(name)
            return Prediction(name, error="folder without an image" if empty else error.strerror), None
        except (DataError, tf.errors.OpError) as error:
            return Prediction(name, error=_reason(error)), None
        return Prediction(name, image=image.numpy()), resized.numpy()

    return read


def check_size(contents: bytes) -> None:
    """Refuse an encoded image that would fill the memory, from its header alone.

    Raises:
        DataError: more than 178,956,970 pixels, Pillow's own limit.
    """
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            Image.open(io.BytesIO(contents), formats=("JPEG", "PNG", "GIF", "BMP")).close()
        except Image.DecompressionBombError as error:
            raise DataError(str(error)) from error
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
            return  # the decoder says what is wrong with it


def _reason(error: Exception) -> str:
    """Return why an image cannot be decoded, without the graph's node names."""
    text = str(getattr(error, "message", error)).partition("[[")[0].partition("\n")[0]
    return f"not a readable JPEG, PNG, GIF or BMP image: {text.strip()}"
