"""From class maps to shares, palettes and pictures."""

import numpy as np
import pytest

from kcnn.data.source import Info
from kcnn.tasks.segmentation.predictions import decode, draw, overlay, shares, signature

from .sources import recipe

INFO = Info(name="x", splits={}, classes=("sky", "road", "car"), palette=((0, 0, 240), (120, 120, 120), (240, 0, 0)))


def test_the_signature_gives_the_largest_logit_as_a_byte():
    parts = signature(recipe(size=(1, 2)), INFO)
    assert "uint8 (N, 1, 2)" in parts.gives
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


def halves(size, factor=1):
    """Return a gray image and the mask of its left and right half, smaller by a factor."""
    mask = np.zeros((size[0] // factor, size[1] // factor), np.uint8)
    mask[:, mask.shape[1] // 2 :] = 1
    return np.full((*size, 1), 100, np.uint8), mask


def lines(picture):
    """Return where a picture of `halves` has neither the plain colour of class 0 nor that of 1 or 2."""
    plain = ([45, 45, 177], [111, 111, 111], [177, 45, 45])  # 0.45 * 100 + 0.55 * (240 or 120)
    return ~np.any([(picture == colour).all(axis=-1) for colour in plain], axis=0)


@pytest.mark.parametrize(("side", "factor", "columns"), [
    (63, 1, []),  # too small for lines
    (64, 1, [31, 32]),
    (256, 4, [127, 128]),  # a mask that is enlarged: the line is thin all the same
    (1000, 1, [498, 499, 500, 501]),  # drawn at 1000 // 480 = 2 pixels
])  # fmt: skip
def test_a_line_lies_between_the_classes(side, factor, columns):
    image, mask = halves((side, side), factor)
    picture = overlay(image, mask, INFO)
    assert picture.shape == (side, side, 3)
    found = lines(picture)
    assert np.flatnonzero(found.any(axis=0)).tolist() == columns
    assert found.all(axis=0).sum() == len(columns)


def test_specks_are_coloured_but_have_no_line():
    image, mask = halves((96, 96))
    clean = overlay(image, mask, INFO)
    mask[10, 10] = mask[50, 70] = mask[50, 71] = 2
    picture = overlay(image, mask, INFO)
    changed = np.argwhere((picture != clean).any(axis=-1)).tolist()
    assert changed == [[10, 10], [50, 70], [50, 71]]
    assert picture[10, 10].tolist() == [177, 45, 45]
    mask[20:28, 8:16] = 2  # no speck
    assert lines(overlay(image, mask, INFO))[20:28, :20].any()


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


def test_the_legend_names_the_largest_classes_by_their_colours():
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 48:] = 2
    below = draw(np.full((64, 64, 3), 200, np.uint8), {"mask": mask}, INFO)[256:].reshape(-1, 3)
    drawn = {tuple(colour.tolist()) for colour in np.unique(below, axis=0)}
    assert INFO.palette[0] in drawn
    assert INFO.palette[2] in drawn
    assert INFO.palette[1] not in drawn


def test_draw_without_a_palette_or_a_labelled_pixel():
    info = Info(name="x", splits={}, classes=("a", "b"))
    assert draw(np.zeros((8, 8, 1), np.uint8), {"mask": np.full((8, 8), 255, np.uint8)}, info).shape[2] == 3
