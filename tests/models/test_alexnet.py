"""AlexNet: the layer table of the lecture, parameters by hand, towers, the order of its norms."""

import keras
import numpy as np
import pytest

import kcnn
from kcnn.errors import ShapeError
from kcnn.layers import LocalResponseNormalization
from kcnn.models import alexnet
from kcnn.ops.cost import ledger, totals
from kcnn.testing import formula
from kcnn.testing.family import formula_fill

TABLE = {  # cs231n, lecture on architectures: the thirteen rows after the input of 227x227x3
    "conv1": (55, 55, 96), "pool1": (27, 27, 96), "norm1": (27, 27, 96),
    "conv2": (27, 27, 256), "pool2": (13, 13, 256), "norm2": (13, 13, 256),
    "conv3": (13, 13, 384), "conv4": (13, 13, 384), "conv5": (13, 13, 256), "pool5": (6, 6, 256),
    "fc6": (4096,), "fc7": (4096,), "logits": (1000,),
}  # fmt: skip


@pytest.mark.slow
def test_thirteen_rows_of_the_table():
    layers = kcnn.build("alexnet").layers
    found = {layer.name: tuple(layer.output.shape[1:]) for layer in layers if layer.name in TABLE}
    assert list(found.items()) == list(TABLE.items())


@pytest.mark.slow
def test_parameters_layer_by_layer():
    # Krizhevsky 2012, section 3.5: kernels 11x11x3, 5x5x48, 3x3x256, 3x3x192, 3x3x192, in two towers
    rows = {row.name: row for row in ledger(kcnn.build("alexnet"))}
    kernels = {"conv1": (11, 3, 96), "conv2": (5, 48, 256), "conv3": (3, 256, 384), "conv4": (3, 192, 384),
               "conv5": (3, 192, 256)}  # fmt: skip
    for name, (side, seen, maps) in kernels.items():
        assert rows[name].trainable == side * side * seen * maps + maps
        assert rows[name].macs == TABLE[name][0] ** 2 * side * side * seen * maps
    dense = {"fc6": (6 * 6 * 256, 4096), "fc7": (4096, 4096), "logits": (4096, 1000)}
    assert {name: rows[name].trainable for name in dense} == {name: n * m + m for name, (n, m) in dense.items()}
    assert totals(list(rows.values()))["trainable"] == 60_965_224


def test_a_tower_does_not_see_the_other():
    # figure 2: conv2, conv4 and conv5 look at their own tower only, conv3 at both
    model = kcnn.build("tiny_alexnet")
    assert [model.get_layer(f"conv{k}").groups for k in range(1, 6)] == [1, 2, 1, 2, 2]
    formula_fill(model)
    kernel = model.get_layer("conv1").get_weights()[0]
    model.get_layer("conv1").set_weights([kernel * [1, 1, 0, 0], np.zeros(4)])  # the second tower is silent
    inside = keras.Model(model.input, [model.get_layer("pool1").output, model.get_layer("conv2").output])
    pooled, conv2 = inside(formula.images((67, 67, 3)))
    bias = model.get_layer("conv2").get_weights()[1]
    assert not np.asarray(pooled)[..., 2:].any()
    np.testing.assert_allclose(np.asarray(conv2)[..., 4:], np.broadcast_to(bias[4:], conv2[..., 4:].shape), atol=1e-6)
    assert np.asarray(conv2)[..., :4].std() > 0.1


@pytest.mark.parametrize(("order", "first", "second"), [("pool_norm", "pool", "norm"), ("norm_pool", "norm", "pool")])
def test_order_of_pooling_and_normalisation(order, first, second):
    spec = alexnet.AlexNetSpec(order=order, maps=(4, 8, 8, 8, 8), source="test", params=0)
    inputs = keras.Input((67, 67, 3))
    model = keras.Model(inputs, alexnet.features(inputs, spec)["C4"])
    names = [layer.name for layer in model.layers if layer.name.startswith(("pool", "norm"))]
    assert names == [f"{first}1", f"{second}1", f"{first}2", f"{second}2"]


def test_rows_of_the_table_that_build_the_orders():
    assert {name: spec.order for name, spec in alexnet.SPECS.items() if spec.normalise} == {
        "alexnet": "pool_norm", "alexnet_paper": "norm_pool", "alexnet_single": "pool_norm",
        "tiny_alexnet": "pool_norm",
    }  # fmt: skip


def test_normalisation_has_the_papers_constants():
    # section 3.3: k = 2, n = 5, alpha = 1e-4, beta = 0.75
    norms = [layer for layer in kcnn.build("tiny_alexnet").layers if isinstance(layer, LocalResponseNormalization)]
    constants = {(norm.bias, 2 * norm.depth_radius + 1, norm.alpha, norm.beta) for norm in norms}
    assert constants == {(2.0, 5, 1e-4, 0.75)}


def test_dropout_of_one_half_after_both_dense_layers():
    rates = {layer.name: layer.rate for layer in kcnn.build("tiny_alexnet").layers if hasattr(layer, "rate")}
    assert rates == {"fc6_dropout": 0.5, "fc7_dropout": 0.5}


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((224, 224, 3), r"224 pixels give conv1, 11x11 at stride 4, 54\.25 steps, not a whole number; use 227"),
        ((227, 224, 3), "54.25"),
        ((63, 67, 3), "at least 67x67"),
        ((None, None, 3), "flattens"),
    ],
)
def test_sizes_that_do_not_fit_are_explained(shape, message):
    with pytest.raises(ShapeError, match=message):
        kcnn.build("alexnet", image_shape=shape)


@pytest.mark.parametrize("side", [67, 71, 227])
def test_sizes_that_fit(side):
    assert kcnn.build("tiny_alexnet", num_classes=3, image_shape=(side, side, 3)).output_shape == (None, 3)


@pytest.mark.slow
def test_torchvisions_form_takes_any_size_from_63():
    model = kcnn.build("alexnet_torchvision", image_shape=(63, 70, 3), num_classes=2)
    assert model(formula.images((63, 70, 3))).shape == (2, 2)
    with pytest.raises(ShapeError, match="at least 63x63"):
        kcnn.build("alexnet_torchvision", image_shape=(62, 70, 3))
