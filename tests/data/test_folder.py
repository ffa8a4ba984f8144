"""Image folders and CSV tables: what is read, and what each mistake is told."""

import numpy as np
import pytest
from PIL import Image

from kcnn.data import layouts, open_source
from kcnn.errors import DataError, UnknownNameError
from kcnn.recipe import Data


def picture(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 5), (value, 0, 0)).save(path)


def opened(path):
    return open_source(Data(source=str(path), validation=0))


def red(split, index):
    return int(split.read(np.int64(index))["image"][0, 0, 0])


def test_class_folders_alone_are_the_training_split(tmp_path):
    for value, name in enumerate(("b/1.png", "a/2.png", "a/1.png", "b/x.BMP")):
        picture(tmp_path / name, value)
    source = opened(tmp_path)
    assert source.info.classes == ("a", "b")
    assert source.info.splits == {"train": 4}
    split = source.split("train")
    assert split.labels.tolist() == [0, 0, 1, 1]
    assert [red(split, i) for i in range(4)] == [2, 1, 0, 3]
    assert split.names(0) == str(tmp_path / "a" / "1.png")


@pytest.mark.parametrize(("given", "split"), [("val", "validation"), ("valid", "validation"), ("testing", "test")])
def test_split_folders_by_any_usual_name(tmp_path, given, split):
    for part in ("train", given):
        picture(tmp_path / part / "cat" / "1.png")
        picture(tmp_path / part / "dog" / "1.png")
    assert opened(tmp_path).info.splits == {"train": 2, split: 2}


def test_a_class_may_be_absent_from_the_test_split(tmp_path):
    for name in ("train/cat", "train/dog", "test/dog"):
        picture(tmp_path / name / "1.png")
    assert opened(tmp_path).split("test").labels.tolist() == [1]


def test_real_flowers(shared_data):
    source = opened(shared_data / "flowers_mini")
    assert source.info.splits == {"train": 500, "test": 100}  # README of the data: 100 and 20 a class
    assert source.info.classes == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert np.bincount(source.split("train").labels).tolist() == [100] * 5


def test_hidden_files_text_and_foreign_formats(tmp_path):
    picture(tmp_path / "cat" / "1.png")
    (tmp_path / "cat" / ".hidden.png").write_bytes(b"")
    (tmp_path / "cat" / "notes.txt").write_text("mine")
    (tmp_path / "cat" / "2.webp").write_bytes(b"RIFF")
    (tmp_path / ".git").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    split = opened(tmp_path).split("train")
    # the WebP stays listed, so that the scan before training can name it
    assert [name.rpartition("/")[2] for name in split.files] == ["1.png", "2.webp"]


def test_names_beyond_ascii(tmp_path):
    picture(tmp_path / "čaj a káva" / "žluťoučký 😀.png", 7)
    assert red(opened(tmp_path).split("train"), 0) == 7


def test_symlinks_work_and_loops_end(tmp_path):
    picture(tmp_path / "elsewhere" / "1.png")
    root = tmp_path / "root"
    root.mkdir()
    (root / "cat").symlink_to(tmp_path / "elsewhere")
    picture(root / "dog" / "1.png")
    (root / "dog" / "loop").symlink_to(root)
    (root / "dog" / "self.png").symlink_to(root / "dog" / "self.png")
    assert opened(root).info.splits == {"train": 3}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "empty folder"),
        (["1.png", "2.png"], "2 images side by side"),
        (["a/b/c/1.png", "d/e/1.png"], "too deep, as in a/b/c/1.png"),
        (["cat/1.png", "dog/notes.txt"], "class folder 'dog' has no image"),
        (["train/cat/1.png", "val/dog/1.png"], "'validation' has 1 classes that 'train' has not: dog"),
        (["val/cat/1.png", "test/cat/1.png"], "no folder 'train'"),
        (["train/1.png", "test/cat/1.png"], "images side by side"),
        (["notes.txt"], "nothing that kcnn knows"),
    ],
)
def test_a_wrong_tree_is_explained(tmp_path, files, message):
    for name in files:
        if name.endswith(".png"):
            picture(tmp_path / name)
        else:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("text")
    with pytest.raises(DataError, match=message):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("folder", "layout"),
    [
        ("bccd_voc", "VOC"),
        ("coco128_yolo", "YOLO"),
        ("coco_mini", "COCO"),
        ("flickr_captions", "captions"),
    ],
)
def test_layouts_of_other_tasks_are_named(shared_data, folder, layout):
    assert layouts.recognise(str(shared_data / folder)).name == layout
    with pytest.raises(DataError, match="Classification cannot read it"):
        opened(shared_data / folder)


