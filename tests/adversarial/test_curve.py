"""Accuracy against eps and transfer, on digits and on networks whose border is known."""

import functools

import numpy as np
import pytest

from kcnn.adversarial.curve import robustness_curve, transfer_matrix
from kcnn.adversarial.fgsm import fgsm
from kcnn.adversarial.pgd import pgd
from kcnn.adversarial.victim import Victim
from kcnn.errors import ConfigError, ShapeError

from . import nets


def test_a_linear_network_withstands_up_to_its_margin():
    victim, kernel, bias = nets.linear(classes=2)
    images = nets.pictures(nets.GRAY, 40)
    labels = victim.predict(images)
    gap = kernel[:, 0] - kernel[:, 1]
    margin = np.abs(images.reshape(40, -1) @ gap + bias[0] - bias[1]) / np.abs(gap).sum()  # L-inf distance
    radii = [1, 4, 9, 16, 30]
    found = robustness_curve(victim, images, labels, fgsm, radii)
    np.testing.assert_array_equal(found.eps, [0, *radii])
    assert found.accuracy[0] == 1
    np.testing.assert_allclose(found.accuracy[1:], [(margin > radius).mean() for radius in radii])
    assert 0 < found.accuracy[3] < 1
    assert found.rows()[1] == {"eps": 1.0, "accuracy": found.accuracy[1]}


@pytest.mark.slow
def test_the_curve_of_digits_falls_and_counts_what_was_wrong_before(digits, digit_nets):
    images, labels = digits[2], digits[3]
    victim = digit_nets["narrow"]
    found = robustness_curve(victim, images, labels, functools.partial(pgd, steps=5), [16, 0, 4, 16, 64])
    assert list(found.eps) == [0, 4, 16, 64]
    assert found.accuracy[0] == pytest.approx((victim.predict(images) == labels).mean())
    assert found.accuracy[0] > 0.9
    assert (np.diff(found.accuracy) <= 0).all()
    assert found.accuracy[-1] < 0.1


@pytest.mark.slow
def test_examples_transfer_between_digit_nets(digits, digit_nets):
    matrix = transfer_matrix(digit_nets, digits[2], digits[3], functools.partial(fgsm, eps=40))
    assert matrix.shape == (2, 2)
    assert matrix.diagonal().min() > 0.6  # against themselves
    assert matrix[0, 1] > 0.2  # against the other: far above what noise does
    noise = np.random.default_rng(0).choice([-40, 40], digits[2].shape)
    noisy = np.clip(digits[2] + noise, 0, 255).astype("uint8")
    assert 2 * (digit_nets["wide"].predict(noisy) != digits[3]).mean() < matrix[0, 1]


def test_transfer_counts_what_both_get_right(digits, digit_nets):
    wrong = (digit_nets["wide"].predict(digits[2]) + 1) % 10
    matrix = transfer_matrix(digit_nets, digits[2][:20], wrong[:20], functools.partial(fgsm, eps=1))
    assert np.isnan(matrix[1, 1])


def test_transfer_leaves_out_what_the_attacked_network_gets_wrong():
    """Network a says 0 of what is dark, b of what is dark in a corner; the attack makes what is not black white."""
    one, other = (nets.linear(classes=2)[0] for _ in range(2))
    size = int(np.prod(nets.GRAY.image_shape))
    for victim, weights in ((one, np.ones(size)), (other, np.eye(size)[0])):
        victim.model.set_weights([np.stack([-weights, weights], 1), np.zeros(2)])
    images = np.zeros((3, *nets.GRAY.image_shape), "uint8")
    images[1:, 1:] = 255  # a errs on these two, b on none
    attack = lambda aim: aim.result("none", 255.0 * (aim.images + aim.images.max((1, 2, 3), keepdims=True) > 0))  # noqa: E731
    labels = np.zeros(3, int)
    assert (one.predict(images) == [0, 1, 1]).all()
    assert (other.predict(images) == 0).all()
    np.testing.assert_array_equal(transfer_matrix({"a": one, "b": other}, images, labels, attack), [[0, 0], [0, 2 / 3]])


def test_bad_input(digits, digit_nets):
    with pytest.raises(ConfigError, match="eps is -1"):
        robustness_curve(digit_nets["wide"], digits[2], digits[3], fgsm, [-1])
    with pytest.raises(ConfigError, match="at least two networks"):
        transfer_matrix({"one": digit_nets["wide"]}, digits[2], digits[3], fgsm)
    other = Victim(nets.small().model, nets.COLOUR)
    with pytest.raises(ShapeError):
        transfer_matrix({**digit_nets, "other": other}, digits[2], digits[3], fgsm)
