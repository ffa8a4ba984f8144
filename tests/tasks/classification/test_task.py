"""The task as a whole: the contract with several labels, and a network of the right size."""

import dataclasses

import numpy as np
import pytest

from kcnn.errors import ShapeError, UnknownNameError
from kcnn.recipe import Model, Preprocess
from kcnn.tasks.classification.task import TASK
from kcnn.testing import check_task

from .sources import recipe, source

LABELS = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 1], [1, 1, 0], [0, 1, 0], [1, 0, 0]])


@pytest.mark.slow
def test_several_labels_keep_the_contract():
    check_task(TASK, recipe(multi_label=True), source(LABELS, 3))


def test_the_model_has_one_output_a_class():
    info = source(LABELS[:, 0], 2).info
    assert TASK.model(recipe(), info).output_shape == (None, 2)
    assert TASK.model(recipe(), info).input_shape == (None, 16, 16, 1)


def test_a_model_that_cannot_be_built():
    info = source(LABELS[:, 0], 2).info
    with pytest.raises(UnknownNameError, match="Did you mean"):
        TASK.model(dataclasses.replace(recipe(), model=Model(name="lenet6")), info)
    with pytest.raises(ShapeError, match="at least"):
        TASK.model(dataclasses.replace(recipe(), preprocess=Preprocess(size=(4, 4), channel_order="gray")), info)
