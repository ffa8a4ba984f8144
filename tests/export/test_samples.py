"""Samples are spread over the split and leave out what cannot be read."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from kcnn.data import open_source
from kcnn.data.source import Source
from kcnn.errors import DataError
from kcnn.export.samples import sample
from kcnn.recipe import Preprocess

RECORD = Preprocess(size=(8, 8), channel_order="gray")


def sorted_split(bad=()):
    """Forty 8x8 images, sorted by class; image i has the value i everywhere."""
    split = open_source("digits").split("test")
    values = tf.range(40, dtype=tf.int64)

    def read(index):
        broken = tf.reduce_any(index == tf.constant([-1, *bad], tf.int64))
        with tf.control_dependencies([tf.debugging.assert_equal(broken, False)]):
            image = tf.fill((8, 8, 1), tf.cast(values[index], tf.uint8))
        return {"image": image, "label": tf.cast(index // 10, tf.int32)}

    return dataclasses.replace(split, size=40, read=read, labels=np.arange(40) // 10, arrays=None)


def test_even_steps_reach_every_class_of_a_sorted_split():
    found = sample(sorted_split(), RECORD, 4)
    assert found["image"].shape == (4, 8, 8, 1)
    assert found["image"].dtype == np.uint8
    assert found["label"].tolist() == [0, 1, 2, 3]
    assert found["image"][:, 0, 0, 0].tolist() == [0, 13, 26, 39]


def test_at_most_the_whole_split():
    assert len(sample(sorted_split(), RECORD, 1000)["label"]) == 40


def test_unreadable_examples_are_left_out():
    found = sample(sorted_split(bad=(0, 5)), RECORD, 40)
    assert len(found["label"]) == 38
    with pytest.raises(DataError, match="none of 1 images"):
        sample(sorted_split(bad=(0,)), RECORD, 1)


def test_held_out_prefers_test_then_validation():
    whole = open_source("digits")
    assert whole.held_out == "test"
    rest = {name: split for name, split in whole.splits.items() if name != "test"}
    assert Source(info=whole.info, splits=rest).held_out == "validation"
    assert Source(info=whole.info, splits={"train": rest["train"]}).held_out == "train"
