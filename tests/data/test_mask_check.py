"""What is said of masks that cannot be used, and what `kcnn check` counts in those that can."""

import json

import numpy as np
import pytest
from PIL import Image

from kcnn.cli import main
from kcnn.data import mask_check, open_source, report, verify
from kcnn.data.masks import IGNORE, Coding
from kcnn.data.splits import mask_array_split
from kcnn.errors import DataError
from kcnn.recipe import Data

CLASSES = "sky\nroad\ncar\nvoid\n"


@pytest.fixture
def folder(tmp_path):
    """Thirty sound pairs of 4 x 6 pixels: 12 sky, 8 road, 4 void; car in the first alone, in two pixels of void."""
    for part in ("images", "masks"):
        (tmp_path / "data" / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(30):
        add(tmp_path / "data", f"{number:02}", sound(number), rng.integers(0, 256, (4, 6, 3), dtype=np.uint8))
    (tmp_path / "data" / "classes.txt").write_text(CLASSES)
    return tmp_path / "data"


def sound(number):
    mask = np.repeat(np.array([0, 0, 0, 1, 1, 3], np.uint8)[None], 4, axis=0)
    if number == 0:
        mask[:2, 5] = 2
    return mask


def add(folder, name, mask, pixels=None):
    if pixels is not None:
        Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
    if mask is not None:
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")


def inspected(folder):
    source = open_source(Data(source=str(folder), validation=0))
    return report.inspect(source, "images and masks", Data(source=str(folder), validation=0.1, max_bad_fraction=0.2))


def test_a_sound_folder(folder):
    found = inspected(folder)
    assert found["splits"]["train"] == {
        "examples": 30,
        "unreadable": 0,
        "per_class": [30, 30, 1],
        "masks": {
            "images": [30, 30, 1],
            "pixels": [360, 240, 2],
            "ignored": 118,
            "empty": [],
            "largest": [list(range(6)), list(range(6)), [0]],
        },
    }
    assert found["findings"] == []
    assert found["clean"]
    assert json.loads(json.dumps(found)) == found


PIXELS = np.full((4, 6, 3), 7, np.uint8)
COLOURS = np.zeros((4, 6, 3), np.uint8)
FAULTS = {
    "size": (np.zeros((4, 5), np.uint8), "it has 4 x 5 pixels but its image 4 x 6"),
    "swapped sides": (np.zeros((6, 4), np.uint8), "it has 6 x 4 pixels but its image 4 x 6"),
    "ids": (np.array([[0, 9, 200, 255, 3, 9]] * 4, np.uint8), r"holds 9 \(8 pixels\), 200 \(4 pixels\).*0\.\.3, 255"),
    "many ids": (np.arange(24, dtype=np.uint8).reshape(4, 6), r"8 \(1 pixels\) and 15 more"),
    "colours": (COLOURS, r"holds colours.*palette\.txt"),
    "long ids": (np.full((4, 6), 700, np.uint16), "values above 255"),
    "no mask": (None, r"it has no mask: .*masks/bad\.png does not exist"),
}


@pytest.mark.parametrize(("mask", "message"), FAULTS.values(), ids=FAULTS)
def test_a_mask_that_cannot_be_used_is_listed(folder, mask, message):
    add(folder, "bad", mask, PIXELS)
    found = inspected(folder)
    assert [(entry["name"], entry["index"]) for entry in found["unreadable"]] == [("images/bad.png", 30)]
    with pytest.raises(DataError, match=message):
        raise DataError(found["unreadable"][0]["reason"])
    assert found["findings"][0]["effect"] == "left out"
    assert found["splits"]["train"]["masks"]["images"] == [30, 30, 1]
    split = open_source(Data(source=str(folder), validation=0)).split("train")
    with pytest.raises(DataError, match="1 of 31 images cannot be read"):
        verify.scan(split)
    assert [example.index for example in verify.scan(split, 0.1)] == [30]


def test_a_mask_without_image_is_listed(folder):
    add(folder, "alone", np.zeros((4, 6), np.uint8))
    (entry,) = inspected(folder)["unreadable"]
    assert entry["name"] == "images/alone.jpg"
    assert entry["reason"].startswith("cannot be opened: No such file")
    assert entry["reason"].endswith("masks/alone.png has no image")


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "is empty"),
        (b"GIF89a\1\0\1\0", "it is GIF, which does not keep class ids; write PNG"),
        (b"<html>", "web page"),
    ],
)
def test_files_that_are_no_masks(folder, contents, message):
    (folder / "masks" / "03.png").write_bytes(contents)
    (entry,) = inspected(folder)["unreadable"]
    assert entry["reason"].startswith("its mask 03.png: ")
    assert message in entry["reason"]


