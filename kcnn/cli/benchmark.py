"""Measure every format of a bundle side by side: size, time for one image, scores, difference from Keras.

The formats take turns, so that a busy moment of the machine hits all of them.
"""

import argparse
import dataclasses
from pathlib import Path

from kcnn.cli.console import Console

HELP = "size, speed, scores and difference of every format of a bundle"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", metavar="BUNDLE", help="saved_models/NAME (newest version) or saved_models/NAME/1")
    parser.add_argument("--images", type=int, default=200, metavar="N", help="test images compared (default: 200)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="of timing per row (default: 2)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, console: Console) -> int:
    """Print one table."""
    from kcnn.export.benchmark import benchmark
    from kcnn.recipe import check

    check(args.images >= 1, f"--images is {args.images} but must be at least 1.")
    check(0 < args.seconds <= 600, f"--seconds is {args.seconds} but must lie in 0..600.")
    found = benchmark(Path(args.bundle), images=args.images, seconds=args.seconds, warn=console.warn)
    if args.json:
        rows = [{**dataclasses.asdict(row), **row.scores} for row in found]
        console.json([{key: value for key, value in row.items() if key != "scores"} for row in rows])
        return 0
    scores = list(found[0].scores)
    rows = [
        (
            "keras predict" if row.format == "keras" else row.format,
            row.threads or "all",
            f"{row.bytes / 1024:.0f}",
            f"{row.p50:.2f}",
            f"{row.p90:.2f}",
            f"{row.images_per_second:.0f}",
            *(f"{row.scores[name]:.4f}" for name in scores),
            _cell(row.agreement, ".4f"),
            _cell(row.difference, ".1e"),
        )
        for row in found
    ]
    names = [name.replace("_", " ") for name in scores]
    columns = ("format", "threads", "KiB", "ms p50", "ms p90", "images/s", *names, "agreement", "difference")
    console.table(f"{args.bundle}: one image at a time", columns, rows)
    return 0


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
