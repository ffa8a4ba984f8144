"""WaveNet: what a step sees, by arithmetic and by changing one sample; the gated unit against NumPy."""

import keras
import numpy as np
import pytest

import kcnn
from kcnn.models import wavenet
from kcnn.testing import formula
from kcnn.testing.family import formula_fill


@pytest.mark.parametrize(("name", "layers"), [("wavenet", 10), ("wavenet_x3", 30), ("tiny_wavenet", 4)])
def test_parameters_by_arithmetic(name, layers):
    spec = wavenet.SPECS[name]
    r, s = spec.residual, spec.skip
    unit = 2 * (2 * r * r + r) + (r * s + s)  # filter and gate of two taps, and the skip's 1x1
    ends = 257 * r - r + r + (s * s + s) + (s + 1) * 256  # entry, head, logits
    assert spec.params == ends + layers * unit + (layers - 1) * (r * r + r)
    assert len(spec.dilations) * spec.cycles == layers


def sees(name: str, length: int) -> list[int]:
    """Return how far back the steps lie that move the last output, by the gradient on the input."""
    import tensorflow as tf

    model = kcnn.build(name, num_classes=3, image_shape=(length, 1))
    formula_fill(model)
    sequences = tf.constant(formula.images((length, 1), count=1))
    with tf.GradientTape() as tape:
        tape.watch(sequences)
        last = tf.reduce_sum(model(sequences)[:, -1])
    gradient = np.asarray(tape.gradient(last, sequences))[0, :, 0]
    return (length - 1 - np.flatnonzero(gradient)).tolist()


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("tiny_wavenet", 16),  # van den Oord 2016, figure 3: 1 + (1 + 2 + 4 + 8)
        ("wavenet", 1024),  # section 2.1: 1 + (1 + 2 + ... + 512)
        ("wavenet_x3", 3070),  # 1 + 3 * 1023
    ],
)
def test_receptive_field(name, samples):
    spec = wavenet.SPECS[name]
    assert 1 + (spec.taps - 1) * spec.cycles * sum(spec.dilations) == samples
    seen = sees(name, samples + 6)
    assert max(seen) == samples - 1
    assert name != "tiny_wavenet" or sorted(seen) == list(range(16))


def test_no_step_sees_what_comes_after_it():
    model = kcnn.build("tiny_wavenet", num_classes=5, image_shape=(40, 2))
    formula_fill(model)
    sequences = formula.images((40, 2), count=1)
    before = np.asarray(model(sequences))
    sequences[0, 20] += 1.0
    moved = np.abs(np.asarray(model(sequences)) - before).max(axis=2)[0] > 0
    assert np.flatnonzero(moved).tolist() == list(range(20, 36))  # itself and the 15 after


def test_gated_unit_equals_numpy():
    spec = wavenet.SPECS["tiny_wavenet"]
    inputs = keras.Input((12, 4))
    model = keras.Model(inputs, wavenet.gated_unit(inputs, 3, spec, "unit", last=False))
    formula_fill(model)
    x = formula.images((12, 4))
    earlier = np.pad(x, ((0, 0), (3, 0), (0, 0)))[:, :12]

    def two_taps(part):
        kernel, bias = model.get_layer(f"unit_{part}").get_weights()
        return earlier @ kernel[0] + x @ kernel[1] + bias

    gated = np.tanh(two_taps("filter")) / (1 + np.exp(-two_taps("gate")))
    (residual, residual_bias), (skip, skip_bias) = (
        model.get_layer(f"unit_{part}").get_weights() for part in ("residual", "skip")
    )
    found = [np.asarray(output) for output in model(x)]
    np.testing.assert_allclose(found[0], x + gated @ residual[0] + residual_bias, atol=1e-5)
    np.testing.assert_allclose(found[1], gated @ skip[0] + skip_bias, atol=1e-5)
