"""Batches of the segmentation task: form, augmentation of image and mask together, pixel counts, disagreements."""

import dataclasses

import numpy as np
import pytest

from kcnn.data import open_source
from kcnn.errors import ConfigError, DataError
from kcnn.recipe import Model
from kcnn.tasks.segmentation.dataset import class_counts, dataset

from .sources import COLOURS, SIZE, recipe, scenes, source


def collect(batches):
    return list(batches.as_numpy_iterator())


def test_evaluation_is_one_pass_in_index_order():
    data = source()
    batches = dataset(recipe(batch_size=4, flip=True, scale=(0.5, 2.0)), data, "test", training=False)
    inputs, targets = batches.element_spec
    assert (tuple(inputs.shape), inputs.dtype.name) == ((None, *SIZE, 3), "float32")
    assert (tuple(targets.shape), targets.dtype.name) == ((None, *SIZE), "uint8")
    found = collect(batches)
    assert [len(x) for x, _ in found] == [4, 2]
    np.testing.assert_array_equal(np.concatenate([y for _, y in found]), data.splits["test"].arrays["mask"])


def test_augmentation_moves_image_and_mask_alike():
    """Colours tell the classes, so after any change each labelled pixel still has the colour of its class."""
    data = source()
    found = collect(dataset(recipe(flip=True, scale=(0.6, 1.8)), data, "train", training=True))
    images, masks = np.concatenate([x for x, _ in found]), np.concatenate([y for _, y in found])
    pixels = (images * 0.5 + 0.5) * 255
    nearest = np.abs(pixels[..., None, :] - COLOURS).sum(-1).argmin(-1)
    labelled = masks != 255
    assert (nearest == masks)[labelled].mean() > 0.95  # bilinear pixels lie between two classes
    assert not np.array_equal(masks[:16], data.splits["train"].arrays["mask"])
    assert (~labelled).mean() > 1.2 / SIZE[0]  # what lies outside is ignored, beside the row that always is


def test_pixels_are_counted_only_where_the_loss_asks():
    data = source()
    part = data.splits["train"]
    mask = part.arrays["mask"]
    expected = [int((mask == index).sum()) for index in range(4)]
    assert class_counts(recipe(class_balance=0.5), data.info, part).tolist() == expected
    assert class_counts(recipe(), data.info, part).tolist() == [0, 0, 0, 0]


def test_masks_without_a_class_cannot_be_balanced():
    """Weights of classes that are nowhere would be NaN."""
    data = source(train=(scenes(2)[0], np.full((2, *SIZE), 255, np.uint8)))
    with pytest.raises(DataError, match="scenes: no pixel of the masks to learn from has a class"):
        class_counts(recipe(class_balance=0.5), data.info, data.splits["train"])


def test_data_that_do_not_fit():
    with pytest.raises(DataError, match=r"digits has no masks.*task=classification"):
        dataset(recipe(), open_source("digits"), "train", training=True)
    with pytest.raises(ConfigError, match=r"model\.num_classes is 7 but scenes has 4 classes"):
        dataset(dataclasses.replace(recipe(), model=Model(num_classes=7)), source(), "train", training=True)
