"""The rules for boxes, one by one, and what is suspected of many bad ones."""

import numpy as np
import pytest

from kcnn.data import boxes
from kcnn.data.boxes import ORDERS, make, misread, suspect, tidy
from kcnn.errors import DataError

HEIGHT, WIDTH = 40, 60
CASES = [  # box, rule that drops it ("" keeps it), what is left
    ([0, 0, 60, 40], "", [0, 0, 60, 40]),
    ([59, 39, 60, 40], "", [59, 39, 60, 40]),
    ([0, 0, 1, 1], "", [0, 0, 1, 1]),
    ([np.nan, 0, 5, 5], boxes.NOT_FINITE, None),
    ([0, 0, np.inf, 5], boxes.NOT_FINITE, None),
    ([0, 0, 1e300, 5], boxes.NOT_FINITE, None),
    ([10, 10, 5, 20], boxes.SWAPPED, None),
    ([10, 10, 20, 5], boxes.SWAPPED, None),
    ([10, 10, 10, 20], boxes.NO_AREA, None),
    ([10, 20, 20, 20], boxes.NO_AREA, None),
    ([60, 0, 70, 10], boxes.OUTSIDE, None),
    ([-9, -9, 0, 0], boxes.OUTSIDE, None),
    ([0.1, 0.2, 0.5, 0.9], boxes.NOT_IN_PIXELS, None),
    ([-5, -6, 100, 41], "", [0, 0, 60, 40]),
    ([-0.3, 0, 5, 5], "", [0, 0, 5, 5]),
]


@pytest.mark.parametrize(("box", "rule", "expected"), CASES)
def test_each_rule(box, rule, expected):
    found = tidy(make([box], [0]), HEIGHT, WIDTH, 1)
    assert list(found.dropped) == ([rule] if rule else [])
    assert found.boxes.xyxy.tolist() == ([expected] if expected else [])
    assert found.clipped.tolist() == ([0] if box[0] == -5 else [])


def test_every_box_meets_one_fate():
    found = tidy(make([box for box, *_ in CASES], np.zeros(len(CASES))), HEIGHT, WIDTH, 1)
    dropped = np.concatenate(list(found.dropped.values()))
    assert sorted([*found.kept, *dropped]) == list(range(len(CASES)))
    assert found.kept.tolist() == [i for i, (_, rule, _) in enumerate(CASES) if not rule]


def test_classes_that_do_not_exist_are_dropped():
    found = tidy(make([[0, 0, 5, 5]] * 4, [-1, 0, 2, 3]), HEIGHT, WIDTH, 3)
    assert found.dropped[boxes.UNKNOWN_CLASS].tolist() == [0, 3]
    assert found.boxes.classes.tolist() == [0, 2]


def test_the_same_object_twice_counts_once():
    found = tidy(make([[0, 0, 5, 5]] * 3, [0, 0, 1]), HEIGHT, WIDTH, 2)
    assert found.dropped == {boxes.TWICE: [1]}
    crowd = tidy(make([[0, 0, 5, 5]] * 2, [0, 0], crowd=[False, True]), HEIGHT, WIDTH, 2)
    assert crowd.boxes.crowd.tolist() == [False, True]


def test_none_and_very_many():
    assert len(tidy(make([], []), HEIGHT, WIDTH, 3).boxes) == 0
    many = np.random.default_rng(0).uniform(0, 30, (5000, 4)) + np.array([0, 0, 31, 31])
    found = tidy(make(many, np.zeros(5000)), HEIGHT, WIDTH, 1)
    assert len(found.boxes) == 5000
    assert found.boxes.xyxy.dtype == np.float32
    with pytest.raises(DataError, match="100,001 boxes"):
        make(np.zeros((100_001, 4)), np.zeros(100_001))


def test_flags_and_segments_stay_with_their_box():
    given = make(
        [[5, 5, 4, 9], [1, 2, 3, 4]], [1, 2], crowd=[True, False], difficult=[False, True], segments=["a", "b"]
    )
    found = tidy(given, HEIGHT, WIDTH, 3).boxes
    assert (found.classes.tolist(), found.crowd.tolist(), found.difficult.tolist()) == ([2], [False], [True])
    assert found.segments == ("b",)


@pytest.mark.parametrize("given", [[[1, 2, 3]], [["a", 1, 2, 3]], [[1, 2, 3, 4, 5]]])
def test_what_is_no_box(given):
    with pytest.raises(DataError, match="four numbers"):
        make(given, [0])


def test_lengths_must_agree():
    with pytest.raises(DataError, match="1 boxes, but"):
        make([[1, 2, 3, 4]], [0, 1])


def made(order):
    """Return 200 boxes of 200 images, as `order` writes them, and the sizes."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(100, 800, (200, 2))
    extent = np.column_stack([sizes[:, 1], sizes[:, 0]])
    corners = np.sort(rng.uniform(0, 1, (200, 2, 2)), axis=1) * extent[:, None]
    x1, y1, x2, y2 = corners.reshape(200, 4).T
    width, height = extent.T
    written = {
        "x1 y1 x2 y2 in pixels": (x1, y1, x2, y2),
        "x y width height in pixels": (x1, y1, x2 - x1, y2 - y1),
        "y1 x1 y2 x2 in pixels": (y1, x1, y2, x2),
        "centre x, centre y, width, height in pixels": ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
        "x1 x2 y1 y2 in pixels": (x1, x2, y1, y2),
        "x1 y1 x2 y2 from 0 to 1": (x1 / width, y1 / height, x2 / width, y2 / height),
        "x y width height from 0 to 1": (x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height),
        "centre x, centre y, width, height from 0 to 1": (
            (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height
        ),
    }  # fmt: skip
    assert set(written) == set(ORDERS)
    return np.column_stack(written[order]), corners.reshape(200, 4), sizes


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_is_read_and_none_is_suspected_of_its_own(order):
    numbers, expected, sizes = made(order)
    np.testing.assert_allclose(ORDERS[order](numbers, sizes), expected, atol=1e-9)
    assert suspect(numbers, sizes, order) == ""
    assert not misread(expected, sizes).any()


PLAUSIBLE = ("x1 y1 x2 y2 in pixels", "x y width height in pixels", "centre x, centre y, width, height from 0 to 1")


@pytest.mark.parametrize("taken", PLAUSIBLE)
@pytest.mark.parametrize("written", ["x1 y1 x2 y2 in pixels", "x1 y1 x2 y2 from 0 to 1"])
def test_the_wrong_order_is_suspected_and_the_right_one_named(taken, written):
    if taken == written:
        return
    numbers, _, sizes = made(written)
    said = suspect(numbers, sizes, taken)
    assert f"make no sense as {taken}" in said
    assert f"Read as {written}, 0% would be" in said


def test_a_fifth_of_bad_boxes_is_no_swap():
    numbers, _, sizes = made("x1 y1 x2 y2 in pixels")
    numbers[:40] = numbers[:40, [2, 3, 0, 1]]  # 20 %
    assert suspect(numbers, sizes, "x1 y1 x2 y2 in pixels") == ""
    numbers[40] = 0
    assert suspect(numbers, sizes, "x1 y1 x2 y2 in pixels").startswith("20% of 200 boxes make no sense")