@pytest.mark.parametrize(
    ("folder", "layout"), [("cifar10", "npz"), ("flowers_mini", "ImageFolder"), ("imagenet_samples", "CSV")]
)
def test_readable_layouts_are_recognised(shared_data, folder, layout):
    assert layouts.recognise(str(shared_data / folder)).name == layout


def test_bare_tfrecords_are_explained(tmp_path):
    (tmp_path / "train.tfrecord-00000-of-00001").write_bytes(b"")
    with pytest.raises(DataError, match=r"dataset_info\.json"):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["nowhere/photos", "photos.csv", "./photos"])
def test_a_path_that_is_not_there(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        open_source(name)


def test_a_word_that_is_no_source_has_its_nearest():
    with pytest.raises(UnknownNameError, match="'digits'"):
        open_source("digit")


def table(folder, text, name="labels.csv"):
    for value in range(4):
        picture(folder / "images" / f"{value}.png", value)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_table_with_names_splits_and_a_byte_order_mark(tmp_path):
    rows = "\ufefffile,class,split\n1.png,dog,train\n0.png,cat,train\nimages/2.png,cat,test\n3.png,dog,val\n"
    source = opened(table(tmp_path, rows))
    assert source.info.classes == ("cat", "dog")
    assert source.info.splits == {"train": 2, "validation": 1, "test": 1}
    train = source.split("train")
    assert [(red(train, i), int(train.labels[i])) for i in range(2)] == [(1, 1), (0, 0)]
    assert opened(tmp_path).info == source.info.__class__(**{**vars(source.info), "name": str(tmp_path / "labels.csv")})


def test_a_table_without_header_and_with_ids(tmp_path):
    path = table(tmp_path, "0.png,2\n1.png,0\n")
    assert opened(path).info.classes == ("0", "1", "2")
    (tmp_path / "classes.txt").write_text("ant\nbee\ncow\n")
    source = opened(path)
    assert source.info.classes == ("ant", "bee", "cow")
    assert source.split("train").labels.tolist() == [2, 0]


def test_digits_of_other_scripts_are_names(tmp_path):
    assert opened(table(tmp_path, "0.png,²\n1.png,1\n")).info.classes == ("1", "²")


def test_real_imagenet_table(shared_data):
    source = opened(shared_data / "imagenet_samples" / "labels.csv")
    assert source.info.splits == {"train": 100}
    assert source.split("train").read(np.int64(0))["image"].shape[-1] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("path,label\n", "a header and no row"),
        ("path,split\n0.png,train\n", "no label column"),
        ("label,split\ncat,train\n", "no image column"),
        ("path,label\n0.png,cat\nmissing.png,cat\n", "line 3: image 'missing.png'"),
        ("0.png,0\nmissing.png,0\n", "line 2: image 'missing.png'"),
        ("path,label\n0.png\n", "line 2: 1 cells but 2"),
        ("path;label\n0.png;cat\n", "between commas: 'path;label'"),
        ("path,label\n0.png,cat\n1.png,\n0.png, \n", "2 of 3 rows have no label, first line 3, line 4"),
        ("path,label\n0.png,1\n1.png,\n", "1 of 2 rows have no label, first line 3"),
        ("path,label,split\n0.png,cat,holdout\n", "split is 'holdout'"),
        ("path,label,split\n0.png,cat,test\n", "none for the split 'train'"),
        ("path,label\n0.png,0\n\n1.png,-1\n", r"1 of 2 labels lie outside 0\.\.0, first line 4: -1\."),
        ("path,label\n0.png,4006381333931\n", "1 of 1 labels lie outside 0..99999, first line 2: 4006381333931"),
    ],
)
def test_a_wrong_table_is_explained(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        opened(table(tmp_path, text))


def test_an_id_beyond_the_class_list(tmp_path):
    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    with pytest.raises(DataError, match=r"labels lie outside 0\.\.1, first line 2: 2"):
        opened(table(tmp_path, "0.png,0\n1.png,2\n"))
