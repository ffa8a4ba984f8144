"""VOC, COCO, PASCAL and YOLO: hand-made files, the real sets, and what is refused."""

import json

import numpy as np
import pytest

from kcnn.data.annotations import open_annotations
from kcnn.data.annotations.voc import read_xml
from kcnn.data.annotations.yolo import yaml_names
from kcnn.data.boxes import tidy
from kcnn.errors import DataError

# README of the shared data: images and boxes of each split
REAL = {
    "bccd_voc": ("VOC", 3, {"train": (90, 1191), "validation": (30, 407), "test": (30, 412)}, 2010),
    "voc_mini": ("VOC", 20, {"train": (60, 181), "validation": (20, 52)}, 233),
    "coco_mini": ("COCO", 80, {"train": (80, 739), "validation": (79, 624)}, 1363),
    "coco128_yolo": ("YOLO", 80, {"train": (128, 929)}, 929),
    "pennfudan": ("PASCAL", 2, {"train": (120, 306), "validation": (50, 117)}, 423),
}


@pytest.mark.parametrize("name", REAL)
def test_real_sets_are_read_whole(name, shared_data):
    layout, classes, splits, total = REAL[name]
    found = open_annotations(str(shared_data / name))
    assert (found.layout, len(found.classes)) == (layout, classes)
    counts = {split: (len(part), sum(len(image.numbers) for image in part)) for split, part in found.splits.items()}
    assert counts == splits
    assert sum(boxes for _, boxes in counts.values()) == total
    assert found.unknown == {}
    assert found.notes == ()
    for image in found.splits["train"][:20]:
        height, width = image.size or (480, 640)
        assert not tidy(image.boxes(height, width), height, width, classes).dropped


def test_the_source_tells_which_classes_are_in_a_picture(shared_data):
    source = open_annotations(str(shared_data / "bccd_voc")).source()
    assert source.info.multi_label
    assert source.info.classes == ("RBC", "WBC", "Platelets")
    assert source.split("train").labels.shape == (90, 3)
    assert source.split("train").labels.sum(axis=0)[0] > 80  # red cells are in nearly every picture


VOC = """<annotation><filename>{name}</filename><size><width>60</width><height>40</height></size>
<object><name>cat</name><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>60</xmax><ymax>40</ymax></bndbox>
<part><name>head</name><bndbox><xmin>9</xmin><ymin>9</ymin><xmax>10</xmax><ymax>10</ymax></bndbox></part></object>
<object><name>dog</name><bndbox><xmin>x</xmin><ymin>2</ymin><xmax>60</xmax></bndbox></object></annotation>"""


def voc(tmp_path, text=VOC, name="a.jpg", stem="a"):
    for folder in ("Annotations", "JPEGImages"):
        (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / "JPEGImages" / f"{stem}.jpg").write_bytes(b"")
    (tmp_path / "Annotations" / f"{stem}.xml").write_text(text.replace("{name}", name))
    return str(tmp_path)


def test_voc_counts_from_one_and_includes_the_last_pixel(tmp_path):
    found = open_annotations(voc(tmp_path))
    (image,) = found.splits["train"]
    assert found.classes == ("cat", "dog")
    assert image.numbers[0].tolist() == [0, 1, 60, 40]
    assert np.isnan(image.numbers[1]).any()
    assert image.difficult.tolist() == [True, False]
    assert image.size == (40, 60)


def test_names_that_are_no_class_are_counted(tmp_path):
    (tmp_path / "classes.txt").write_text("dog\n")
    found = open_annotations(voc(tmp_path))
    assert found.unknown == {"train": {"cat": 1}}
    assert found.splits["train"][0].classes.tolist() == [-1, 0]


def test_an_object_without_a_name_is_of_no_class(tmp_path):
    text = VOC.replace("</annotation>", "<object><name> </name></object></annotation>")
    found = open_annotations(voc(tmp_path, text))
    assert "" not in found.classes
    assert found.unknown == {"train": {"": 1}}


def test_voc_lists(tmp_path):
    for stem in "abc":
        voc(tmp_path, name=f"{stem}.jpg", stem=stem)
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nz\n")
    (lists / "val.txt").write_text("b 1\n")
    found = open_annotations(str(tmp_path))
    assert {split: len(part) for split, part in found.splits.items()} == {"train": 1, "validation": 1}
    assert len(found.notes) == 2  # z has no annotation, c is in no list
    (lists / "val.txt").write_text("a\nb\n")
    with pytest.raises(DataError, match="1 images are in 'validation' and in another split: a"):
        open_annotations(str(tmp_path))


