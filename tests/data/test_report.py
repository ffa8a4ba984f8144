"""What `kcnn check` finds, on folders made for it."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from kcnn.data import open_source
from kcnn.data.arrays import from_arrays
from kcnn.data.report import LEFT_OUT, REFUSED, WARNING, inspect, size_text, verdict
from kcnn.data.report_page import page
from kcnn.recipe import Data

RNG = np.random.default_rng(0)


def picture(path, shape=(6, 8, 3), pixels=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8) if pixels is None else pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "data <b>"
    for split, count in (("train", 10), ("test", 3)):
        for name in ("cat", "dög"):
            for index in range(count):
                picture(root / split / name / f"{index}.png")
    return root


def inspected(folder, **settings):
    source = open_source(Data(source=str(folder), validation=0.0))
    return inspect(source, "ImageFolder", Data(**settings)), source


def effects(report):
    return [finding["effect"] for finding in report["findings"]]


def test_a_clean_folder(folder):
    report, _ = inspected(folder)
    assert report["clean"]
    assert report["findings"] == report["unreadable"] == report["duplicates"] == []
    assert report["splits"]["train"] == {"examples": 20, "unreadable": 0, "per_class": [10, 10]}
    assert report["splits"]["test"]["per_class"] == [3, 3]
    assert report["formats"] == {"PNG": 26}
    assert size_text(report["sizes"]) == "all 6 x 8 (height x width)"
    assert json.loads(json.dumps(report)) == report
    assert verdict(report).startswith("Clean")


def test_sizes_are_counted(folder):
    picture(folder / "train" / "cat" / "large.png", (60, 80, 3))
    sizes = inspected(folder)[0]["sizes"]
    assert sizes["height"] == [6, 6, 60]
    assert sizes["width"] == [8, 8, 80]
    assert sizes["common"] == [[6, 8, 26], [60, 80, 1]]


def test_the_same_picture_twice(folder):
    with Image.open(folder / "train" / "cat" / "3.png") as image:
        pixels = np.asarray(image)
    picture(folder / "test" / "dög" / "leak.bmp", pixels=pixels)  # another file format, the same pixels
    report, _ = inspected(folder)
    (group,) = report["duplicates"]
    assert group["across_splits"]
    assert group["labels_differ"]
    assert [image["split"] for image in group["images"]] == ["train", "test"]
    assert effects(report) == [WARNING, WARNING]
    assert "1 picture in train and test at once" in report["findings"][0]["text"]
    picture(folder / "train" / "cat" / "again.png", pixels=np.asarray(Image.open(folder / "train" / "cat" / "5.png")))
    within = inspected(folder)[0]["duplicates"][1]
    assert not within["across_splits"]
    assert not within["labels_differ"]


def test_bad_files_within_and_beyond_the_budget(folder):
    (folder / "train" / "cat" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    report, _ = inspected(folder, max_bad_fraction=0.5)
    assert [bad["name"].rpartition("/")[2] for bad in report["unreadable"]] == ["cut.jpg"]
    assert report["splits"]["train"]["unreadable"] == 1
    assert effects(report) == [LEFT_OUT]
    assert not report["clean"]
    report, _ = inspected(folder, max_bad_fraction=0.01)
    assert effects(report) == [REFUSED]
    assert "training stops" in report["findings"][0]["text"]
    assert verdict(report).startswith("Training or evaluation would refuse")


def test_a_class_without_a_readable_image(folder):
    (folder / "train" / "emu").mkdir()
    (folder / "train" / "emu" / "1.jpg").write_bytes(b"")
    report, _ = inspected(folder, max_bad_fraction=0.5)
    texts = [finding["text"] for finding in report["findings"] if finding["effect"] == WARNING]
    assert texts == [
        "train: no readable image of emu: nothing to learn from.",
        "test: no readable image of emu: nothing to measure on.",
    ]


@pytest.mark.parametrize(("values", "told"), [((0, 255), True), ((0, 0), False)])
def test_white_masks_are_told_what_255_means(tmp_path, values, told):
    (tmp_path / "classes.txt").write_text("ground\nthing\n")
    for index in range(3):
        picture(tmp_path / "images" / f"{index}.png")
        picture(tmp_path / "masks" / f"{index}.png", pixels=np.tile(np.array(values, np.uint8), (6, 4)))
    report, _ = inspected(tmp_path)
    text = "train: no pixel of thing: nothing to learn from."
    text += " 255 in a mask means ignored: where it should be a class, write its id." if told else ""
    assert {"effect": WARNING, "text": text} in report["findings"]


def test_too_few_images_to_hold_out(tmp_path):
    picture(tmp_path / "cat" / "1.png")
    picture(tmp_path / "dog" / "1.png")
    report, _ = inspected(tmp_path)
    assert effects(report) == [REFUSED]
    assert "cannot be held out" in report["findings"][0]["text"]


def test_arrays_and_several_labels():
    images = RNG.integers(0, 256, (30, 4, 4, 1), dtype=np.uint8)
    images[7] = images[2]
    labels = np.eye(3, dtype=np.uint8)[np.arange(30) % 3]
    labels[:, 0] = 1
    report = inspect(from_arrays("made", {"train": (images, labels)}, "abc"), "npz")
    assert report["splits"]["train"]["per_class"] == [30, 10, 10]
    assert [image["label"] for image in report["duplicates"][0]["images"]] == [["a", "c"], ["a", "b"]]
    assert report["formats"] == {"array": 30}


def test_progress_counts_every_image(folder):
    seen = []
    source = open_source(Data(source=str(folder), validation=0.0))
    inspect(source, "ImageFolder", advance=seen.append)
    assert sum(seen) == 26


def test_the_page_has_everything_inside(folder):
    (folder / "train" / "cat" / "bad & broken.jpg").write_bytes(b"<b>text</b>")
    with Image.open(folder / "train" / "cat" / "3.png") as image:
        picture(folder / "test" / "dög" / "leak.png", pixels=np.asarray(image))
    report, source = inspected(folder)
    html = page(report, source)
    assert html.count("<img") == 6 + 6 + 1  # six of each class, and the leaked picture once
    assert html.count("data:image/") == html.count("<img")
    assert "dög" in html
    assert "bad &amp; broken.jpg" in html
    assert "data &lt;b&gt;" in html
    for outside in ("http:", "https:", "<script", "<b>text"):
        assert outside not in html


def test_the_held_out_share_has_its_own_budget(tmp_path):
    # The tenth of 20 images of a class is held out (data.validation=0.1): index 9, and of two classes 2 in all.
    for name in ("cat", "dog"):
        for index in range(20):
            picture(tmp_path / name / f"{index:02}.png")
    (tmp_path / "cat" / "09.png").write_bytes(b"")
    report, _ = inspected(tmp_path, max_bad_fraction=0.1)  # 1 of 40, but 1 of the 4 that are held out
    (finding,) = report["findings"]
    assert finding["effect"] == REFUSED
    assert finding["text"].startswith("train (validation is held out of it): 1 of 4 images cannot be read")
    report, _ = inspected(tmp_path, max_bad_fraction=0.25)
    assert effects(report) == [LEFT_OUT]


def test_the_page_draws_sizes_and_limits_its_pictures(tmp_path):
    for index in range(300):
        picture(tmp_path / f"class{index:03}" / "a.png", (4 + index % 2, 5, 3))
    source = open_source(Data(source=str(tmp_path), validation=0.0))
    report = inspect(source, "ImageFolder", Data(validation=0.0))
    html = page(report, source)
    assert html.count("<img") == 240
    assert html.count("<circle") == 2
    assert "class299" in html


def test_names_in_another_encoding_stay_printable(folder):
    name = os.fsdecode(b"caf\xe9.png")
    (folder / "train" / "cat" / name).write_bytes(b"")
    report, source = inspected(folder)
    assert report["unreadable"][0]["name"] == "train/cat/caf\\udce9.png"
    json.dumps(report, ensure_ascii=False).encode("utf-8")
    page(report, source).encode("utf-8")
