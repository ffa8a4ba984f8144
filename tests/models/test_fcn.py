"""FCN: the dense network's logits, scores of skips, and how they are enlarged."""

import keras
import numpy as np
import pytest

import kcnn
from kcnn import zoo
from kcnn.errors import ConfigError
from kcnn.models import fcn, vgg
from kcnn.testing import formula
from kcnn.testing.family import formula_fill
from tests.models import twins


@pytest.mark.parametrize(
    ("name", "params"),
    [
        # Simonyan 2014's 13 convolutions 14,714,688, fc6 and fc7 119,545,856; 21 scores: of 4096, 512 and 256 maps;
        # two 4x4 of 21 to 21
        ("fcn32s", 14_714_688 + 119_545_856 + 4097 * 21),
        ("fcn16s", 14_714_688 + 119_545_856 + (4097 + 513) * 21 + 16 * 21 * 21),
        ("fcn8s", 14_714_688 + 119_545_856 + (4097 + 513 + 257) * 21 + 2 * 16 * 21 * 21),
        ("fcn_resnet50", 35_322_218 - 2_365_205),  # torchvision's count and that of its auxiliary classifier
    ],
)
def test_counts(name, params):
    assert fcn.SPECS[name].params == params


def scores_of(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return np.asarray(keras.Model(model.input, model.get_layer("logits").output)(images))


def test_a_dense_vgg_and_its_fcn_give_the_same_logits():
    # at the size of the dense network its only window is the one in which fc6 reads no padding
    dense = kcnn.build("tiny_vgg", num_classes=5)
    formula_fill(dense)
    model = kcnn.build("tiny_fcn", num_classes=5, image_shape=(64, 64, 3))
    zoo.share(dense, model)
    kernel, bias = dense.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([kernel[None, None], bias])
    images = formula.images((64, 64, 3))
    np.testing.assert_allclose(scores_of(model, images)[:, 0, 0], dense(images), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_vgg16_and_fcn32s_give_the_same_logits():
    # 7x7 padded windows around 7x7 maps: the one in the middle is the dense network's
    dense = kcnn.build("vgg16", num_classes=21)
    formula_fill(dense)
    model = kcnn.build("fcn32s", num_classes=21, image_shape=(224, 224, 3))
    zoo.share(dense, model)
    kernel, bias = dense.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([kernel[None, None], bias])
    images = formula.images((224, 224, 3), count=2)
    twins.assert_close(scores_of(model, images)[:, 3, 3], np.asarray(dense(images)), 1e-5)


def test_untrained_skips_change_nothing_and_doubling_is_bilinear():
    # Long 2014, section 4.2: new scores start at zero; 4x4 kernels that start bilinear: FCN-8s enlarges as FCN-32s does
    spec = fcn.SPECS["tiny_fcn"]
    eight = fcn.network("tiny_fcn", spec, 3, (128, 160, 3))
    images = formula.images((128, 160, 3))
    deep = scores_of(eight, images)
    assert deep.shape == (2, 4, 5, 3)
    quarter = np.asarray(keras.Model(eight.input, eight.get_layer("block3_pool_add").output)(images))
    twice = keras.ops.image.resize(keras.ops.image.resize(deep, (8, 10)), (16, 20))
    np.testing.assert_allclose(quarter[:, 3:-3, 3:-3], np.asarray(twice)[:, 3:-3, 3:-3], rtol=1e-4, atol=1e-5)


def test_each_skip_adds_its_own_scores():
    model = kcnn.build("tiny_fcn", num_classes=3, image_shape=(96, 96, 3))
    formula_fill(model)
    images = formula.images((96, 96, 3))
    before = np.asarray(model(images))
    for pool in ("block4_pool", "block3_pool"):
        layer = model.get_layer(f"{pool}_logits")
        assert layer.input.shape[1] == 96 // (16 if pool == "block4_pool" else 8)
        weights = layer.get_weights()
        layer.set_weights([np.zeros_like(w) for w in weights])
        assert np.abs(np.asarray(model(images)) - before).max() > 1e-2
        layer.set_weights(weights)


def test_the_head_is_the_classifiers():
    model = kcnn.build("tiny_fcn", image_shape=(64, 64, 3))
    assert model.get_layer("fc6").kernel.shape == (2, 2, 8, vgg.SPECS["tiny_vgg"].units)


@pytest.mark.parametrize("name", ["tiny_fcn", "fcn_resnet50"])
def test_an_error_names_the_network_that_was_asked_for(name):
    with pytest.raises(ConfigError, match=f"^{name}: num_classes is 0"):
        kcnn.build(name, num_classes=0)
