"""How predictions are written."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from kcnn.data.source import Info
from kcnn.errors import ConfigError
from kcnn.export.answers import Csv, JsonLines, Masks, Pictures
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


MASK = np.array([[0, 1, 1], [0, 2, 255]], np.uint8)
SEGMENTED = Prediction("d/x.jpg", {"label": "sky", "share": 0.5, "mask": MASK}, image=np.zeros((2, 3, 3), np.uint8))


def test_text_leaves_arrays_out():
    out = io.StringIO()
    JsonLines(out).write(SEGMENTED)
    assert json.loads(out.getvalue()) == {"file": "d/x.jpg", "label": "sky", "share": 0.5}
    out = io.StringIO()
    Csv(out).write(SEGMENTED)
    assert out.getvalue().splitlines() == ["file,label,share,error", "d/x.jpg,sky,0.5,"]


@pytest.mark.parametrize("palette", [((1, 2, 3), (4, 5, 6), (7, 8, 9)), ()])
def test_masks_are_images_whose_palette_indices_are_class_ids(tmp_path, palette):
    info = Info(name="x", splits={}, classes=("sky", "road", "car"), palette=palette)
    writer = Masks(tmp_path, None, info)
    writer.write(BAD)
    writer.write(SEGMENTED)
    writer.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00002_x.png", "errors.txt"]
    mask = Image.open(tmp_path / "00002_x.png")
    np.testing.assert_array_equal(np.asarray(mask), MASK)
    assert mask.getpalette()[3:6] == list(palette[1] if palette else (128, 0, 0))


def test_a_task_without_masks(tmp_path):
    class Task:
        name = "classification"

    with pytest.raises(ConfigError, match="classification gives no masks; take --format=pictures"):
        Masks(tmp_path, Task, "info").write(GOOD)
