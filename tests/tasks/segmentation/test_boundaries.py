"""The boundary F-score, worked by hand on stripes: a vertical edge has one boundary column on either side."""

import numpy as np
import pytest
from scipy import ndimage

from kcnn.tasks.segmentation.boundaries import boundary, boundary_f


def stripes(edge, height=4, width=10):
    mask = np.zeros((height, width), np.uint8)
    mask[:, edge:] = 1
    return mask


def test_the_boundary_lies_on_both_sides_of_an_edge():
    found = boundary(stripes(4))
    np.testing.assert_array_equal(np.unique(np.nonzero(found != 255)[1]), [3, 4])
    assert (found[:, 3] == 0).all()
    assert (found[:, 4] == 1).all()
    assert (boundary(np.zeros((3, 3), np.uint8)) == 255).all()


def test_there_is_none_beside_ignored_pixels():
    mask = stripes(4)
    mask[:, 4] = 255
    assert (boundary(mask) == 255).all()


@pytest.mark.parametrize(("shift", "tolerance", "score"), [(0, 1, 1), (1, 1, 1), (2, 1, 0), (2, 2, 1), (3, 2.9, 0)])
def test_a_shifted_edge_is_right_within_the_tolerance(shift, tolerance, score):
    found = boundary_f(stripes(4), stripes(4 + shift), 2, tolerance)
    np.testing.assert_allclose(found, [score, score], atol=1e-9)


def test_precision_and_recall_by_hand():
    """The lower half of the stripe is not found. What is claimed as boundary of class 0 are the two pixels beside the
    upper half of the edge and the six below the block; those two and the nearest of the six lie near the true one.
    """
    true = stripes(4)
    found = true.copy()
    found[2:] = 0
    ours = boundary(found)
    claimed = np.argwhere(ours == 0)
    theirs = np.argwhere(boundary(true) == 0)
    distances = np.hypot(*(claimed[:, None] - theirs[None]).transpose(2, 0, 1))
    precision, recall = (distances.min(axis=1) <= 1).mean(), (distances.min(axis=0) <= 1).mean()
    assert (len(claimed), round(precision * len(claimed)), recall) == (8, 3, 3 / 4)  # 2 beside, 6 below; 3 are near
    assert boundary_f(true, found, 2, 1)[0] == pytest.approx(2 * (3 / 8) * (3 / 4) / (3 / 8 + 3 / 4))


def test_classes_without_a_boundary_have_no_score():
    found = boundary_f(stripes(4), stripes(4), 4, 1)
    np.testing.assert_array_equal(np.isnan(found), [False, False, True, True])
    nothing = np.zeros((4, 4), np.uint8)
    assert np.isnan(boundary_f(nothing, nothing, 1)).all()
    assert np.isnan(boundary_f(np.full((4, 4), 255, np.uint8), stripes(2, 4, 4), 2)).all()


def test_one_that_is_missed_or_claimed_scores_zero():
    nothing = np.zeros((4, 10), np.uint8)
    assert boundary_f(stripes(4), nothing, 2, 1).tolist() == [0, 0]
    assert boundary_f(nothing, stripes(4), 2, 1).tolist() == [0, 0]


def test_the_usual_tolerance_is_a_share_of_the_diagonal_and_at_least_a_pixel():
    wide = 600  # a diagonal of 1000 with 800 rows: 7.5 pixels
    assert boundary_f(stripes(100, 800, wide), stripes(107, 800, wide), 2)[1] == pytest.approx(1)
    assert boundary_f(stripes(100, 800, wide), stripes(108, 800, wide), 2)[1] == 0
    assert boundary_f(stripes(4), stripes(5), 2)[1] == 1


def test_distances_are_scipys():
    """Random maps, against scipy's distance transform per class."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        true, found = (np.repeat(np.repeat(rng.integers(0, 3, (6, 8)), 3, 0), 3, 1).astype("uint8") for _ in "ab")
        true[rng.random(true.shape) < 0.05] = 255
        scores = boundary_f(true, found, 3, 2.3)
        ours, theirs = boundary(np.where(true == 255, 255, found)), boundary(true)
        for index in range(3):
            a, b = ours == index, theirs == index
            near_b, near_a = (ndimage.distance_transform_edt(~x) <= 2.3 for x in (b, a))
            precision, recall = near_b[a].mean(), near_a[b].mean()
            assert scores[index] == pytest.approx(2 * precision * recall / (precision + recall))
