"""The classifier of sequences: parameters by arithmetic, its convolution against NumPy's, bad input."""

import numpy as np
import pytest

import kcnn
from kcnn.errors import ShapeError
from kcnn.models import convnet1d
from kcnn.ops.cost import ledger, totals
from kcnn.testing import formula
from kcnn.testing.family import formula_fill


def test_parameters_and_multiply_adds_by_arithmetic():
    # Wang 2017: 128 maps of 8 taps, 256 of 5, 128 of 3, each with gamma and beta; a dense layer with bias
    convolutions = 8 * 1 * 128 + 5 * 128 * 256 + 3 * 256 * 128
    assert convnet1d.SPECS["convnet1d"].params == convolutions + 2 * (128 + 256 + 128) + 129 * 10
    assert totals(ledger(kcnn.build("convnet1d", image_shape=(100, 1))))["macs"] == 100 * convolutions + 128 * 10


def test_first_layer_equals_numpy():
    # "same" of 8 taps: 3 zeros before, 4 after; normalisation by its moving statistics, then ReLU
    model = kcnn.build("tiny_convnet1d", image_shape=(20, 2))
    formula_fill(model)
    sequences = formula.images((20, 2))
    kernel = model.get_layer("conv1").get_weights()[0]
    gamma, beta, mean, variance = model.get_layer("conv1_bn").get_weights()
    padded = np.pad(sequences, ((0, 0), (3, 4), (0, 0)))
    expected = np.stack([np.tensordot(padded[:, t : t + 8], kernel, ((1, 2), (0, 1))) for t in range(20)], axis=1)
    expected = np.maximum((expected - mean) / np.sqrt(variance + 1e-5) * gamma + beta, 0)
    x = sequences
    for name in ("conv1", "conv1_bn", "conv1_relu"):
        x = model.get_layer(name)(x)
    np.testing.assert_allclose(np.asarray(x), expected, atol=1e-5)


def test_any_length_gives_one_answer():
    model = kcnn.build("tiny_convnet1d", num_classes=4)
    assert model(formula.images((8, 1))).shape == model(formula.images((301, 1))).shape == (2, 4)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((28, 28, 1), r"reads sequences: give \(length, channels\)"),
        ((128,), "reads sequences"),
        ((128, None), "channels may not"),
        ((128.0, 1), "reads sequences"),
        ((128, 0), "reads sequences"),
        (128, "reads sequences"),
        ((7, 1), "at least 8 steps"),
    ],
)
def test_bad_shapes_are_explained(shape, message):
    with pytest.raises(ShapeError, match=message):
        kcnn.build("convnet1d", image_shape=shape)
