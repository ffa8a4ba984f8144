"""GoogLeNet: the costs of table 1, naive against reduced modules, auxiliary heads that are gone in inference."""

import dataclasses

import keras
import numpy as np
import pytest

import kcnn
from kcnn.errors import ConfigError, ShapeError
from kcnn.layers import LocalResponseNormalization
from kcnn.models import googlenet
from kcnn.models.common import ceil_max_pool
from kcnn.ops.cost import ledger, totals
from kcnn.testing import formula
from kcnn.testing.family import formula_fill
from tests.models import twins


def trainable(model: keras.Model) -> int:
    return totals(ledger(model))["trainable"]


def macs(model: keras.Model, prefix: str) -> int:
    return sum(row.macs for row in ledger(model) if row.name.startswith(prefix))


@pytest.fixture(scope="module")
def whole() -> keras.Model:
    return kcnn.build("googlenet", image_shape=(224, 224, 3))


def test_multiply_adds_of_table_1(whole):
    # Szegedy 2014, table 1, column "ops", in millions, some of it cut and some rounded; conv1 and 5a, where the table's
    # figures are not those of its own widths, are left out
    table = {
        "conv2": 360, "inception3a": 128, "inception3b": 304, "inception4a": 73, "inception4b": 88, "inception4c": 100,
        "inception4d": 119, "inception4e": 170, "inception5b": 71, "logits": 1,
    }  # fmt: skip
    for name, millions in table.items():
        assert abs(macs(whole, name) / 1e6 - millions) < 1, name


def test_nine_modules_and_22_layers(whole):
    assert sum(isinstance(layer, keras.layers.Concatenate) for layer in whole.layers) == 9
    depth = {}  # weighted layers on the longest way to each layer
    for layer in whole.layers:
        before = [node.operation for node in layer._inbound_nodes[0].parent_nodes]
        depth[layer.name] = max((depth[x.name] for x in before), default=0) + bool(layer.weights)
    assert depth["logits"] == 22
    assert sum(isinstance(layer, LocalResponseNormalization) for layer in whole.layers) == 2


def test_without_its_classifier(whole):
    assert trainable(whole) - (1024 + 1) * 1000 == 5_973_552  # 10.2 times fewer than AlexNet


def test_naive_module_costs_three_times_the_reduced_one():
    # 28*28 positions: 256*128 + 9*256*192 + 25*256*96; with reductions the large kernels see 64 maps
    naive, reduced = (macs(kcnn.build(name), "inception") for name in ("inception_naive", "inception_reduced"))
    assert naive == 28 * 28 * (256 * 128 + 9 * 256 * 192 + 25 * 256 * 96) == 854_196_224
    assert reduced == 28 * 28 * (3 * 256 * 64 + 256 * 128 + 9 * 64 * 192 + 25 * 64 * 96) == 271_351_808


def test_modules_give_the_maps_of_their_branches():
    for name, maps in (("inception_naive", 128 + 192 + 96 + 256), ("inception_reduced", 128 + 192 + 96 + 64)):
        assert kcnn.build(name).get_layer("inception3a").output.shape == (None, 28, 28, maps)


def test_reduction_before_the_5x5_of_module_3a(whole):
    # 28*28*32 values of 5*5*192 taps, against a 1x1 to 16 maps first
    spec, inputs = googlenet.SPECS["googlenet"], keras.Input((28, 28, 192))
    ones, reduce3, threes, _, fives, projected = spec.stages[0]["3a"]
    module = googlenet.inception(inputs, (ones, reduce3, threes, 0, fives, projected), 1, spec, "module")
    assert macs(keras.Model(inputs, module), "module_branch3") == 120_422_400
    assert macs(whole, "inception3a_branch3") == 12_443_648


