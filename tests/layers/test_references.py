"""Pooling, batch normalisation and dropout from their papers' formulas, against Keras' own layers.

kcnn has none of its own: these say what the stock layers compute, epsilon, momentum and borders included.
"""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kcnn.testing.formula import images, scatter


def pooled(x: np.ndarray, size: int, stride: int, reduce) -> np.ndarray:
    """Pool (N, H, W, C) window by window, without padding."""
    rows, columns = ((length - size) // stride + 1 for length in x.shape[1:3])
    out = np.empty((x.shape[0], rows, columns, x.shape[3]))
    for i, j in np.ndindex(rows, columns):
        out[:, i, j] = reduce(x[:, i * stride : i * stride + size, j * stride : j * stride + size], axis=(1, 2))
    return out


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 1), (1, 2)])
@pytest.mark.parametrize("shape", [(8, 6, 3), (9, 7, 2)])
def test_pooling(size, stride, shape):
    x = images(shape)
    np.testing.assert_array_equal(keras.layers.MaxPooling2D(size, stride)(x), pooled(x, size, stride, np.max))
    np.testing.assert_allclose(
        keras.layers.AveragePooling2D(size, stride)(x), pooled(x, size, stride, np.mean), atol=1e-6
    )


def test_pooling_by_hand():
    # the 4x4 map of cs231n's pooling slide
    x = np.array([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]], "float32")[None, ..., None]
    assert np.squeeze(keras.layers.MaxPooling2D()(x)).tolist() == [[6, 8], [3, 4]]
    assert np.squeeze(keras.layers.AveragePooling2D(2)(x)).tolist() == [[3.25, 5.25], [2, 2]]


@pytest.mark.parametrize("sides", [(224, 112, 56, 28, 14), (32, 16, 8)])
def test_pooling_halves(sides):
    # 224 -> 112 -> 56 -> 28 -> 14 (VGG), 32 -> 16 -> 8 (LeNet's field)
    for before, after in itertools.pairwise(sides):
        assert keras.layers.MaxPooling2D()(keras.Input((before, before, 3))).shape == (None, after, after, 3)


def test_global_average_pooling_is_the_mean_of_each_map():
    x = images((5, 3, 4))
    np.testing.assert_allclose(keras.layers.GlobalAveragePooling2D()(x), x.mean((1, 2)), atol=1e-6)


class BatchNorm:
    """Ioffe 2015 (1502.03167), algorithms 1 and 2, with Keras' moving averages."""

    def __init__(self, gamma: np.ndarray, beta: np.ndarray, momentum: float, epsilon: float):
        self.gamma, self.beta, self.momentum, self.epsilon = gamma, beta, momentum, epsilon
        self.mean, self.variance = np.zeros(len(gamma)), np.ones(len(gamma))

    def train(self, x: np.ndarray) -> np.ndarray:
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))  # over the batch; divided by m, not m - 1
        self.mean = self.momentum * self.mean + (1 - self.momentum) * mean
        self.variance = self.momentum * self.variance + (1 - self.momentum) * variance
        return self.gamma * (x - mean) / np.sqrt(variance + self.epsilon) + self.beta

    def infer(self, x: np.ndarray) -> np.ndarray:
        return self.gamma * (x - self.mean) / np.sqrt(self.variance + self.epsilon) + self.beta

    def gradient(self, x: np.ndarray, above: np.ndarray) -> np.ndarray:
        """Return dloss/dx of `train` by the chain rule of section 3."""
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        spread = np.sqrt(variance + self.epsilon)
        normal = (x - mean) / spread
        scaled = above * self.gamma
        return (scaled - scaled.mean((0, 1, 2)) - normal * (scaled * normal).mean((0, 1, 2))) / spread


@pytest.fixture
def norms():
    """Keras' layer and the reference, with the same weights; an epsilon that shows."""
    gamma, beta = 1 + 0.5 * scatter(3, 1), scatter(3, 2)
    layer = keras.layers.BatchNormalization(momentum=0.9, epsilon=0.1)
    layer.build((None, 4, 5, 3))
    layer.set_weights([gamma, beta, np.zeros(3), np.ones(3)])
    return layer, BatchNorm(gamma, beta, 0.9, 0.1)


def test_batch_normalisation_in_training_and_inference(norms):
    layer, reference = norms
    for step in range(3):
        x = images((4, 5, 3)) * (step + 1) + step
        np.testing.assert_allclose(layer(x, training=True), reference.train(x.astype(float)), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(layer.moving_mean, reference.mean, atol=1e-5)
        np.testing.assert_allclose(layer.moving_variance, reference.variance, rtol=1e-5)
        np.testing.assert_allclose(layer(x), reference.infer(x.astype(float)), rtol=1e-5, atol=1e-5)


def test_batch_normalisation_gives_mean_0_and_variance_1_but_for_epsilon():
    x = 3 * images((8, 8, 2)) + 5
    y = np.asarray(keras.layers.BatchNormalization(epsilon=1e-5)(x, training=True))
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((0, 1, 2)), 1, atol=1e-4)


def test_gradient_of_batch_normalisation(norms):
    layer, reference = norms
    x, above = images((4, 5, 3)), scatter(2 * 4 * 5 * 3, 7).reshape(2, 4, 5, 3).astype("float32")
    with tf.GradientTape() as tape:
        inputs = tf.constant(x)
        tape.watch(inputs)
        loss = tf.reduce_sum(layer(inputs, training=True) * above)
    expected = reference.gradient(x.astype(float), above)
    np.testing.assert_allclose(tape.gradient(loss, inputs), expected, atol=1e-5)


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_dropout(rate):
    # Srivastava 2014, scaled in training (inverted): survivors are divided by 1 - rate, inference is the identity
    x = 1 + np.abs(images((50, 50, 4)))
    layer = keras.layers.Dropout(rate, seed=3)
    np.testing.assert_array_equal(layer(x), x)
    y = np.asarray(layer(x, training=True))
    kept = y != 0
    np.testing.assert_allclose(y, np.where(kept, x / (1 - rate), 0), rtol=1e-6)
    # 20,000 draws: four standard deviations
    assert abs(kept.mean() - (1 - rate)) < 4 * np.sqrt(rate * (1 - rate) / kept.size)
    assert not np.array_equal(kept, np.asarray(layer(x, training=True)) != 0)


def test_gradient_of_dropout_is_its_mask():
    x = tf.constant(1 + np.abs(images((6, 6, 2))))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = keras.layers.Dropout(0.5, seed=3)(x, training=True)
        loss = tf.reduce_sum(y)
    np.testing.assert_allclose(tape.gradient(loss, x), np.where(np.asarray(y) != 0, 2.0, 0.0))
