"""Small networks with weights by formula, and captum's maps of one of them."""

import json
from pathlib import Path

import keras
import numpy as np
from keras import layers

from kcnn.testing import formula

GOLDENS = Path(__file__).parents[1] / "goldens" / "explain.json"
TARGETS = [1, 3]


def twin():
    """The network of `tools/regen_goldens.py explain`: the names in its state are those of its weights here."""
    model = keras.Sequential(
        [
            keras.Input((14, 14, 3)),
            layers.Conv2D(4, 3, name="0"),
            layers.ReLU(name="1"),
            layers.MaxPooling2D(2, name="2"),
            layers.Conv2D(6, 3, name="3"),
            layers.ReLU(name="4"),
            layers.GlobalAveragePooling2D(name="5"),
            layers.Dense(5, name="7"),
        ]
    )
    for name in ("0", "3", "7"):
        kernel, bias = model.get_layer(name).weights
        theirs = (2, 3, 1, 0) if len(kernel.shape) == 4 else (1, 0)
        shape = tuple(np.array(kernel.shape)[np.argsort(theirs)])
        kernel.assign(formula.torch_values(f"{name}.weight", shape).transpose(theirs))
        bias.assign(formula.torch_values(f"{name}.bias", tuple(bias.shape)))
    return model


def images():
    return formula.images((14, 14, 3))


def assert_captums(found, name):
    """Compare with captum's maps, which are kept as whole numbers of 1e-5 of the largest value."""
    record = json.loads(GOLDENS.read_text())["maps"][name]
    expected = np.array(record["values"]) * record["unit"]
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-4, atol=record["unit"])


def blob_net(side=24):
    """A network that answers class 1 by how bright the brightest 4 x 4 square is; class 0 by how dark the image is."""
    inputs = keras.Input((side, side, 1))
    x = layers.Conv2D(1, 4, padding="same", name="square", kernel_initializer="ones", use_bias=False)(inputs)
    x = layers.ReLU(name="relu")(x)
    x = layers.GlobalMaxPooling2D(name="pool")(x)
    x = layers.Dense(2, name="logits", use_bias=False)(x)
    model = keras.Model(inputs, x)
    model.get_layer("logits").set_weights([np.array([[-1.0, 1.0]])])
    return model
