"""The files of a report: numbers as JSON, tables as CSV, each written in one step."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcnn import atomic
from kcnn.errors import DataError

if TYPE_CHECKING:
    from kcnn.data.source import Info, Source, Split


def readable(source: "Source", split: str, bad: frozenset[int]) -> "Split":
    """Return a split without its unreadable examples.

    Raises:
        DataError: nothing is left.
        UnknownNameError: no such split.
    """
    part = source.split(split).without(bad)
    if part.size == 0:
        raise DataError(f"{source.info.name}: every example of split {split!r} is unreadable; `kcnn check` lists them.")
    return part


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write the plain values of `report` as report.json."""
    atomic.write_text(folder / "report.json", json.dumps(report, indent=2) + "\n")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    atomic.write_text(path, text.getvalue())


def write_confusion(path: Path, classes: Sequence[str], matrix: Any) -> None:
    """Write a confusion matrix, one row per true class."""
    rows = ([name, *counts] for name, counts in zip(classes, matrix.tolist(), strict=True))
    write_csv(path, ["true/predicted", *classes], rows)


def about(info: "Info", split: str) -> str:
    """Return what pictures say they are of: the data's name, of a folder its last part, and the split."""
    place = Path(info.name)
    return f"{place.resolve().name if place.exists() else info.name} {split}"
