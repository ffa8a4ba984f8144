"""Deeper plain networks train worse; residual ones do not (He 2015, figure 6 and table 6).

The paper, on all of CIFAR-10 and 64,000 steps: plain-20 and plain-56 end near 9 % and 13 % error on the test images,
plain-56 with the higher error in training too; ResNet-20 and ResNet-56 end at 8.75 % and 6.97 %.
"""

import argparse

from kcnn import build

from . import common

PAPER = {"plain20": "9 % (figure 6)", "plain56": "13 % (figure 6)", "resnet20": "8.75 %", "resnet56": "6.97 %"}


def run(args: argparse.Namespace) -> None:
    """Train the four alike; print the error in training and on the test images."""
    train, test = common.arrays(args.cifar10)
    rows = []
    for name, paper in PAPER.items():
        model = build(name)
        history = common.fit(model, train, epochs=args.epochs or 4, rate=2e-3)
        rows.append((name, f"{1 - history[-1]:.1%}", f"{1 - common.accuracy(model, test):.1%}", paper))
        print(f"{name}: {rows[-1]}", flush=True)
    columns = ("network", "training error here", "test error here", "test error, paper")
    common.table(f"Degradation: {len(train[0]):,} images", columns, rows)
