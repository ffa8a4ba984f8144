"""Depthwise separable against full convolution (Howard 2017, 1704.04861, table 4).

The paper: 569 M against 4,866 M multiply-adds, 4.2 M against 29.3 M parameters, 70.6 % against 71.7 % on ImageNet.
"""

import argparse

from kcnn import build
from kcnn.ops import cost
from kcnn.testing import formula

from . import common

PAPER = {"mobilenet_v1": ("569 M", "4.2 M", "70.6 %"), "mobilenet_v1_full": ("4,866 M", "29.3 M", "71.7 %")}


def run(args: argparse.Namespace) -> None:
    """Print costs and times at 224 px, and the accuracy of both on the digits at 32 px."""
    models = [build(name, image_shape=(224, 224, 3)) for name in PAPER]
    sums = [cost.totals(cost.ledger(model)) for model in models]
    times = common.timed(*models, formula.images((224, 224, 3), 1))
    (train, labels), (test, truth) = common.arrays("digits")
    grown = [part.repeat(4, axis=1).repeat(4, axis=2).repeat(3, axis=3) for part in (train, test)]
    rows = []
    for name, total, seconds in zip(PAPER, sums, times, strict=True):
        small = build(name, image_shape=(32, 32, 3), num_classes=10)
        common.fit(small, (grown[0], labels), epochs=args.epochs or 4, rate=2e-3)
        right = common.accuracy(small, (grown[1], truth))
        paper = PAPER[name]
        rows.append(
            (
                name,
                f"{total['macs']:,} ({paper[0]})",
                f"{total['trainable']:,} ({paper[1]})",
                f"{1000 * seconds:.0f} ms",
                f"{right:.3f} on digits ({paper[2]} on ImageNet)",
            )
        )
    columns = ("network", "multiply-adds (paper)", "parameters (paper)", "one image at 224 px", "accuracy (paper)")
    common.table("Depthwise separable against full convolution", columns, rows)
    macs, params = (sums[1][key] / sums[0][key] for key in ("macs", "trainable"))
    print(f"\nratios: multiply-adds {macs:.2f}, parameters {params:.2f}, time {times[1] / times[0]:.2f}")