def test_pooling_rounds_up_and_ignores_what_hangs_over():
    for size, side in ((3, 6), (3, 7), (2, 6), (2, 7)):
        inputs = keras.Input((side, side, 2))
        images = np.abs(formula.images((side, side, 2)))
        found = np.asarray(keras.Model(inputs, ceil_max_pool(inputs, size, "pool"))(images))
        starts = range(0, side - (size - 1) + (side - size) % 2, 2)  # ceil((side - size) / 2) + 1 windows
        expected = [[images[:, r : r + size, c : c + size].max(axis=(1, 2)) for c in starts] for r in starts]
        np.testing.assert_array_equal(found, np.moveaxis(np.array(expected), 2, 0))


@pytest.mark.parametrize("last_pool", [3, 2])
@pytest.mark.parametrize("output_stride", [16, 8])
def test_strided_maps_are_samples_of_the_dilated_ones(last_pool, output_stride):
    spec = dataclasses.replace(googlenet.SPECS["tiny_googlenet"], last_pool=last_pool)
    twins.assert_dilation_samples(googlenet.features, spec, output_stride)


@pytest.mark.slow
def test_auxiliary_heads_add_their_parameters(whole):
    # (512*128 + 128) + (2048*1024 + 1024) + (1024*1000 + 1000), and 528 maps at 4d
    training = googlenet.with_auxiliary_heads(whole)
    assert trainable(training) - trainable(whole) == 6_379_728
    # torchvision's published count is 13,004,888 with both heads
    batch_norm = kcnn.build("googlenet_bn", image_shape=(224, 224, 3))
    assert trainable(googlenet.with_auxiliary_heads(batch_norm)) == 13_004_888


def tiny() -> keras.Model:
    model = kcnn.build("tiny_googlenet", num_classes=3, image_shape=(80, 80, 3))
    formula_fill(model)
    return model


@pytest.mark.slow
def test_training_with_heads_trains_the_network_without():
    model = tiny()
    training = googlenet.with_auxiliary_heads(model)
    images = formula.images((80, 80, 3))
    before = np.asarray(model(images))
    outputs = training(images)
    assert {key: value.shape for key, value in outputs.items()} == dict.fromkeys(googlenet.LOSS_WEIGHTS, (2, 3))
    np.testing.assert_allclose(np.asarray(outputs["logits"]), before, rtol=1e-5)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    losses = dict.fromkeys(googlenet.LOSS_WEIGHTS, loss)
    training.compile("sgd", loss=losses, loss_weights=googlenet.LOSS_WEIGHTS)
    training.fit(images, dict.fromkeys(losses, np.array([0, 1])), verbose=0)
    after = np.asarray(model(images))
    assert np.abs(after - before).max() > 1e-6
    np.testing.assert_allclose(np.asarray(training(images)["logits"]), after, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_early_modules_learn_from_the_heads_alone():
    model = tiny()
    training = googlenet.with_auxiliary_heads(model)
    before = model.get_layer("inception3a_branch1").get_weights()[0].copy()
    last = model.get_layer("inception5a_branch1").get_weights()[0].copy()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    training.compile("sgd", loss={"aux4a": loss})
    training.fit(formula.images((80, 80, 3)), {"aux4a": np.array([0, 1])}, verbose=0)
    assert np.abs(model.get_layer("inception3a_branch1").get_weights()[0] - before).max() > 0
    np.testing.assert_array_equal(model.get_layer("inception5a_branch1").get_weights()[0], last)


def test_heads_need_a_network_and_a_size():
    with pytest.raises(ConfigError, match="build one of googlenet, googlenet_bn, tiny_googlenet"):
        googlenet.with_auxiliary_heads(kcnn.build("inception_naive"))
    for shape in ((None, None, 3), (78, 224, 3)):
        with pytest.raises(ShapeError, match="at least 79"):
            googlenet.with_auxiliary_heads(kcnn.build("tiny_googlenet", image_shape=shape))
    googlenet.with_auxiliary_heads(kcnn.build("tiny_googlenet", image_shape=(79, 79, 3)))