LAUGHS = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><annotation><filename>&c;</filename></annotation>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation><filename>&b;</filename></annotation>'
HOSTILE_XML = {
    "entities": (LAUGHS, "document type"),
    "an external entity": (OUTSIDE, "document type"),
    "a document type elsewhere": ('<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><annotation/>', "document type"),
    "nesting": ("<a>" * 5000, "nests 33"),
    "no XML": ("once upon a time", "no XML"),
    "cut off": (VOC[:200], "no XML"),
    "an encoding of no name": ('<?xml version="1.0" encoding="x-none"?><annotation/>', "save it as UTF-8"),
    "an encoding of several bytes": ('<?xml version="1.0" encoding="gbk"?><annotation/>', "save it as UTF-8"),
    "nothing": ("", "no XML"),
}


@pytest.mark.parametrize("kind", HOSTILE_XML)
def test_hostile_xml_is_refused(kind, tmp_path):
    text, message = HOSTILE_XML[kind]
    with pytest.raises(DataError, match=message):
        open_annotations(voc(tmp_path, text))


def test_long_texts_and_other_trees_are_harmless(tmp_path):
    file = tmp_path / "a.xml"
    file.write_text(
        f"<annotation><filename>a</filename><path>{'x' * 100_000}</path><other><object/></other></annotation>"
    )
    assert read_xml(file) == {"filename": "a", "size": None, "objects": []}


ESCAPES = ["../../x.jpg", "/etc/passwd", "C:\\x.jpg", "..\\x.jpg", "a/../../x.jpg", "\\\\host\\x.jpg"]


@pytest.mark.parametrize("name", ESCAPES)
def test_names_that_leave_the_folder_are_refused(name, tmp_path):
    with pytest.raises(DataError, match="leaves the folder"):
        open_annotations(voc(tmp_path, name=name))
    with pytest.raises(DataError, match="leaves the folder"):
        open_annotations(coco(tmp_path / "coco", {**CONTENT, "images": [{"id": 1, "file_name": name}]}))


CONTENT = {
    "images": [{"id": 7, "file_name": "a.jpg", "height": 40, "width": 60}, {"id": 8, "file_name": "b.jpg"}],
    "categories": [{"id": 90, "name": "dog"}, {"id": 3, "name": "cat"}],
    "annotations": [
        {"image_id": 7, "category_id": 90, "bbox": [1, 2, 3, 4], "segmentation": [[1, 1, 5, 5]]},
        {"image_id": 7, "category_id": 3, "bbox": [1, 2, 3], "iscrowd": 1},
        {"image_id": 7, "category_id": 4, "bbox": None},
        {"image_id": 99, "category_id": 3, "bbox": [1, 2, 3, 4]},
    ],
}


def coco(folder, content=None, name="annotations/instances_train2017.json"):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(CONTENT if content is None else content)
    (folder / name).write_text(text)
    return str(folder)


def test_coco(tmp_path):
    found = open_annotations(coco(tmp_path))
    first, second = found.splits["train"]
    assert found.classes == ("cat", "dog")  # in the order of the ids
    assert first.classes.tolist() == [1, 0, -1]
    assert first.crowd.tolist() == [False, True, False]
    assert first.numbers[0].tolist() == [1, 2, 3, 4]
    assert first.boxes(40, 60).xyxy[0].tolist() == [1, 2, 4, 6]
    assert first.boxes(40, 60).segments == (None, None, None)  # two points are no polygon
    assert np.isnan(first.numbers[1:]).all()
    assert (first.size, second.size, len(second.numbers)) == ((40, 60), None, 0)
    assert found.unknown == {"train": {"4": 1}}
    assert found.notes == ("instances_train2017.json: 1 objects belong to images that are not listed: 99.",)


def test_a_coco_file_by_itself(tmp_path):
    coco(tmp_path)
    assert open_annotations(str(tmp_path / "annotations" / "instances_train2017.json")).splits.keys() == {"train"}


