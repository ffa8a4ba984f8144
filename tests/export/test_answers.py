"""How predictions are written."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from kcnn.export.answers import Csv, JsonLines, Pictures
from kcnn.export.predict import Prediction

TOP = [{"label": "rose", "probability": 0.75}]
GOOD = Prediction(
    "a/b, c.jpg",
    {"label": "rosé", "probability": 0.75, "labels": ["x", "y"], "top": TOP},
    image=np.full((10, 20, 3), 128, np.uint8),
)
BAD = Prediction("no.jpg", error="No such file")


def test_json_lines():
    out = io.StringIO()
    for answer in (GOOD, BAD):
        JsonLines(out).write(answer)
    lines = out.getvalue().splitlines()
    assert json.loads(lines[0]) == {"file": "a/b, c.jpg", **GOOD.values}
    assert "rosé" in lines[0]
    assert json.loads(lines[1]) == {"file": "no.jpg", "error": "No such file"}


@pytest.mark.parametrize("answers", [(GOOD, BAD), (BAD, GOOD), (BAD, BAD)])
def test_csv_has_one_header_and_a_row_per_file_in_order(answers):
    out = io.StringIO()
    writer = Csv(out)
    for answer in answers:
        writer.write(answer)
    writer.close()
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [row["file"] for row in rows] == [answer.file for answer in answers]
    for row, answer in zip(rows, answers, strict=True):
        assert row["error"] == (answer.error or "")
        if GOOD in answers:
            assert list(row) == ["file", "label", "probability", "labels", "error"]
            assert row["labels"] == ("x y" if answer is GOOD else "")


def test_pictures_and_their_errors(tmp_path):
    class Task:
        @staticmethod
        def draw(image, values, info):
            assert info == "info"
            assert values is GOOD.values
            return image

    writer = Pictures(tmp_path / "new", Task, "info")
    for answer in (BAD, GOOD):
        writer.write(answer)
    writer.close()
    assert Image.open(tmp_path / "new" / "00002_b, c.png").size == (20, 10)
    assert (tmp_path / "new" / "errors.txt").read_text() == "no.jpg: No such file\n"