def test_a_mask_cut_short(folder):
    path = folder / "masks" / "03.png"
    noise = np.random.default_rng(1).integers(0, 3, (4, 6), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-20])
    (entry,) = inspected(folder)["unreadable"]
    assert "PNG cut short" in entry["reason"]


def test_jpeg_masks_are_refused(folder):
    (folder / "masks" / "03.png").unlink()
    Image.fromarray(sound(3)).save(folder / "masks" / "03.jpg")
    (entry,) = inspected(folder)["unreadable"]
    assert "it is JPEG, which does not keep class ids" in entry["reason"]


def test_colours_beyond_the_palette_are_named(folder):
    (folder / "palette.txt").write_text("0 0 0 sky\n1 1 1 road\n2 2 2 car\n9 9 9 void\n")
    colours = COLOURS.copy()
    colours[0, :2] = (1, 2, 3)
    colours[1, 0] = (255, 0, 7)
    add(folder, "bad", colours, PIXELS)
    (entry,) = inspected(folder)["unreadable"]
    assert "the colours (1, 2, 3) (2 pixels), (255, 0, 7) (1 pixels), which the palette has not" in entry["reason"]
    colours[:2] = (9, 9, 9)
    add(folder, "bad", colours)
    found = inspected(folder)
    assert found["unreadable"] == []
    assert found["splits"]["train"]["masks"]["ignored"] == 118 + 12


def test_masks_without_any_class_are_a_warning(folder):
    add(folder, "void", np.full((4, 6), 255, np.uint8), PIXELS)
    found = inspected(folder)
    assert found["splits"]["train"]["masks"]["empty"] == [30]
    assert found["findings"] == [{"effect": "warning", "text": "train: 1 mask without any class: images/void.png."}]


def test_a_class_without_a_pixel_is_a_warning(folder):
    (folder / "classes.txt").write_text("sky\nroad\ncar\nvoid\nboat\n")
    assert "train: no pixel of boat" in inspected(folder)["findings"][0]["text"]


@pytest.mark.parametrize("size", [(1, 1), (3000, 20)])
def test_any_size_of_image(folder, size):
    pixels = np.zeros((*size, 3), np.uint8)
    add(folder, "odd", np.zeros(size, np.uint8), pixels)
    found = inspected(folder)
    assert found["unreadable"] == []
    assert found["splits"]["train"]["masks"]["pixels"][0] == 360 + size[0] * size[1]


def test_masks_in_memory_are_counted():
    drawn = np.array([[[0, 1], [1, IGNORE]]], np.uint8)
    split = mask_array_split(np.zeros((1, 2, 2, 3), np.uint8), drawn, "train")
    (example,) = verify.examine(split)
    assert example.mask.shape == (256,)
    assert example.mask[[0, 1, 255]].tolist() == [1, 2, 1]


def test_summary_by_hand():
    counts = [np.bincount([0, 0, 2, 255], minlength=256), None, np.bincount([255] * 4, minlength=256)]
    found = mask_check.summary(counts, 3)
    nothing = {"images": [0, 0], "pixels": [0, 0], "ignored": 0, "empty": [], "largest": [[], []]}
    assert found == {"images": [1, 0, 1], "pixels": [2, 0, 1], "ignored": 5, "empty": [2], "largest": [[0], [], [0]]}
    assert mask_check.summary([None], 2) == nothing
    more = [np.bincount([0] * n + [1] * (5 - n), minlength=256) for n in (1, 4, 2)]
    assert mask_check.summary([None, *more], 2)["largest"] == [[2, 3, 1], [1, 3, 2]]


def test_every_value_of_a_coding_is_counted():
    coding = Coding({0: 1, 4: 1, 7: IGNORE})
    path_free = mask_check.check(_png(np.array([[0, 4, 7, 255]], np.uint8)), coding, (1, 4))
    assert path_free[[1, 255]].tolist() == [2, 2]


def _png(pixels):
    import io

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_the_command_shows_counts_and_faults(folder, tmp_path, capsys):
    assert main.run(["check", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "images and masks, 30 images, 3 classes" in shown
    assert "30  59.80%" in shown  # 360 of 602 pixels
    assert "16.39%" in shown  # 118 of 720 ignored
    add(folder, "bad", np.full((4, 6), 40, np.uint8), PIXELS)
    assert main.run(["check", str(folder), f"--output={tmp_path / 'out'}"]) == 2
    assert "its mask bad.png: it holds 40 (24 pixels)" in capsys.readouterr().out.replace("\n", " ")
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert written["splits"]["train"]["masks"]["pixels"] == [360, 240, 2]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "one mask an image" in page
    assert "30, 59.80% of pixels" in page
    assert page.count("<img") == 13  # six of sky, six of road, the one of car