def test_splits_of_other_classes_are_refused(tmp_path):
    coco(tmp_path)
    other = {**CONTENT, "categories": [{"id": 90, "name": "dog"}, {"id": 4, "name": "cow"}]}
    with pytest.raises(DataError, match=r"other categories than the other splits, 2 differ: 3 cat, 4 cow"):
        open_annotations(coco(tmp_path, other, "annotations/instances_val2017.json"))


HOSTILE_JSON = {
    "deep nesting": ("[" * 100_000, "no JSON"),
    "no JSON": ("{", "no JSON"),
    "an endless number": ('{"images": ' + "9" * 10_000 + "}", "no JSON"),
    "a list": ("[]", "lacks the list 'images'"),
    "no annotations": ({"images": [], "categories": []}, "lacks the list 'annotations'"),
    "images that are none": ({**CONTENT, "images": [3]}, "lacks the list 'images'"),
    "an id twice": ({**CONTENT, "images": [{"id": 1, "file_name": "a"}] * 2}, "1 image ids stand twice"),
    "no file name": ({**CONTENT, "images": [{"id": 1, "file_name": 3}]}, "no file name"),
    "no category": ({**CONTENT, "categories": []}, "no class"),
    "a category twice": ({**CONTENT, "categories": [{"id": 1}] * 2}, "each once"),
    "a category without an id": ({**CONTENT, "categories": [{"name": "a"}]}, "whole numbers"),
    "no image": ({**CONTENT, "images": []}, "has no image"),
}


@pytest.mark.parametrize("kind", HOSTILE_JSON)
def test_hostile_json_is_refused(kind, tmp_path):
    content, message = HOSTILE_JSON[kind]
    with pytest.raises(DataError, match=message):
        open_annotations(coco(tmp_path, content))


def yolo(folder, text, split="train"):
    for kind in ("images", "labels"):
        (folder / kind / split).mkdir(parents=True, exist_ok=True)
    (folder / "images" / split / "a.jpg").write_bytes(b"")
    (folder / "images" / split / "b.jpg").write_bytes(b"")
    (folder / "labels" / split / "a.txt").write_text(text)
    return str(folder)


def test_yolo(tmp_path):
    (tmp_path / "data.yaml").write_text("path: .\nnames: ['cat', dog]\nnc: 2\n")
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / "z.txt").write_text("")
    lines = ["0 0.5 0.5 0.5 0.5", "1 0 0 1 0 1 1", "", "2 0.5 0.5 1 1", "cat 0.5 0.5 1 1", "1 0.5 0.5 1", "1.5 a b c d"]
    found = open_annotations(yolo(tmp_path, "\n".join(lines)))
    image, background = found.splits["train"]
    boxes = image.boxes(40, 60)
    assert found.classes == ("cat", "dog")
    assert boxes.xyxy[:3].tolist() == [[15, 10, 45, 30], [0, 0, 60, 40], [0, 0, 60, 40]]
    assert boxes.segments == (None, [[0, 0, 60, 0, 60, 40]], None, None, None, None)
    assert boxes.classes.tolist() == [0, 1, -1, -1, 1, -1]
    assert np.isnan(boxes.xyxy[4:]).any(axis=1).all()
    assert len(background.numbers) == 0
    assert found.unknown == {"train": {"2": 1, "cat": 1, "1.5": 1}}
    assert found.notes == ("1 label files have no image: z.txt.",)


def test_yolo_splits_and_classes_without_names(tmp_path):
    yolo(tmp_path, "4 0.5 0.5 1 1")
    found = open_annotations(yolo(tmp_path, "0 0.5 0.5 1 1", "val2017"))
    assert set(found.splits) == {"train", "validation"}
    assert found.classes == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names: [a, 'b c',\n  \"d\"]", ("a", "b c", "d")),
        ("nc: 2\nnames:\n- a\n- b\nother: 1", ("a", "b")),
        ("names:\n  0: a\n  # note\n  2: b  # the second\n", ("a", "1", "b")),
        ("names: {0: a, 2: 'b c'}\nnc: 3", ("a", "1", "b c")),
        ("names: {\n  1: b,\n  0: a\n}", ("a", "b")),
        ("train: x", ()),
    ],
)
def test_names_of_a_yaml_file(text, names):
    assert yaml_names(text) == names


def test_what_holds_no_boxes(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="no boxes in a layout"):
        open_annotations(str(tmp_path))
    with pytest.raises(DataError, match="does not exist"):
        open_annotations(str(tmp_path / "nowhere"))
