"""Small networks whose attacks have exact answers, or whose weights come from a formula."""

import keras
import numpy as np

from kcnn.adversarial.victim import Victim
from kcnn.recipe import Preprocess
from kcnn.testing import formula

GRAY = Preprocess(size=(4, 5), scale=1 / 255, mean=(0.3,), std=(0.4,), channel_order="gray")
COLOUR = Preprocess(size=(8, 8), scale=1.0, mean=(120.0, 110.0, 100.0), std=(60.0, 55.0, 50.0))


def linear(classes=3, record=GRAY, seed=0):
    """Return (victim, W (pixels, classes), b) with logits = pixels @ W + b on flattened pixels 0..255."""
    inputs = keras.Input(record.image_shape, name="images")
    outputs = keras.layers.Dense(classes, name="logits")(keras.layers.Flatten(name="flatten")(inputs))
    model = keras.Model(inputs, outputs, name="linear")
    random = np.random.default_rng(seed)
    kernel = random.normal(size=(np.prod(record.image_shape), classes)).astype("float32")
    kernel -= kernel.mean(0)  # so that brightness says nothing
    model.set_weights([kernel, np.zeros(classes, "float32")])
    per_pixel = kernel * record.scale / record.std[0]
    return Victim(model, record), per_pixel, -(record.mean[0] / record.std[0]) * kernel.sum(0)


def small():
    """Return the network of tools/record_attacks.py in Keras."""
    inputs = keras.Input(COLOUR.image_shape, name="images")
    x = keras.layers.Conv2D(6, 3, activation="relu", name="0")(inputs)
    x = keras.layers.Conv2D(8, 3, activation="tanh", name="2")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, keras.layers.Dense(4, name="5")(x), name="small")
    shapes = {"0": (6, 3, 3, 3), "2": (8, 6, 3, 3), "5": (4, 8)}
    for name, shape in shapes.items():
        kernel = formula.torch_values(f"{name}.weight", shape)
        kernel = kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T
        model.get_layer(name).set_weights([kernel, formula.torch_values(f"{name}.bias", shape[:1])])
    return Victim(model, COLOUR)


def pictures(record, count=4, low=60, high=190, seed=1):
    """Return uint8 noise away from black and white."""
    return np.random.default_rng(seed).integers(low, high, (count, *record.image_shape)).astype("uint8")
