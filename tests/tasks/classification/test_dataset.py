"""Batches of the classification task: form, order, augmentation, and what recipe and data must agree on."""

import dataclasses
import functools
import operator

import numpy as np
import pytest

from kcnn.errors import ConfigError, DataError, UnknownNameError
from kcnn.tasks.classification.dataset import dataset

from .sources import recipe, source

LABELS = [0, 1, 2, 1, 0, 2, 2, 1, 0, 1, 2]
EVERYTHING = {
    "mixup": 0.4, "cutmix": 1.0, "crop_padding": 3, "flip": True, "erasing": 0.5, "colour": 0.4, "randaugment": 1,
}  # fmt: skip


def collect(batches):
    return list(batches.as_numpy_iterator())


def test_evaluation_is_one_pass_in_index_order():
    data = source(LABELS, 3)
    batches = dataset(recipe(**EVERYTHING), data, "test", training=False)
    inputs, targets = batches.element_spec
    assert (tuple(inputs.shape), inputs.dtype.name) == ((None, 16, 16, 1), "float32")
    assert (tuple(targets.shape), targets.dtype.name) == ((None, 3), "float32")
    found = collect(batches)
    assert [len(x) for x, _ in found] == [4, 4, 3]
    np.testing.assert_array_equal(np.concatenate([y for _, y in found]), np.eye(3)[LABELS])
    pixels = data.splits["test"].arrays["image"]
    np.testing.assert_allclose(np.concatenate([x for x, _ in found]), (pixels / 255 - 0.5) / 0.5, atol=1e-6)


def test_bad_examples_are_left_out():
    found = collect(dataset(recipe(), source(LABELS, 3), "test", training=False, bad=frozenset({0, 10})))
    np.testing.assert_array_equal(np.concatenate([y for _, y in found]), np.eye(3)[LABELS[1:-1]])


def test_training_shows_every_example_once_an_epoch():
    data = source(np.arange(11), 11)
    found = collect(dataset(recipe(epochs=2), data, "train", training=True))
    ids = [y.argmax(1).tolist() for _, y in found]
    first, second = functools.reduce(operator.iadd, ids[:3], []), functools.reduce(operator.iadd, ids[3:], [])
    assert sorted(first) == sorted(second) == list(range(11))
    assert first != second


@pytest.mark.slow
def test_training_from_a_later_step_is_the_rest_of_the_stream():
    data = source(LABELS, 3)
    whole = collect(dataset(recipe(**EVERYTHING), data, "train", training=True))
    for start in (2, 5):  # within the first epoch of three steps, within the second
        rest = collect(dataset(recipe(**EVERYTHING), data, "train", training=True, start_step=start))
        assert len(rest) == 6 - start
        for (x, y), (x2, y2) in zip(whole[start:], rest, strict=True):
            np.testing.assert_array_equal(x, x2)
            np.testing.assert_array_equal(y, y2)


@pytest.mark.parametrize("setting", EVERYTHING)
def test_each_setting_changes_the_images_and_nothing_else_does(setting):
    data = source(LABELS, 3)
    plain = collect(dataset(recipe(), data, "train", training=True))
    again = collect(dataset(recipe(), data, "train", training=True))
    changed = collect(dataset(recipe(**{setting: EVERYTHING[setting]}), data, "train", training=True))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(plain, again, strict=True))
    assert not all(np.array_equal(a[0], b[0]) for a, b in zip(plain, changed, strict=True))
    same_targets = all(np.array_equal(a[1], b[1]) for a, b in zip(plain, changed, strict=True))
    assert same_targets == (setting not in ("mixup", "cutmix"))


def test_mixed_targets_stay_shares():
    for _, targets in collect(dataset(recipe(mixup=0.4, cutmix=1.0), source(LABELS, 3), "train", training=True)):
        np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
        assert targets.min() >= 0


def test_several_labels_are_vectors_as_they_are():
    labels = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 1]])
    found = collect(dataset(recipe(multi_label=True), source(labels, 3), "test", training=False))
    np.testing.assert_array_equal(found[0][1], labels)


def test_fewer_examples_than_a_batch():
    found = collect(dataset(recipe(batch_size=64), source([0, 1], 2), "train", training=True))
    assert [len(x) for x, _ in found] == [2, 2]


def test_recipe_and_data_must_agree():
    one, several = source(LABELS, 3), source(np.eye(3)[LABELS], 3)
    with pytest.raises(ConfigError, match=r"one label an image; set config\.multi_label=false"):
        dataset(recipe(multi_label=True), one, "train", training=True)
    with pytest.raises(ConfigError, match=r"several labels an image; set config\.multi_label=true"):
        dataset(recipe(), several, "train", training=True)
    wide = dataclasses.replace(recipe(), model=dataclasses.replace(recipe().model, num_classes=10))
    with pytest.raises(ConfigError, match="num_classes is 10 but made has 3 classes"):
        dataset(wide, one, "train", training=True)
    bare = dataclasses.replace(one, info=dataclasses.replace(one.info, keys=()))
    with pytest.raises(DataError, match="no labels to learn"):
        dataset(recipe(), bare, "train", training=True)
    with pytest.raises(UnknownNameError, match="Did you mean 'test'"):
        dataset(recipe(), one, "tset", training=False)
    with pytest.raises(ConfigError, match="crop_padding is 16 but must be below"):
        dataset(recipe(crop_padding=16), one, "train", training=True)
