"""Where predictions go: JSON lines, CSV, or pictures in a folder. Each writer takes them one by one."""

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import numpy as np

from kcnn.errors import ConfigError
from kcnn.export.predict import Prediction

if TYPE_CHECKING:
    from PIL import Image

    from kcnn.data.source import Info
    from kcnn.tasks.task import Task


class Writer(Protocol):
    """Takes answers in order; `close` after the last."""

    def write(self, answer: Prediction) -> None:
        """Write one answer."""

    def close(self) -> None:
        """Write what was held back."""


class JsonLines:
    """One JSON object a line: "file", then the plain values of the prediction or "error"; arrays are for pictures."""

    def __init__(self, out: TextIO):
        self._out = out

    def write(self, answer: Prediction) -> None:
        """Write one line, at once."""
        values = answer.values or {"error": answer.error}
        record = {"file": answer.file, **{k: v for k, v in values.items() if not isinstance(v, np.ndarray)}}
        self._out.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing is held back."""


class Csv:
    """One row a file: "file", the plain values of a prediction (lists joined by spaces), "error".

    The columns are those of the first prediction; errors before it wait for them.
    """

    def __init__(self, out: TextIO):
        self._out = out
        self._rows = csv.writer(out, lineterminator="\n")
        self._columns: list[str] | None = None
        self._waiting: list[Prediction] = []

    def write(self, answer: Prediction) -> None:
        """Write one row, as soon as the columns are known."""
        self._waiting.append(answer)
        if self._columns is None and answer.values is not None:
            self._begin([key for key, value in answer.values.items() if not _nested(value)])
        if self._columns is not None:
            self._write_waiting()

    def close(self) -> None:
        """Write the rows of a list in which nothing could be read."""
        if self._waiting:
            self._begin([])
            self._write_waiting()

    def _begin(self, columns: list[str]) -> None:
        self._columns = columns
        self._rows.writerow(["file", *columns, "error"])

    def _write_waiting(self) -> None:
        for answer in self._waiting:
            values = [(answer.values or {}).get(column, "") for column in self._columns or []]
            plain = [" ".join(map(str, value)) if isinstance(value, list) else value for value in values]
            self._rows.writerow([answer.file, *plain, answer.error or ""])
        self._waiting = []
        self._out.flush()


class Pictures:
    """One PNG a file, NUMBER_NAME.png, as the task draws it; files that failed are listed in errors.txt."""

    def __init__(self, folder: Path, task: "Task", info: "Info"):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._task, self._info = folder, task, info
        self._count = 0
        self._errors: list[str] = []

    def write(self, answer: Prediction) -> None:
        """Draw one answer."""
        self._count += 1
        if answer.values is None or answer.image is None:
            self._errors.append(f"{answer.file}: {answer.error}\n")
            return
        self._picture(answer).save(self._folder / f"{self._count:05d}_{Path(answer.file).stem}.png")

    def _picture(self, answer: Prediction) -> "Image.Image":
        from PIL import Image

        return Image.fromarray(self._task.draw(answer.image, answer.values, self._info))

    def close(self) -> None:
        """Write the list of errors."""
        if self._errors:
            (self._folder / "errors.txt").write_text("".join(self._errors), encoding="utf-8", errors="replace")


class Masks(Pictures):
    """The same for the class of each pixel: PNGs whose palette index is the class id, as big as the image.

    Raises:
        ConfigError: at the first answer, where the task gives none.
    """

    def _picture(self, answer: Prediction) -> "Image.Image":
        from kcnn.data.masks import palette_image

        mask = (answer.values or {}).get("mask")
        if mask is None:
            raise ConfigError(f"{self._task.name} gives no masks; take --format=pictures.")
        return palette_image(mask, self._info.palette)


def _nested(value: Any) -> bool:
    return isinstance(value, (dict, np.ndarray)) or (
        isinstance(value, list) and any(isinstance(item, dict) for item in value)
    )
