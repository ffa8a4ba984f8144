"""Publish a finished run as a bundle: SavedModel, LiteRT in four precisions, model card and checks.

Every format is compared with Keras on real test images; one that disagrees is refused and nothing is published.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kcnn import guard
from kcnn.cli.console import Console
from kcnn.errors import CheckpointError

HELP = "a run as a checked bundle of SavedModel and LiteRT files"
FLAGS = {
    "formats": "LiteRT precisions, comma-separated: fp32,fp16,dynamic,int8; empty for none",
    "calibration": "training images that fix the int8 ranges",
    "check_images": "test images on which every format is compared with Keras",
    "min_agreement": "share of equal answers below which a format is refused, 0..1",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("run_folder", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--output", metavar="FOLDER", default="saved_models", help="where bundles land")
    for name, text in FLAGS.items():
        parser.add_argument(f"--{name}", metavar="VALUE", help=f"{text} (default: the recipe's)")
    parser.add_argument("--json", action="store_true", help="print report.json instead of a table")


def run(args: argparse.Namespace, console: Console) -> int:
    """Export one run."""
    changes = [f"export.{name}={text}" for name in FLAGS if (text := getattr(args, name)) is not None]
    export_run(Path(args.run_folder), Path(args.output), console=console, changes=changes, as_json=args.json)
    return 0


def export_run(
    folder: Path, bundles: Path, *, console: Console, changes: Sequence[str] = (), as_json: bool = False
) -> Path:
    """Export the run `folder` below `bundles`, print what came out, and return the bundle's folder.

    Args:
        folder: of a finished run.
        bundles: where bundles land.
        console: to print on.
        changes: "export.key=value" in place of the recipe's.
        as_json: print report.json instead of a table.
    """
    from kcnn.export.bundle import export
    from kcnn.recipe import override
    from kcnn.train.weights import RECIPE, read_recipe

    recipe = override(read_recipe(folder / RECIPE), changes)
    guard.check_links(folder, CheckpointError, ("kcnn.log",))
    if (folder / "checkpoints").is_dir():
        console.log_to(folder / "kcnn.log")
    bundle = export(folder, bundles, options=recipe.export, note=console.note)
    show(bundle, console, as_json)
    return bundle


def published(folder: Path, bundles: Path) -> Path | None:
    """Return the newest bundle of the run `folder` below `bundles` if it holds the run's very weights and recipe."""
    from kcnn.train.weights import RECIPE, WEIGHTS, read_recipe
    from kcnn.versions import newest

    recipe = read_recipe(folder / RECIPE)
    bundle = newest(bundles / recipe.name)
    if not (bundle / WEIGHTS).is_file() or read_recipe(bundle / RECIPE) != recipe:
        return None
    return bundle if (bundle / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes() else None


def show(bundle: Path, console: Console, as_json: bool = False) -> None:
    """Print the report.json of a bundle as a table, or as it is."""
    from kcnn.export.bundle import REPORT
    from kcnn.export.card import measured_on, resized

    report = json.loads((bundle / REPORT).read_text(encoding="utf-8"))
    if as_json:
        console.json({"bundle": str(bundle), **report})
        return
    names = [name.replace("_", " ") for name in report["scores"]]
    columns = ("format", "KiB", *names, "agreement", "difference", "ms")
    console.table(f"{bundle}: {measured_on(report)}", columns, rows(report))
    if resized(report):
        console.line(resized(report))


def rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table rows of report.json, one per format."""
    return [
        (
            name,
            f"{entry['bytes'] / 1024:.0f}",
            *(f"{entry[name]:.4f}" for name in report["scores"]),
            f"{entry['agreement']:.4f}",
            f"{entry['difference']:.1e}",
            f"{entry['ms']:.2f}",
        )
        for name, entry in report["formats"].items()
    ]
