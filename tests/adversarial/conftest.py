"""A digit net, trained in seconds; the proof with full numbers is in test_proof.py."""

import keras
import numpy as np
import pytest

from kcnn.adversarial.victim import Victim
from kcnn.data import open_source
from kcnn.models import build
from kcnn.recipe import Preprocess

DIGITS = Preprocess(size=(8, 8), mean=(0.305,), std=(0.37,), channel_order="gray")


@pytest.fixture(scope="session")
def digits():
    """(train images, train labels, test images, test labels) of scikit-learn's digits, uint8 (N, 8, 8, 1)."""
    source = open_source("digits")
    parts = [source.split(name) for name in ("train", "test")]
    return tuple(array for part in parts for array in (part.arrays["image"], part.labels))


@pytest.fixture(scope="session")
def digit_nets(digits):
    """Two fully connected networks of digits, {"narrow": Victim, "wide": Victim}, test accuracy around 0.95."""
    found = {}
    for seed, (name, units) in enumerate({"narrow": 16, "wide": 64}.items()):
        keras.utils.set_random_seed(seed)
        inputs = keras.Input(DIGITS.image_shape, name="images")
        x = keras.layers.Flatten(name="flatten")(inputs)
        x = keras.layers.Dense(units, activation="relu", name="hidden")(x)
        model = keras.Model(inputs, keras.layers.Dense(10, name="logits")(x), name=name)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        pixels = (digits[0] / 255 - 0.305) / 0.37
        model.fit(pixels.astype("float32"), digits[1], batch_size=64, epochs=15, verbose=0)
        found[name] = Victim(model, DIGITS, 256)
    return found


@pytest.fixture(scope="session")
def lenet():
    """An untrained LeNet-5 for 28x28."""
    return build("tiny_lenet5", num_classes=10, image_shape=(28, 28, 1))


@pytest.fixture
def random():
    return np.random.default_rng(0)
