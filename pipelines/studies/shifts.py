"""A pattern learnt in one place, found in another: convolution with global pooling against full connection.

The claim (LeCun 1998, section II-A): weights that all positions share find a pattern wherever it lies. Digits of 8x8
lie in the middle of a 20x20 field in training; the test puts them there, and then anywhere.
"""

import argparse

import keras
import numpy as np

from . import common

SIDE, DIGIT = 20, 8
MIDDLE = (SIDE - DIGIT) // 2


def placed(digits: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return (N, 20, 20, 1) fields of 0, with each digit's values 0..1 from its corner (row, column) on."""
    field = np.zeros((len(digits), SIDE, SIDE, 1), "float32")
    for image, digit, row, column in zip(field, digits, rows, columns, strict=True):
        image[row : row + DIGIT, column : column + DIGIT] = (digit + 1) / 2
    return field


def convolutional() -> keras.Model:
    """Three 3x3 convolutions and the largest answer over all positions."""
    inputs = x = keras.Input((SIDE, SIDE, 1))
    for filters in (16, 32, 40):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x), name="convolutional")


def connected() -> keras.Model:
    """One hidden layer, as wide as gives the convolutional network's parameters."""
    inputs = keras.Input((SIDE, SIDE, 1))
    x = keras.layers.Dense(41, activation="relu")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(10)(x), name="connected")


def run(args: argparse.Namespace) -> None:
    """Train both on centred digits; print parameters and accuracy on centred and shifted ones."""
    (train, labels), (test, truth) = common.arrays("digits")
    rng = np.random.default_rng(0)
    middle = [np.full(len(part), MIDDLE) for part in (train, test)]
    anywhere = rng.integers(0, SIDE - DIGIT + 1, (2, len(test)))
    rows = []
    for model in (convolutional(), connected()):
        common.fit(model, (placed(train, middle[0], middle[0]), labels), epochs=args.epochs or 30, rate=3e-3)
        centred = common.accuracy(model, (placed(test, middle[1], middle[1]), truth))
        shifted = common.accuracy(model, (placed(test, *anywhere), truth))
        rows.append((model.name, f"{model.count_params():,}", f"{centred:.3f}", f"{shifted:.3f}"))
    common.table("Digits in the middle, digits anywhere", ("network", "parameters", "centred", "shifted"), rows)
