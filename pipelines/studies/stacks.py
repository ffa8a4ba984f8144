"""Three 3x3 convolutions see what one 7x7 sees, for 27/49 of the weights (Simonyan 2014, 1409.1556, section 2.3)."""

import argparse

import keras

from kcnn.ops import cost, receptive_field
from kcnn.testing import formula

from . import common

MAPS = 64


def network(side: int, kernels: tuple[int, ...], classes: int = 0) -> keras.Model:
    """Convolutions of `MAPS` maps in a row; with `classes`, a 3x3 stem before and a linear head behind."""
    inputs = x = keras.Input((side, side, 1 if classes else MAPS))
    if classes:
        x = keras.layers.Conv2D(MAPS, 3, padding="same", activation="relu", name="stem")(x)
    for place, kernel in enumerate(kernels):
        name = f"conv{place}"
        x = keras.layers.Conv2D(MAPS, kernel, padding="same", use_bias=False, activation="relu", name=name)(x)
    if classes:
        x = keras.layers.Dense(classes, name="head")(keras.layers.GlobalMaxPooling2D(name="pool")(x))
    return keras.Model(inputs, x, name="x".join(map(str, kernels)))


def run(args: argparse.Namespace) -> None:
    """Print field, weights, multiply-adds, time, and the accuracy of both between the same layers on digits."""
    shapes = {"three 3x3": (3, 3, 3), "one 7x7": (7,)}
    models = {name: network(56, kernels) for name, kernels in shapes.items()}
    times = common.timed(*models.values(), formula.images((56, 56, MAPS), 1))
    train, test = common.arrays("digits")
    rows = []
    for (name, model), seconds in zip(models.items(), times, strict=True):
        total, field = cost.totals(cost.ledger(model)), receptive_field.ledger(model)[-1]
        small = network(8, shapes[name], classes=10)
        common.fit(small, train, epochs=args.epochs or 10)
        right = f"{common.accuracy(small, test):.3f}"
        rows.append(
            (name, field.size[0], f"{total['params']:,}", f"{total['macs']:,}", f"{1000 * seconds:.1f} ms", right)
        )
    columns = ("layers", "receptive field", "weights", "multiply-adds", "time", "accuracy on digits")
    common.table(f"{MAPS} maps of 56x56; the paper: field 7 for both, 27 C² against 49 C² weights", columns, rows)
    print(f"\nratio of the weights: {27 / 49:.3f}")
