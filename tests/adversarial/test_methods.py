"""Attacks on linear networks have exact answers; on others they keep their promises."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcnn.adversarial import ATTACKS
from kcnn.adversarial.bim import bim
from kcnn.adversarial.deepfool import deepfool
from kcnn.adversarial.fgsm import fgsm
from kcnn.adversarial.lbfgs import lbfgs
from kcnn.adversarial.one_pixel import _children, one_pixel
from kcnn.adversarial.pgd import pgd, random_change
from kcnn.adversarial.victim import cross_entropy
from kcnn.errors import ConfigError

from . import nets


@pytest.fixture(scope="module")
def small():
    return nets.small()


@pytest.fixture(scope="module")
def pictures():
    return nets.pictures(nets.COLOUR, 6)


def loss(victim, images, labels):
    return cross_entropy(victim.logits(images), labels).numpy()


def two_classes():
    """Return (victim, gap (H, W, 1), images of class 0): logit 0 minus logit 1 is <gap, pixels> + constant."""
    victim, kernel, bias = nets.linear(classes=2)
    gap = (kernel[:, 0] - kernel[:, 1]).reshape(nets.GRAY.image_shape)
    images = nets.pictures(nets.GRAY, 40)
    return victim, gap, images[victim.predict(images) == 0], float(bias[0] - bias[1])


def test_fgsm_on_a_linear_network_is_exact():
    victim, gap, images, _ = two_classes()
    found = fgsm(victim.aim(images), eps=3)
    np.testing.assert_array_equal(found.perturbation, np.broadcast_to(-3 * np.sign(gap), images.shape))
    back = fgsm(victim.aim(images, np.zeros(len(images), int), target=1), eps=3)  # towards 1 is away from 0
    np.testing.assert_array_equal(back.images, found.images)


def test_images_between_two_pixel_values_keep_eps(small, pictures):
    found = fgsm(small.aim(pictures + np.float32(0.6)), eps=3)
    np.testing.assert_array_equal(found.originals, pictures + 1)  # rounded as the result is
    assert found.norms()["linf"].max() == 3


@pytest.mark.parametrize("attack", [bim, pgd])
def test_climbs_on_a_linear_network_end_in_the_corner_that_fgsm_reaches_at_once(attack):
    victim, _, images, _ = two_classes()
    np.testing.assert_array_equal(attack(victim.aim(images), eps=3).images, fgsm(victim.aim(images), eps=3).images)


def test_l2_pgd_on_a_linear_network_ends_where_its_gradient_meets_the_sphere():
    victim, gap, images, _ = two_classes()
    found = pgd(victim.aim(images, whole=False), eps=20, norm="l2", steps=40, step=10)
    expected = -20 * gap / np.linalg.norm(gap)
    np.testing.assert_allclose(found.perturbation, np.broadcast_to(expected, images.shape), atol=0.01)


def test_deepfool_on_a_linear_network_is_the_distance_to_the_nearest_border():
    victim, kernel, bias = nets.linear(classes=4)
    images = nets.pictures(nets.GRAY, 12, low=110, high=140)
    labels = victim.predict(images)
    found = deepfool(victim.aim(images, whole=False))
    for image, label, change in zip(images.reshape(12, -1).astype(float), labels, found.perturbation, strict=True):
        scores = image @ kernel + bias
        distances = [
            (scores[label] - scores[k]) / np.linalg.norm(kernel[:, label] - kernel[:, k])
            for k in {0, 1, 2, 3} - {label}
        ]
        assert np.linalg.norm(change) == pytest.approx(1.02 * (min(distances) + 1e-4), rel=2e-3)
    assert found.success.all()


def test_deepfool_goes_on_where_rounding_undoes_its_change():
    victim, gap, _, constant = two_classes()
    images = nets.pictures(nets.GRAY, 3000)
    margins = np.abs(images.reshape(3000, -1) @ gap.ravel() + constant) / np.linalg.norm(gap)
    near = images[margins < 0.4]  # no value need change by half a pixel
    assert len(near) >= 5
    found = deepfool(victim.aim(near))
    assert found.success.all()
    assert found.is_uint8
    assert found.norms()["linf"].max() <= 3


@pytest.mark.slow
def test_lbfgs_on_a_linear_network_comes_near_the_nearest_point():
    victim, gap, images, constant = two_classes()
    images = images[:3]
    found = lbfgs(victim.aim(images, whole=False), halvings=12)
    assert found.success.all()
    least = (images.reshape(3, -1) @ gap.ravel() + constant) / np.linalg.norm(gap)
    assert (found.norms()["l2"] >= least * 0.999).all()
    assert (found.norms()["l2"] <= least * 1.1 + 0.5).all()  # the loss goes on behind the border


@pytest.mark.parametrize("attack", [fgsm, bim, pgd])
@settings(max_examples=8, deadline=None)
@given(eps=st.floats(0, 300), seed=st.integers(0, 99))
def test_results_are_pictures_within_eps(small, attack, eps, seed):
    images = nets.pictures(nets.COLOUR, 3, 0, 256, seed)
    found = attack(small.aim(images), eps=eps)
    assert found.is_uint8
    assert found.norms()["linf"].max() <= eps
    np.testing.assert_array_equal(found.originals, images)
    np.testing.assert_array_equal(found.success, small.predict(found.images) != small.predict(images))


def test_the_l2_ball_is_kept_and_rounding_is_no_way_out(small, pictures):
    for whole in (True, False):
        found = pgd(small.aim(pictures, whole=whole), eps=30, norm="l2")
        assert found.norms()["l2"].max() <= 30.001
        assert found.is_uint8 == whole
        assert found.images.max() <= 255
        assert found.images.min() >= 0


def test_the_loss_rises_and_falls_towards_a_target(small, pictures):
    labels = small.predict(pictures)
    target = (labels + 1) % 4
    for attack in (fgsm, bim, pgd):
        away = attack(small.aim(pictures, labels), eps=6)
        towards = attack(small.aim(pictures, labels, target), eps=6)
        assert (loss(small, away.images, labels) > loss(small, pictures, labels)).all()
        assert (loss(small, towards.images, target) < loss(small, pictures, target)).all()


def test_many_steps_are_no_worse_than_one(small, pictures):
    labels = small.predict(pictures)
    one, many = (attack(small.aim(pictures), eps=6).images for attack in (fgsm, bim))
    assert loss(small, many, labels).mean() >= loss(small, one, labels).mean() - 1e-4


def test_more_restarts_are_never_worse(small, pictures):
    labels = small.predict(pictures)
    ends = [pgd(small.aim(pictures), eps=5, steps=3, restarts=count) for count in (1, 2, 5)]
    for fewer, more in itertools.pairwise(ends):
        assert (more.success >= fewer.success).all()
        same = more.success == fewer.success
        assert (loss(small, more.images, labels) >= loss(small, fewer.images, labels) - 1e-5)[same].all()
    assert not np.array_equal(ends[0].images, pgd(small.aim(pictures), eps=5, steps=3, seed=1).images)
    np.testing.assert_array_equal(ends[0].images, pgd(small.aim(pictures), eps=5, steps=3).images)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_restarts_are_ranked_where_the_probability_rounds_to_1(monkeypatch, order):
    victim, gap, images, constant = two_classes()
    kernel, bias = victim.model.get_weights()
    most = np.abs(gap).sum()  # what a change of 1 does at most
    victim.model.set_weights([10 / most * kernel, bias])
    margins = images.reshape(len(images), -1) @ gap.ravel() + constant
    images = images[(margins > 4 * most) & (margins < 5.4 * most)]  # logits 20 to 34 apart after a change of 2
    assert len(images)
    ends = iter([images - size * np.sign(gap) for size in order])
    monkeypatch.setattr("kcnn.adversarial.pgd.ascend", lambda *args, **options: next(ends))
    found = pgd(victim.aim(images), eps=3, restarts=2)
    assert (found.after.max(axis=1) == 1).all()
    np.testing.assert_array_equal(found.images, images - 2 * np.sign(gap))


def test_a_step_of_pgd_is_two_and_a_half_radii_over_the_steps(monkeypatch, small, pictures):
    given = []
    monkeypatch.setattr("kcnn.adversarial.pgd.ascend", lambda aim, start, **options: given.append(options) or start)
    for steps in (1, 40):
        pgd(small.aim(pictures), eps=8, steps=steps)
    assert [options["step"] for options in given] == [20, 0.5]


def test_random_starts_fill_the_ball():
    found = random_change(np.random.default_rng(0), (4000, 2, 2, 1), 3.0, "l2")
    radii = np.sqrt((found**2).sum((1, 2, 3)))
    assert radii.max() <= 3
    assert np.median(radii) == pytest.approx(3 * 0.5**0.25, rel=0.02)  # half the volume of a 4-ball


def test_eps_0_changes_nothing(small, pictures):
    for attack in (fgsm, bim, pgd):
        np.testing.assert_array_equal(attack(small.aim(pictures), eps=0).images, pictures)


def test_deepfool_leaves_alone_what_is_wrong_already(small, pictures):
    wrong = (small.predict(pictures) + 1) % 4
    assert not deepfool(small.aim(pictures, wrong)).perturbation.any()


def test_deepfool_needs_less_than_fgsm(small, pictures):
    found = deepfool(small.aim(pictures, whole=False))
    assert found.success.all()
    assert (found.norms()["l2"] < fgsm(small.aim(pictures, whole=False), eps=16).norms()["l2"]).all()


@pytest.mark.slow
def test_lbfgs_reaches_its_target(small, pictures):
    target = np.argsort(small.logits(pictures[:1]), axis=1)[:, -2]
    found = lbfgs(small.aim(pictures[:1], target=target), halvings=2)
    assert found.success.all()
    assert found.is_uint8


def test_one_pixel_changes_one_pixel():
    victim, kernel, _ = nets.linear(classes=2)
    images = nets.pictures(nets.GRAY, 30, 120, 136)
    logits = victim.logits(images)
    gap = np.abs(logits[:, 0] - logits[:, 1])
    near = images[gap < 0.5 * 100 * np.abs(kernel[:, 0] - kernel[:, 1]).max()]  # one pixel suffices, by far
    assert len(near) >= 2
    found = one_pixel(victim.aim(near[:2]), population=40, generations=20)
    assert found.success.all()
    assert (found.norms()["l0"] == 1).all()


def test_one_pixel_needs_its_generations():
    victim, gap, _, constant = two_classes()
    images = nets.pictures(nets.GRAY, 3000)
    logits = images.reshape(len(images), -1) @ gap.ravel() + constant
    most = np.where(gap > 0, images * gap, (images - 255.0) * gap).max(axis=(1, 2, 3))  # by black, or by white
    hard = images[(logits < most) & (logits > 0.8 * most)][:4]  # its best pixel must go nearly all the way
    assert len(hard) == 4
    chance, evolved = (one_pixel(victim.aim(hard), population=12, generations=count) for count in (1, 60))
    assert evolved.success.sum() > chance.success.sum() + 1
    assert (evolved.norms()["l0"] <= 1).all()


def test_children_come_of_three_others():
    # Parents 1, 4, 16, ...: child = a + (b - c) / 2 tells which three were taken.
    parents = 4.0 ** np.arange(9)[:, None]
    sums = {
        a + (b - c) / 2: {i, j, k}
        for (i, a), (j, b), (k, c) in itertools.permutations(list(enumerate(parents[:, 0])), 3)
    }
    for seed in range(20):
        children = _children(parents, np.random.default_rng(seed))
        for own, child in enumerate(children[:, 0]):
            assert own not in sums[child]


@pytest.mark.parametrize("attack", [fgsm, bim, pgd])
@pytest.mark.parametrize("eps", [-1, np.nan, np.inf])
def test_eps_out_of_range(small, pictures, attack, eps):
    with pytest.raises(ConfigError, match="eps is"):
        attack(small.aim(pictures), eps=eps)


@pytest.mark.parametrize(
    ("attack", "setting", "said"),
    [
        (bim, {"steps": 0}, "steps is 0"),
        (pgd, {"norm": "l1"}, "norm is 'l1'"),
        (pgd, {"restarts": -1}, "restarts is -1"),
        (pgd, {"step": -2}, "step is -2"),
        (deepfool, {"overshoot": -1}, "overshoot is -1"),
        (deepfool, {"candidates": 1}, "candidates is 1"),
        (lbfgs, {"first": 0}, "first is 0"),
        (one_pixel, {"population": 3}, "population is 3"),
    ],
)
def test_settings_out_of_range(small, pictures, attack, setting, said):
    with pytest.raises(ConfigError, match=said):
        attack(small.aim(pictures), **setting)


def test_deepfool_takes_no_target(small, pictures):
    labels = small.predict(pictures)
    with pytest.raises(ConfigError, match="takes no target"):
        deepfool(small.aim(pictures, labels, (labels + 1) % 4))


def test_every_registered_attack_is_a_function_of_an_aim(small, pictures):
    assert ATTACKS.names() == ["bim", "deepfool", "fgsm", "lbfgs", "one_pixel", "pgd"]
    for name in ATTACKS.names():
        few = {"one_pixel": {"population": 4, "generations": 1}, "lbfgs": {"doublings": 1, "halvings": 0}}
        assert ATTACKS.get(name)(small.aim(pictures[:1]), **few.get(name, {})).method == name
