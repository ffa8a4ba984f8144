"""Signature, decode, caption and draw."""

import json

import numpy as np
import pytest

from kcnn.data.source import Info
from kcnn.tasks.classification.predictions import FILL, caption, decode, draw, signature

from .sources import recipe

NAMES = ("boot", "bag", "coat", "shirt", "dress", "sandal")
ONE = Info(name="shop", splits={"train": 1}, classes=NAMES)
SEVERAL = Info(name="shop", splits={"train": 1}, classes=NAMES, multi_label=True)
SCORES = np.array([0.1, 0.5, 0.2, 0.05, 0.05, 0.1], "float32")


def test_softmax_signature():
    made = signature(recipe(), ONE)
    found = made.finish(np.array([[0.0, np.log(3.0)]], "float32"))["probabilities"]
    np.testing.assert_allclose(found, [[0.25, 0.75]], rtol=1e-6)
    assert made.outputs == ("probabilities",)
    assert made.answers({"probabilities": SCORES[None]}).tolist() == [1]
    assert made.truth({"label": [3]}).tolist() == [3]


def test_sigmoid_signature():
    made = signature(recipe(multi_label=True), SEVERAL)
    found = made.finish(np.array([[0.0, np.log(3.0)]], "float32"))["probabilities"]
    np.testing.assert_allclose(found, [[0.5, 0.75]], rtol=1e-6)
    assert made.answers({"probabilities": np.array([[0.5, 0.49, 1.0]])}).tolist() == [[1, 0, 1]]


def test_decode_one_label():
    found = decode({"probabilities": SCORES}, ONE, (10, 10))
    assert (found["label"], found["class_id"], found["probability"]) == ("bag", 1, 0.5)
    assert [row["label"] for row in found["top"]] == ["bag", "coat", "boot", "sandal", "shirt"]  # ties: lower id first
    json.dumps(found)


def test_decode_several_labels():
    found = decode({"probabilities": np.array([0.6, 0.9, 0.5, 0.1, 0, 0])}, SEVERAL, (10, 10))
    assert found["labels"] == ["bag", "boot", "coat"]
    assert decode({"probabilities": np.zeros(6)}, SEVERAL, (10, 10))["labels"] == []


def test_decode_of_a_single_class():
    info = Info(name="x", splits={"train": 1}, classes=("only",))
    assert decode({"probabilities": np.ones(1)}, info, (1, 1))["top"] == [{"label": "only", "probability": 1.0}]


@pytest.mark.parametrize(
    ("label", "info", "words"),
    [
        (np.int32(2), ONE, "coat"),
        (np.array([0.3, 0, 0.7, 0, 0, 0]), ONE, "coat 70% + boot 30%"),
        (np.array([1, 0, 1, 0, 0, 0]), SEVERAL, "boot + coat"),
        (np.zeros(6), SEVERAL, "no label"),
    ],
)
def test_caption(label, info, words):
    assert caption(label, info) == words


@pytest.mark.parametrize("shape", [(8, 8, 1), (30, 500, 3), (300, 200, 3), (1, 1, 1)])
def test_draw_puts_a_strip_under_the_whole_image(shape):
    image = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    picture = draw(image, decode({"probabilities": SCORES}, ONE, shape[:2]), ONE)
    factor = max(1, round(224 / min(shape[:2])))
    height, width = factor * shape[0], factor * shape[1]
    assert (picture.dtype, picture.shape[1:]) == (np.uint8, (width, 3))
    assert picture.shape[0] > height
    enlarged = np.repeat(np.repeat(image, factor, axis=0), factor, axis=1)
    np.testing.assert_array_equal(picture[:height], np.broadcast_to(enlarged, (height, width, 3)))


def test_the_bar_is_as_long_as_the_probability():
    fill = tuple(int(FILL[i : i + 2], 16) for i in (1, 3, 5))
    image = np.zeros((224, 224, 1), np.uint8)
    row = draw(image, decode({"probabilities": SCORES}, ONE, (224, 224)), ONE)[224 + 2]
    share = np.mean((row == fill).all(axis=1))
    assert share == pytest.approx(0.5, abs=0.02)


def test_draw_writes_the_target():
    image = np.zeros((224, 224, 3), np.uint8)
    boot, coat = (draw(image, {"image": image, "label": np.int32(i)}, ONE) for i in (0, 2))
    assert boot.shape == coat.shape
    assert not np.array_equal(boot, coat)
