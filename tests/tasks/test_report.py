"""The files of a report."""

import csv
import json

import numpy as np
import pytest

from kcnn.data import open_source
from kcnn.data.source import Info
from kcnn.errors import DataError
from kcnn.recipe import Data
from kcnn.tasks.report import about, readable, write_confusion, write_csv, write_report


def test_tables_and_numbers(tmp_path):
    write_csv(tmp_path / "t.csv", ["a", "b"], [["x, y", None]])
    assert (tmp_path / "t.csv").read_text() == 'a,b\n"x, y",\n'
    write_report(tmp_path, {"accuracy": 0.5})
    assert json.loads((tmp_path / "report.json").read_text()) == {"accuracy": 0.5}


def test_the_confusion_matrix_has_one_row_a_true_class(tmp_path):
    write_confusion(tmp_path / "c.csv", ("cat", "dog"), np.array([[3, 1], [0, 2]]))
    rows = list(csv.reader((tmp_path / "c.csv").open()))
    assert rows == [["true/predicted", "cat", "dog"], ["cat", "3", "1"], ["dog", "0", "2"]]


def test_a_split_of_which_nothing_can_be_read():
    source = open_source(Data(source="digits", limit=2))
    assert readable(source, "test", frozenset({0})).size == 1
    with pytest.raises(DataError, match="every example of split 'test' is unreadable"):
        readable(source, "test", frozenset({0, 1}))


def test_data_are_called_by_the_folders_own_name(tmp_path):
    (tmp_path / "photos").mkdir()
    assert about(Info(name=str(tmp_path / "photos"), splits={}, classes=()), "test") == "photos test"
    assert about(Info(name="digits", splits={}, classes=()), "test") == "digits test"
