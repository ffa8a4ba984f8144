"""Folders of images and masks: real data sets counted, the usual trees made here, and what each mistake is told."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kcnn
from kcnn.data import layouts, mask_classes, open_source
from kcnn.data.masks import IGNORE
from kcnn.errors import DataError
from kcnn.recipe import Data

CAMVID = ("Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian")


def opened(path):
    return open_source(Data(source=str(path), validation=0))


def photo(path, size=(4, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 0, 0)).save(path)


def drawing(path, value=0, size=(4, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB" if isinstance(value, tuple) else "L", size, value).save(path)


def ids(source, split="train", index=0):
    return np.unique(source.split(split).read(np.int64(index))["mask"]).tolist()


# Counts and classes: README of the data.


def test_real_camvid(shared_data):
    source = opened(shared_data / "camvid")
    assert source.info.splits == {"train": 367, "validation": 101, "test": 233}
    assert source.info.classes == (*CAMVID, "Bicyclist")
    assert source.info.palette[:2] == ((128, 128, 128), (128, 0, 0))
    assert source.info.keys == ("mask",)
    split = source.split("test")
    assert split.files[0].replace("/test/", "/testannot/").replace(".jpg", ".png") == split.masks[0]
    raw = np.array(Image.open(split.masks[0]))
    np.testing.assert_array_equal(split.read(np.int64(0))["mask"], np.where(raw == 11, IGNORE, raw))
    images, drawn = next(iter(kcnn.load(str(shared_data / "camvid"), "test", batch_size=2, image_size=(180, 240))))
    assert (images.shape, drawn.shape, drawn.dtype) == ((2, 180, 240, 3), (2, 180, 240), tf.uint8)
    np.testing.assert_array_equal(drawn[0], np.where(raw == 11, IGNORE, raw))


def test_real_voc(shared_data):
    source = opened(shared_data / "voc_mini")
    assert sum(source.info.splits.values()) == 74
    assert source.info.classes == mask_classes.VOC  # its classes.txt has the 20, in their order
    split = source.split("validation")
    np.testing.assert_array_equal(split.read(np.int64(3))["mask"], np.array(Image.open(split.masks[3])))


def test_real_pets(shared_data):
    source = opened(shared_data / "pets_mini")
    assert source.info.splits == {"train": 150, "test": 60}
    assert source.info.classes == ("pet", "background", "border")
    split = source.split("train")
    np.testing.assert_array_equal(split.read(np.int64(9))["mask"], np.array(Image.open(split.masks[9])) - 1)


def test_real_pedestrians(shared_data):
    source = opened(shared_data / "pennfudan")
    assert source.info.splits == {"train": 120, "validation": 50}
    split = source.split("train")
    raw = np.array(Image.open(split.masks[5]))
    assert raw.max() > 1
    np.testing.assert_array_equal(split.read(np.int64(5))["mask"], raw > 0)


def test_real_coco(shared_data):
    with pytest.raises(DataError, match="masks:PATH"):
        opened(shared_data / "coco_mini")
    source = opened(f"masks:{shared_data / 'coco_mini'}")
    assert source.info.splits == {"train": 80, "validation": 79}
    assert len(source.info.classes) == 81
    assert source.info.classes[:2] == ("background", "person")
    example = source.split("train").read(np.int64(1))
    assert example["mask"].shape == example["image"].shape[:2]
    assert "person" in [source.info.classes[i] for i in np.unique(example["mask"]) if i != IGNORE]


def test_every_tenth_is_held_out(shared_data):
    source = open_source(Data(source=str(shared_data / "pets_mini"), validation=0.1))
    assert source.info.splits == {"train": 135, "validation": 15, "test": 60}
    parts = [set(source.split(name).masks) for name in ("train", "validation")]
    assert not parts[0] & parts[1]


def test_masks_of_a_tree_with_boxes_and_masks(shared_data):
    found = [layouts.recognise(str(shared_data / "voc_mini"), target).name for target in ("", "mask", "boxes")]
    assert found == ["VOC masks", "VOC masks", "VOC"]
    with pytest.raises(DataError, match="has no mask in a layout"):
        opened(f"masks:{shared_data / 'flowers_mini'}")


def test_many_photos_do_not_hide_the_masks(tmp_path):
    (tmp_path / "images").mkdir()
    for value in range(layouts.MOST_NAMES + 1):
        (tmp_path / "images" / f"{value}.jpg").touch()
    drawing(tmp_path / "masks" / "0.png")
    assert layouts.recognise(str(tmp_path)).name == "images and masks"


TREES = {
    "flat": (["images/a.jpg", "images/b.png"], ["masks/a.png", "masks/b_mask.png"], {"train": 2}),
    "above": (["train/images/a.jpg", "val/images/b.jpg"], ["train/masks/a.png", "val/masks/b.png"], None),
    "below": (["images/train/a.jpg", "images/val/b.jpg"], ["masks/train/a.png", "masks/val/b-label.png"], None),
    "deep": (["imgs/x/a.jpg", "imgs/y/a.jpg"], ["mask/x/a.png", "mask/y/a.png"], {"train": 2}),
    "names": (["images/a_mask.jpg", "images/a.jpg"], ["masks/a_mask.png", "masks/a.png"], {"train": 2}),
}


@pytest.mark.parametrize(("images", "drawn", "counts"), TREES.values(), ids=TREES)
def test_images_and_masks(tmp_path, images, drawn, counts):
    for value, (image, mask) in enumerate(zip(images, drawn, strict=True)):
        photo(tmp_path / image, (4 + value, 3))
        drawing(tmp_path / mask, value, (4 + value, 3))
    (tmp_path / "classes.txt").write_text("ground\ncat\n")
    source = opened(tmp_path)
    assert source.info.splits == (counts or {"train": 1, "validation": 1})
    assert source.info.classes == ("ground", "cat")
    found = [example for part in source.splits.values() for example in map(ids_of(part), range(part.size))]
    assert sorted(found) == [(4, 0), (5, 1)]  # a pair of two different files would differ in width


def ids_of(split):
    def one(index):
        example = split.read(np.int64(index))
        return int(example["image"].shape[1]), int(np.unique(example["mask"])[0])

    return one


LINES = {
    "pairs": "images/b c.jpg masks/b c.png",
    "names": "b c",
    "files": "images/b c.jpg",
    "numbers behind": "d 1 1 2",
    "elsewhere": "/far/images/b c.jpg /far/masks/b c.png\n\n",
}


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_lists_say_what_belongs_to_a_split(tmp_path, lines):
    for name in ("a", "b c", "d"):
        photo(tmp_path / "images" / f"{name}.jpg")
        drawing(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "classes.txt").write_text("ground\n")
    (tmp_path / "train.txt").write_text(lines)
    source = opened(tmp_path)
    assert source.info.splits == {"train": 1}
    name = "d" if lines.startswith("d") else "b c"
    assert source.split("train").masks[0].endswith(f"masks/{name}.png")
    assert ids(source) == [0]


def test_segnet_lists_with_paths_from_elsewhere(tmp_path):
    photo(tmp_path / "train" / "1.png")
    drawing(tmp_path / "trainannot" / "1.png", 1)
    (tmp_path / "train.txt").write_text("/SegNet/CamVid/train/1.png /SegNet/CamVid/trainannot/1.png\n")
    (tmp_path / "classes.txt").write_text("Void\nRoad\nUnlabelled\nCar\n")
    source = opened(tmp_path)
    assert source.info.classes == ("Road", "Car")
    assert source.info.palette == ((128, 64, 128), (64, 0, 128))
    assert ids(source) == [0]  # id 1 moves up behind the void one


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [("labelIds", (0, 7, 26, 33), (IGNORE, 0, 13, 18)), ("labelTrainIds", (0, 13, 18, 255), (0, 13, 18, IGNORE))],
)
def test_cityscapes(tmp_path, kind, values, expected):
    """Of 34 label ids 19 are learnt (Cordts 2016): road 7 is the first, car 26 the 14th, bicycle 33 the last."""
    for split in ("train", "val"):
        for value in values:
            name = f"{split}/ulm/ulm_{value:06}_000019"
            photo(tmp_path / "leftImg8bit" / f"{name}_leftImg8bit.png")
            drawing(tmp_path / "gtFine" / f"{name}_gtFine_{kind}.png", value)
            drawing(tmp_path / "gtFine" / f"{name}_gtFine_color.png", (1, 2, 3))
            drawing(tmp_path / "gtFine" / f"{name}_gtFine_instanceIds.png", 9)
    source = opened(tmp_path)
    assert layouts.recognise(str(tmp_path)).name == "Cityscapes"
    assert source.info.splits == {"train": 4, "validation": 4}
    assert [ids(source, "validation", i) for i in range(4)] == [[value] for value in expected]
    assert (source.info.classes[0], source.info.classes[13], source.info.classes[18]) == ("road", "car", "bicycle")
    assert len(source.info.classes) == len(source.info.palette) == 19


def test_colours_with_a_palette_file(tmp_path):
    photo(tmp_path / "images" / "a.jpg")
    drawing(tmp_path / "masks" / "a.png", (0, 255, 0))
    (tmp_path / "palette.txt").write_text("10 20 30 void\n255 0 0 red thing\n0 255 0 green thing\n")
    source = opened(tmp_path)
    assert source.info.classes == ("red thing", "green thing")
    assert source.info.palette == ((255, 0, 0), (0, 255, 0))
    assert ids(source) == [1]


@pytest.mark.parametrize(
    "text",
    [
        "0 0 0 sky\n128 0 12 tall tree\n",
        "name,r,g,b\nsky,0,0,0\ntall tree,128,0,12\n",
        "# label:color_rgb:parts:actions\nsky:0,0,0::\ntall tree:128,0,12::\n",
        "\ufeff0\t0\t0\tsky\n\n128\t0\t12\ttall tree\n",
    ],
)
def test_palette_files(tmp_path, text):
    (tmp_path / "p").write_text(text, encoding="utf-8")
    assert mask_classes.read_palette(tmp_path / "p") == [("sky", (0, 0, 0)), ("tall tree", (128, 0, 12))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0 sky\n", "line 1: '0 0 sky'"),
        ("0 0 0 sky\n0 0 300 tree\n", r"line 2: colour \(0, 0, 300\)"),
        ("0 0 0 sky\n0 0 0 tree\n", "'tree' has the colour of 'sky'"),
        ("\n", "names no class"),
    ],
)
def test_wrong_palette_files(tmp_path, text, message):
    (tmp_path / "p").write_text(text)
    with pytest.raises(DataError, match=message):
        mask_classes.read_palette(tmp_path / "p")


def pair(folder, **texts):
    photo(folder / "images" / "a.jpg")
    drawing(folder / "masks" / "a.png")
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, errors="surrogateescape")
    return folder


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({}, r"no classes\.txt"),
        ({"classes": "void\n"}, "names 0 classes"),
        ({"classes": "\n".join(map(str, range(255)))}, "names 255 classes but must name 1 to 254"),
        ({"classes": "cat\n", "palette": "1 2 3 dog\n"}, "name different classes"),
        ({"classes": "cat\ndog\ncat\n"}, r"classes\.txt names 'cat' twice"),
        ({"palette": "1 2 3 dog\n4 5 6 dog\n"}, r"palette\.txt names 'dog' twice"),
        ({"palette": "1 2 3 caf\udce9\n"}, r"palette\.txt is not text in UTF-8"),
    ],
)
def test_what_cannot_be_opened(tmp_path, texts, message):
    with pytest.raises(DataError, match=message):
        opened(pair(tmp_path, **texts))


def test_two_masks_of_one_name(tmp_path):
    pair(tmp_path, classes="cat\n")
    drawing(tmp_path / "masks" / "a_mask.png")
    with pytest.raises(DataError, match=r"a\.png and a_mask\.png are the same example"):
        opened(tmp_path)


def test_masks_without_a_training_split(tmp_path):
    photo(tmp_path / "val" / "a.jpg")
    drawing(tmp_path / "valannot" / "a.png")
    (tmp_path / "classes.txt").write_text("cat\n")
    with pytest.raises(DataError, match="validation, none for 'train'"):
        opened(tmp_path)


def test_coco_painted_by_hand(tmp_path):
    """A square of 36 pixels with one of 4 on it, a crowd, and an object without a shape."""
    import json

    photo(tmp_path / "train" / "a.jpg", (10, 8))

    def square(x, y, side):
        return [[x, y, x + side, y, x + side, y + side, x, y + side]]

    def entry(number, category, box, segmentation, crowd=0):
        return {"id": number, "image_id": 1, "category_id": category, "bbox": box, "iscrowd": crowd} | (
            {"segmentation": segmentation} if segmentation else {}
        )

    crowd = np.zeros((8, 10), np.uint8)
    crowd[7, :3] = 1
    runs = np.flatnonzero(np.diff(np.concatenate([[2], crowd.ravel("F"), [2]])))
    counts = np.diff(runs).tolist()
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 8, "width": 10}],
        "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": [
            entry(1, 7, [1, 1, 2, 2], square(1, 1, 2)),
            entry(2, 3, [0, 0, 6, 6], square(0, 0, 6)),
            entry(3, 3, [0, 7, 3, 1], {"counts": counts, "size": [8, 10]}, crowd=1),
            entry(4, 3, [8, 6, 2, 2], None),
        ],
    }
    (tmp_path / "train" / "_annotations.coco.json").write_text(json.dumps(content))
    source = opened(f"masks:{tmp_path}")
    assert source.info.classes == ("background", "cat", "dog")
    expected = np.zeros((8, 10), np.uint8)
    expected[:6, :6] = 1
    expected[1:3, 1:3] = 2
    expected[7, :3] = IGNORE
    expected[6:8, 8:10] = IGNORE
    np.testing.assert_array_equal(source.split("train").read(np.int64(0))["mask"], expected)


def test_facts_are_plain(shared_data):
    from kcnn.data.source import describe

    found = describe(opened(shared_data / "pennfudan"))
    assert found["palette"] == [[0, 0, 0], [128, 0, 0]]


def test_coco_of_16_bits(tmp_path):
    import json

    values = (128 * 256 + np.arange(80).reshape(8, 10, 1)).astype(np.uint16)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.png").write_bytes(tf.io.encode_png(values).numpy())
    corners = [[1, 1, 3, 1, 3, 3, 1, 3]]
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 8, "width": 10}],
        "categories": [{"id": 7, "name": "cell"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [1, 1, 2, 2], "segmentation": corners}],
    }
    (tmp_path / "train" / "_annotations.coco.json").write_text(json.dumps(content))
    example = opened(f"masks:{tmp_path}").at_depth(16).split("train").read(tf.constant(0, tf.int64))
    np.testing.assert_array_equal(np.rint(257 * example["image"].numpy())[..., :1], values)
    assert int(tf.reduce_sum(example["mask"])) == 4
