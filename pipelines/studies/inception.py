"""An Inception module with and without 1x1 reductions (Szegedy 2014, 1409.4842, figure 2).

CS231n's lecture counts 854 M operations for the naive module on 28x28x256 with 128, 192 and 96 maps, and 358 M with
reductions to 64; by the same counting its own sizes give 271 M, which is what this prints.
"""

import argparse

from kcnn import build
from kcnn.ops import cost
from kcnn.testing import formula

from . import common

LECTURE = {"inception_naive": 854_196_224, "inception_reduced": 271_351_808}


def run(args: argparse.Namespace) -> None:
    """Print the costs of both modules and the time of a forward pass."""
    models = [build(name) for name in LECTURE]
    images = formula.images(tuple(models[0].input_shape[1:]), 1)
    times = common.timed(*models, images)
    rows = []
    for model, seconds in zip(models, times, strict=True):
        found = cost.ledger(model)
        macs = sum(row.macs for row in found if row.name != "logits")
        out = next(row.output for row in found if row.kind == "Concatenate")
        shape = "x".join(map(str, out))
        rows.append((model.name, shape, f"{macs:,}", f"{LECTURE[model.name]:,}", f"{1000 * seconds:.1f} ms"))
    common.table("Inception modules", ("module", "output", "multiply-adds", "by hand", "time"), rows)
    print(f"\nratio: {LECTURE['inception_naive'] / LECTURE['inception_reduced']:.2f}")
