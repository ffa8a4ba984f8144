"""Polygons and run lengths against masks that COCO's own library made of the same numbers (pycocotools 2.0.11)."""

import json

import numpy as np
import pytest

from kcnn.data.annotations import polygons, rle
from kcnn.errors import DataError

# (polygon in a 10 x 12 image, packed counts of mask.frPyObjects, pixels of mask.area)
FILLED = [
    ([1, 1, 9, 1, 9, 7, 1, 7], ";640000000000000m0", 48),
    ([0.5, 0.5, 10.2, 3.3, 4.4, 9.7], ";282N3N1NN2O2N1O1Ob0", 38),
    ([-5, -5, 20, 4, 3, 30], "0T31UM00", 118),
    ([2, 2, 8, 8, 2, 8, 8, 2], "k0140O110M13OM13NO16OQ1", 18),
    ([3, 3, 3, 3, 6, 3, 6, 6], "[1191h1", 3),
]


@pytest.mark.parametrize(("polygon", "packed", "area"), FILLED)
def test_polygons_as_coco_fills_them(polygon, packed, area):
    filled = rle.mask([polygon], 10, 12)
    assert filled.sum() == area
    np.testing.assert_array_equal(filled, rle.mask({"size": [10, 12], "counts": packed}, 10, 12))
    np.testing.assert_array_equal(filled, rle.decode({"size": [10, 12], "counts": packed.encode()}, 10, 12))


def test_several_polygons_are_united():
    whole = rle.mask([FILLED[0][0], FILLED[1][0]], 10, 12)
    np.testing.assert_array_equal(whole, rle.mask({"size": [10, 12], "counts": ";64001O2NN2O10002Kd0"}, 10, 12))


def test_runs_go_down_the_columns_and_begin_with_background():
    mask = rle.decode({"size": [3, 2], "counts": [1, 2, 2, 1]}, 3, 2)
    np.testing.assert_array_equal(mask, [[0, 0], [1, 0], [1, 1]])
    np.testing.assert_array_equal(rle.decode({"size": [2, 2], "counts": [0, 4]}, 2, 2), np.ones((2, 2)))


def test_a_square_is_filled_to_its_edges():
    expected = np.zeros((10, 12), bool)
    expected[1:7, 1:9] = True
    np.testing.assert_array_equal(polygons.fill([FILLED[0][0]], 10, 12), expected)


@pytest.mark.slow
def test_masks_of_coco_fill_the_boxes_that_coco_states(shared_data):
    """Boxes are those of the outlines, whose thin tips may hold no pixel: 1 in 20 misses by more."""
    misses = []
    for split in ("train2017", "val2017"):
        content = json.loads((shared_data / f"coco_mini/annotations/instances_{split}.json").read_text())
        sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
        for found in content["annotations"]:
            rows, columns = np.nonzero(rle.mask(found["segmentation"], *sizes[found["image_id"]]))
            x, y, width, height = found["bbox"]
            extent = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            misses.append(np.abs(extent - (x, y, x + width, y + height)).max())
    assert len(misses) == 739 + 624
    assert np.quantile(misses, 0.95) <= 1.5


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([], "there is none"),
        (None, "there is none"),
        ([[1, 1, 5, 5]], "2 points"),
        ([[1, 1, 5, 5, 3]], "even count"),
        ([[1, 1, 5, float("nan"), 3, 3]], "not finite"),
        ([["a", 1, 5, 5, 3, 3]], "flat list of numbers"),
        ([[[1, 1], [5, 5], [3, 3]]], "even count"),
        ([[0, 0, 1e9, 0, 3, 3]], "far outside"),
        ([[0, 0, 3e6, 0, 3, 3]], "far outside"),
        ({"size": [10, 11], "counts": [110]}, "size"),
        ({"counts": [120]}, "size"),
        ({"size": [10, 12], "counts": [100]}, "sum to 100"),
        ({"size": [10, 12], "counts": [130, -10]}, "whole numbers"),
        ({"size": [10, 12], "counts": [1.5]}, "whole numbers"),
        ({"size": [10, 12], "counts": None}, "whole numbers"),
        ({"size": [10, 12], "counts": [2**40]}, "whole numbers"),
        ({"size": [10, 12], "counts": "~~~"}, "packed"),
        ({"size": [10, 12], "counts": "é"}, "packed"),
        ({"size": [10, 12], "counts": "P"}, "cut off"),
        ({"size": [10, 12], "counts": "oooooooooooooooo"}, "cut off"),
        ({"size": [10, 12], "counts": "000"}, "sum to 0"),
    ],
)
def test_what_is_no_mask_is_refused(segmentation, message):
    with pytest.raises(DataError, match=message):
        rle.mask(segmentation, 10, 12)


def test_sides_are_checked_before_anything_is_made():
    for height, width in ((0, 5), (10**6, 10**6), ("10", 12)):
        with pytest.raises(DataError, match="each side"):
            rle.mask([FILLED[0][0]], height, width)
        with pytest.raises(DataError, match="each side"):
            rle.decode({"size": [height, width], "counts": [height]}, height, width)
