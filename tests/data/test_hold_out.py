"""The validation share and the limit: the same examples every time, spread over the classes."""

import numpy as np
import pytest

from kcnn.data import hold_out
from kcnn.data.arrays import from_arrays
from kcnn.errors import DataError


def source(counts, **splits):
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    return from_arrays("made", {"train": (images, labels), **splits})


def pixels(split):
    return split.arrays["image"][:, 0, 0, 0]


@pytest.mark.parametrize("fraction", [0.1, 0.25, 1 / 3, 0.5])
def test_the_share_is_taken_from_each_class(fraction):
    found = hold_out.with_validation(source([40, 60, 20]), fraction)
    train, validation = (found.split(name) for name in ("train", "validation"))
    np.testing.assert_array_equal(np.bincount(validation.labels), np.floor(np.array([40, 60, 20]) * fraction + 1e-9))
    assert sorted([*pixels(train), *pixels(validation)]) == list(range(120))
    assert found.info.splits == {"train": train.size, "validation": validation.size}
    for split in (train, validation):
        rows = split.read(np.arange(split.size))
        np.testing.assert_array_equal(rows["image"][:, 0, 0, 0], pixels(split))
        np.testing.assert_array_equal(rows["label"], split.labels)


def test_the_share_is_recorded():
    # the fifth and tenth of each class (rank * 0.2 reaches 1 and 2): another choice would mix held-out images into
    # the training of a resumed run
    found = hold_out.with_validation(source([10, 10]), 0.2)
    assert pixels(found.split("validation")).tolist() == [4, 9, 14, 19]
    assert hold_out.with_validation(source([10, 3]), 0.2).split("validation").labels.tolist() == [0, 0]


def test_a_share_of_several_labels_a_picture():
    images = np.arange(20, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    made = from_arrays("made", {"train": (images, np.tile(np.eye(2, dtype=np.uint8), (10, 1)))})
    found = hold_out.with_validation(made, 0.25)
    assert pixels(found.split("validation")).tolist() == [3, 7, 11, 15, 19]
    assert found.split("validation").labels.shape == (5, 2)


def test_a_validation_split_of_its_own_is_kept():
    own = (np.zeros((3, 2, 2), np.uint8), np.array([0, 1, 0]))
    found = hold_out.with_validation(source([10, 10], validation=own), 0.5)
    assert found.info.splits == {"train": 20, "validation": 3}
    assert "validation" not in hold_out.with_validation(source([10]), 0.0).splits


def test_too_few_examples_to_hold_out():
    with pytest.raises(DataError, match="10% of 4 training examples"):
        hold_out.with_validation(source([2, 2]), 0.1)


def test_the_limit_sees_every_class():
    found = hold_out.limited(source([50, 50, 50], test=(np.zeros((4, 2, 2), np.uint8), np.zeros(4, int))), 6)
    assert found.info.splits == {"train": 6, "test": 4}
    assert found.split("train").labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert hold_out.limited(found, 0) is found
