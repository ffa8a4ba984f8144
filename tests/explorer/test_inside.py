"""The model page on networks made up for it: every kind of kernel, and any number of labels."""

import types

import keras
import numpy as np
import pytest
from keras import layers

from kcnn.explain import methods
from kcnn.explorer import opening
from kcnn.explorer.model import Opened
from kcnn.recipe import Preprocess
from tests.explorer.test_model import encoded, values_of

RECORD = Preprocess(size=(8, 8), channel_order="gray")


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """Return a function: layers -> the page's model of a network of 8 x 8 gray images, labels not exclusive."""

    def opens(*parts):
        model = keras.Sequential([keras.Input((8, 8, 1)), *parts])
        facts = types.SimpleNamespace(multi_label=True, name="net", labels=("a", "b"))
        runner = types.SimpleNamespace(
            preprocess=RECORD,
            facts=facts,
            labels=facts.labels,
            predict=lambda images: {"probabilities": np.full((len(images), 2), 0.5)},
        )
        monkeypatch.setattr(opening, "open_network", lambda path: (runner, model))
        found = Opened(tmp_path)
        found.load()
        return found

    return opens


def test_kernels_of_every_kind_of_convolution(opened):
    parts = layers.Conv2DTranspose(2, 3, name="up"), layers.SeparableConv2D(4, 3, name="apart"), layers.Flatten()
    found = opened(*parts)
    shapes = {row["name"]: row["kernel"] for row in found.about()["layers"]}
    assert (shapes["up"], shapes["apart"]) == ([3, 3, 1, 2], [3, 3, 2, 1])
    up, apart = found.kernels("up"), found.kernels("apart")
    assert (up["filters"], up["channels"], up["shape"]) == (2, 1, [3, 3, 1, 2])
    kernel = np.asarray(parts[0].kernel)  # (h, w, out, in)
    assert values_of(up) == pytest.approx(kernel[..., 0].transpose(2, 0, 1), abs=float(np.abs(kernel).max()) / 250)
    kernel = np.asarray(parts[1].depthwise_kernel)[..., 0]
    assert values_of(apart) == pytest.approx(kernel.transpose(2, 0, 1), abs=float(np.abs(kernel).max()) / 250)


def test_labels_that_do_not_exclude_each_other_get_no_softmax(opened, monkeypatch):
    given = []
    monkeypatch.setattr(methods, "apply", lambda *args, **options: given.append(options) or np.ones((1, 8, 8)))
    found = opened(layers.Flatten(), layers.Dense(2))
    for multi_label in (True, False):
        found._runner.facts.multi_label = multi_label
        found.explain(encoded(np.zeros((8, 8), "uint8")), {"method": "occlusion"})
    assert [options["softmax"] for options in given] == [False, True]
