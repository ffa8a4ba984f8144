"""Fooling images of a digit net; the encodings draw, mutate and repeat."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcnn.adversarial.aim import softmax
from kcnn.adversarial.cppn import FUNCTIONS, INPUTS, Cppn, Network
from kcnn.adversarial.fooling import SURE, Direct, gradient_ascent, map_elites, polynomial
from kcnn.errors import ConfigError

from . import nets

SHAPE = (8, 8, 1)


def check(fooled, victim):
    """The confidences are those the network gives to exactly these uint8 images."""
    assert fooled.images.dtype == np.uint8
    found = softmax(victim.logits(fooled.images))[np.arange(10), np.arange(10)]
    np.testing.assert_allclose(found, fooled.confidences, atol=1e-5)


def test_gradient_ascent_is_sure_of_every_digit(digit_nets):
    found = gradient_ascent(digit_nets["wide"], steps=100)
    check(found, digit_nets["wide"])
    assert found.sure.all()
    assert found.rounds < 100


def test_decay_draws_towards_gray():
    # Steps too short to count leave the decay alone: half the distance to gray goes.
    victim, _, _ = nets.linear(classes=2)
    found = [gradient_ascent(victim, steps=1, step=1e-6, decay=decay).images - 127.5 for decay in (0.0, 0.5)]
    np.testing.assert_allclose(found[1], found[0] / 2, atol=1)
    assert np.abs(found[0]).mean() > 5


@pytest.mark.parametrize(("encoding", "sure"), [(Direct(SHAPE), 5), (Cppn(SHAPE), 2)], ids=["direct", "cppn"])
def test_evolution_is_sure_of_digits(digit_nets, encoding, sure):
    told = []  # test_proof.py waits for all ten
    found = map_elites(digit_nets["wide"], encoding, generations=100, advance=told.append)
    check(found, digit_nets["wide"])
    assert found.sure.sum() >= sure
    assert found.confidences.min() > 0.3  # guessing is 0.1
    assert told == sorted(told)
    assert len(told) == found.rounds


def test_evolution_repeats_and_only_gets_better(digit_nets):
    runs = [map_elites(digit_nets["narrow"], Direct(SHAPE), generations=count, batch=10) for count in (3, 3, 12)]
    np.testing.assert_array_equal(runs[0].images, runs[1].images)
    assert (runs[2].confidences >= runs[0].confidences).all()
    assert runs[2].confidences.mean() > runs[0].confidences.mean()


def test_interrupted_evolution_keeps_what_it_found(digit_nets):
    def stop(count):
        raise KeyboardInterrupt

    found = map_elites(digit_nets["narrow"], Direct(SHAPE), generations=50, advance=stop)
    assert found.rounds == 1
    check(found, digit_nets["narrow"])


def test_direct_mutation_halves_its_rate(random):
    encoding = Direct((100, 100, 1))
    genome = np.full((100, 100, 1), 0.5)
    shares = [(encoding.mutated(genome, random, generation) != genome).mean() for generation in (1, 1000, 2000)]
    np.testing.assert_allclose(shares, [0.1, 0.05, 0.025], rtol=0.15)


def test_polynomial_mutation_has_its_spread(random):
    found = polynomial(random, (200_000,))
    # density 8 (1 - |d|)^15 on -1..1, so E d^2 = 2 / (17 * 18)
    assert (found**2).mean() == pytest.approx(2 / (17 * 18), rel=0.03)
    assert found.mean() == pytest.approx(0, abs=1e-3)


def test_a_network_by_hand_draws_what_its_functions_say():
    network = Network(("gaussian", "linear"), ((0, 4, 2.0), (4, 5, 1.0), (3, 5, -0.5)))
    x = np.linspace(-1, 1, 9)
    expected = np.rint(127.5 * (1 + np.exp(-np.square(2 * x)) - 0.5))
    found = Cppn((3, 9, 1)).drawn(network)
    np.testing.assert_array_equal(found[..., 0], np.broadcast_to(expected, (3, 9)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), channels=st.sampled_from([1, 3]))
def test_mutated_networks_stay_networks(seed, channels):
    random, encoding = np.random.default_rng(seed), Cppn((6, 5, channels), most=6)
    genome = encoding.first(random)
    for generation in range(40):
        genome = encoding.mutated(genome, random, generation)
    outputs = INPUTS + len(genome.functions) - channels
    assert len(genome.functions) <= 6 + channels
    assert set(genome.functions) <= set(FUNCTIONS)
    for a, b, weight in genome.links:
        assert a < b < INPUTS + len(genome.functions)
        assert b >= INPUTS
        assert a < outputs
        assert abs(weight) <= 3
    assert len({(a, b) for a, b, _ in genome.links}) == len(genome.links)
    assert encoding.drawn(genome).shape == (6, 5, channels)


def test_a_new_node_on_a_linear_path_changes_nothing(random):
    encoding = Cppn((6, 5, 1))
    genome = Network(("linear",), ((0, 4, 0.7),))
    grown = encoding._with_node(genome, random)
    linear = Network(("linear", "linear"), grown.links)
    np.testing.assert_array_equal(encoding.drawn(linear), encoding.drawn(genome))


def test_settings_out_of_range(digit_nets):
    with pytest.raises(ConfigError, match="generations is 0"):
        map_elites(digit_nets["wide"], Direct(SHAPE), generations=0)
    with pytest.raises(ConfigError, match="decay"):
        gradient_ascent(digit_nets["wide"], decay=1.0)
    assert SURE == 0.99
