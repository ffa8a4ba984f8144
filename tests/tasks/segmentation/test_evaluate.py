"""The report, on a "network" whose answers are known: the class of the nearest colour."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest
from PIL import Image

from kcnn.data.source import Split
from kcnn.errors import DataError
from kcnn.tasks.segmentation.evaluate import evaluate

from .sources import COLOURS, SIZE, recipe, scenes, source


def seer(classes=4, size=SIZE):
    """A 1x1 convolution whose largest logit is the nearest colour: 2 c.x - c.c, with x = 127.5 (input + 1)."""
    inputs = keras.Input((*size, 3))
    layer = keras.layers.Conv2D(classes, 1)
    model = keras.Model(inputs, layer(inputs))
    colours = COLOURS[:classes].astype("float64")
    bias = 2 * colours.sum(axis=1) * 127.5 - (colours**2).sum(axis=1)
    layer.set_weights([2 * 127.5 * colours.T[None, None], bias])
    return model


def table(path):
    with path.open() as file:
        return list(csv.reader(file))


def test_a_perfect_answer(tmp_path):
    report = evaluate(seer(), recipe(), source(), "test", frozenset(), tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert (report["data"], report["split"], report["examples"]) == ("scenes", "test", 6)
    for name in ("pixel_accuracy", "mean_accuracy", "mean_iou", "weighted_iou", "boundary_f"):
        assert report[name] == pytest.approx(1)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "report.json", "metrics.csv", "images.csv", "confusion_matrix.csv", "confusion_matrix.png", "worst_images.png"
    }  # fmt: skip  # all images have one size, so there is no iou_by_size.png
    assert table(tmp_path / "metrics.csv")[0][:2] == ["class", "iou"]


def test_half_a_wrong_image_by_hand(tmp_path):
    """One image, left half class 0, right half 1, bottom row ignored; in the mask the top half of class 1 says 2."""
    mask = np.zeros((1, 32, 48), np.uint8)
    mask[:, :, 24:] = 1
    image = COLOURS[mask].astype(np.uint8)
    mask[:, :16, 24:] = 2
    mask[:, -1] = 255
    data = source(test=(image, mask))
    report = evaluate(seer(), recipe(), data, "test", frozenset(), tmp_path)
    zero, one, two = 31 * 24, 15 * 24, 16 * 24  # pixels of each class
    assert report["pixel_accuracy"] == pytest.approx((zero + one) / (zero + one + two))
    assert report["mean_iou"] == pytest.approx((1 + one / (one + two) + 0) / 3)
    rows = report["per_class"]
    assert [row["pixels"] for row in rows] == [zero, one, two, 0]
    assert [row["iou"] for row in rows] == [1, pytest.approx(one / (one + two)), 0, None]
    assert table(tmp_path / "confusion_matrix.csv")[3] == ["water", "0", str(two), "0", "0"]
    assert table(tmp_path / "images.csv")[1][:4] == ["test[0]", "32", "48", str(report["mean_iou"])]


def test_boundary_scores_are_means_over_images_by_hand(tmp_path):
    """Two images of ground and water are right, in one brick is claimed on plain ground, one has no boundary at all."""
    masks = np.zeros((4, 32, 48), np.uint8)
    masks[:2, :, 24:] = 2
    seen = masks.copy()
    seen[2, :, 24:] = 1
    report = evaluate(
        seer(), recipe(), source(test=(COLOURS[seen].astype(np.uint8), masks)), "test", frozenset(), tmp_path
    )
    assert report["boundary_f"] == pytest.approx((1 + 1 + 0) / 3)
    by_class = [row["boundary_f"] for row in report["per_class"]]
    assert by_class == [pytest.approx((1 + 1 + 0) / 3), 0, 1, None]


@pytest.mark.slow
def test_images_of_several_sizes_are_measured_in_their_own_pixels(tmp_path):
    made = [scenes(1, size, seed=i) for i, size in enumerate([(32, 48), (64, 96), (20, 30), (50, 41)])]

    def read(index):
        import tensorflow as tf

        pairs = [lambda pair=pair: (tf.constant(pair[0][0]), tf.constant(pair[1][0])) for pair in made]
        image, mask = tf.switch_case(tf.cast(index, tf.int32), pairs)
        return {"image": tf.ensure_shape(image, (None, None, 3)), "mask": tf.ensure_shape(mask, (None, None))}

    part = Split(size=4, read=read, labels=np.zeros((4, 0), np.uint8), names=lambda i: f"photo{i}.jpg", target="mask")
    data = source()
    data = dataclasses.replace(data, splits={**data.splits, "test": part})
    tiles = evaluate(seer(), recipe(inference="tiles"), data, "test", frozenset(), tmp_path)
    assert tiles["mean_iou"] == pytest.approx(1)
    assert sum(row["pixels"] for row in tiles["per_class"]) == sum((mask != 255).sum() for _, mask in made)
    assert (tmp_path / "iou_by_size.png").is_file()
    resized = evaluate(seer(), recipe(), data, "test", frozenset(), tmp_path)
    assert 0.7 < resized["mean_iou"] < 1  # resizing blurs edges
    looks = evaluate(seer(), recipe(scales=(1.0, 1.5), mirror=True), data, "test", frozenset(), tmp_path)
    assert looks["mean_iou"] > 0.6


def test_worst_images_come_first(tmp_path):
    images, masks = scenes(3, seed=5)
    masks[1] = (masks[1] + 1) % 4  # wrong throughout
    masks[2] = 255  # nothing to be right about
    report = evaluate(seer(), recipe(), source(test=(images, masks)), "test", frozenset(), tmp_path)
    assert [row[0] for row in table(tmp_path / "images.csv")[1:]] == ["test[1]", "test[0]"]
    assert report["examples"] == 3
    assert Image.open(tmp_path / "worst_images.png").size[0] > 500


def test_left_out_examples_do_not_count(tmp_path):
    report = evaluate(seer(), recipe(), source(), "test", frozenset({0, 5}), tmp_path)
    assert report["examples"] == 4


def test_one_class(tmp_path):
    report = evaluate(seer(1), recipe(), source(classes=1), "test", frozenset(), tmp_path)
    assert (report["mean_iou"], report["boundary_f"]) == (1, None)


def test_what_cannot_be_measured(tmp_path):
    images, masks = scenes(2)
    with pytest.raises(DataError, match="no pixel of split 'test' has a class"):
        evaluate(seer(), recipe(), source(test=(images, masks * 0 + 255)), "test", frozenset(), tmp_path)
    with pytest.raises(DataError, match="every example of split 'test' is unreadable"):
        evaluate(seer(), recipe(), source(), "test", frozenset(range(6)), tmp_path)
    broken = seer()
    broken.layers[-1].set_weights([np.full((1, 1, 3, 4), np.nan), np.zeros(4)])
    with pytest.raises(DataError, match="not finite"):
        evaluate(broken, recipe(), source(), "test", frozenset(), tmp_path)
