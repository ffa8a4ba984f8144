"""From class maps to shares, palettes and pictures."""

import numpy as np
import pytest

from kcnn.data.source import Info
from kcnn.tasks.segmentation.predictions import decode, draw, overlay, shares, signature

INFO = Info(name="x", splits={}, classes=("sky", "road", "car"), palette=((0, 0, 240), (120, 120, 120), (240, 0, 0)))


def test_the_signature_gives_the_largest_logit_as_a_byte():
    parts = signature(None, INFO)
    logits = np.array([[[[1.0, 3, 2], [5, 1, 1]]]], "float32")
    found = parts.finish(logits)["class_map"]
    assert (found.dtype, found.numpy().tolist()) == ("uint8", [[[1, 0]]])
    assert parts.answers({"class_map": found.numpy()}).tolist() == [1, 0]
    assert parts.truth({"mask": np.array([[[1, 255]]], "uint8")}).tolist() == [1, 255]
    assert parts.measure(np.array([1, 0], "uint8"), np.array([1, 255], "uint8"))["pixel_accuracy"] == 1


def test_decode_brings_the_map_to_the_images_pixels():
    found = decode({"class_map": np.array([[0, 1], [0, 0]], "uint8")}, INFO, (4, 4))
    np.testing.assert_array_equal(found["mask"], [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert (found["label"], found["share"]) == ("sky", 0.75)
    assert found["shares"] == [{"label": "sky", "share": 0.75}, {"label": "road", "share": 0.25}]


def test_shares_are_of_the_labelled_pixels():
    assert shares(np.array([[2, 2, 0, 255]], "uint8"), 3) == [(2, 2 / 3), (0, 1 / 3)]
    assert shares(np.full((2, 2), 255, "uint8"), 3) == []


def test_overlay_mixes_image_and_palette():
    image = np.full((2, 3, 1), 100, np.uint8)
    mask = np.array([[0, 1, 255], [0, 1, 255]], np.uint8)
    picture = overlay(image, mask, INFO)
    assert picture[0, 0].tolist() == [45, 45, 177]  # 0.45 * 100 + 0.55 * (0, 0, 240)
    assert picture[0, 2].tolist() == [65, 65, 65]  # ignored: 0.65 * 100


@pytest.mark.parametrize("size", [(1, 1), (20, 3000), (3000, 20), (64, 64), (180, 240)])
def test_draw_puts_a_legend_below(size):
    mask = np.zeros(size, np.uint8)
    mask[: size[0] // 2] = 2
    picture = draw(np.full((*size, 3), 200, np.uint8), {"mask": mask}, INFO)
    assert picture.dtype == np.uint8
    factor = max(1, min(round(224 / min(size)), 4096 // max(size)))
    assert picture.shape[1] == max(size[1] * factor, 300)
    assert 0 < picture.shape[0] - size[0] * factor < 150
    assert max(picture.shape) <= 4400


def test_draw_without_a_palette_or_a_labelled_pixel():
    info = Info(name="x", splits={}, classes=("a", "b"))
    assert draw(np.zeros((8, 8, 1), np.uint8), {"mask": np.full((8, 8), 255, np.uint8)}, info).shape[2] == 3
