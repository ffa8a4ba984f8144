"""Measure a finished run: numbers per class, confusion matrix, worst predictions, calibration."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcnn import guard
from kcnn.cli.console import Console
from kcnn.errors import CheckpointError, ConfigError, DataError

if TYPE_CHECKING:
    from kcnn.data.source import Source
    from kcnn.tasks.classification.worst import Worst

HELP = "numbers per class and pictures of what a run gets wrong"
ROUNDING = 1e-9  # of a score
SHOWN = 40  # classes in the printed table; metrics.csv has all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("run_folder", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--split", metavar="NAME", help="split to measure on (default: test, else validation)")
    parser.add_argument("--explain_worst", type=int, nargs="?", const=8, metavar="N",
                        help="draw what the N (8) worst predictions rest on, as worst_explained.png")  # fmt: skip
    parser.add_argument("--method", metavar="NAME", help="of --explain_worst: one of `kcnn list methods` (grad_cam)")
    parser.add_argument("--json", action="store_true", help="print report.json instead of tables")


def run(args: argparse.Namespace, console: Console) -> int:
    """Evaluate one run."""
    folder = Path(args.run_folder)
    if (folder / "checkpoints").is_dir():  # a run, and no folder or bundle given by mistake: nothing is written there
        guard.check_links(folder, CheckpointError)  # what is written below must not land elsewhere
        console.log_to(folder / "kcnn.log")
    worst = _worst(args)
    report = evaluate_run(folder, split=args.split, worst=worst, console=console, quiet=args.json)
    if args.json:
        console.json(report)
    return 0


def evaluate_run(
    folder: Path, *, console: Console, split: str | None = None, worst: "Worst | None" = None, quiet: bool = False
) -> dict[str, Any]:
    """Measure the run `folder`, write its report and print it.

    Args:
        folder: of a finished run.
        console: to print on.
        split: name of a split; None takes "test", or "validation" where the data has no test split. The report of
            None goes to `report/` of the run, that of a named split to `report/<split>/`.
        worst: which predictions to explain, of a classifier; None for none.
        quiet: print nothing.

    Returns: what the task's `evaluate` returns.

    Raises:
        CheckpointError: no finished run.
        ConfigError: `worst` of a run that is no classifier, or by a method that does not suit it.
        DataError: the data has changed its classes, or has nothing held out.
        UnknownNameError: no such split.
    """
    from kcnn.data.verify import scan
    from kcnn.tasks import TASKS
    from kcnn.tasks.classification.worst import PICTURE, explain_worst
    from kcnn.train.rundir import RunDir
    from kcnn.train.tensorboard import log_report
    from kcnn.train.weights import load_run, open_data

    model, recipe, info = load_run(folder)
    if worst is not None:
        if recipe.task != "classification":
            raise ConfigError(f"--explain_worst is for classification, but {folder} is a run of {recipe.task}.")
        worst.check(model, recipe.preprocess)
    source = open_data(recipe, info)
    chosen = split or _held_out(source)
    part = source.split(chosen)
    found = scan(part, recipe.data.max_bad_fraction) if part.contents else []
    if found:
        console.warn(f"{len(found)} unreadable images of {chosen!r} are left out, first {found[0].name}.")
    report_folder = RunDir(folder).report / (split or "")
    report_folder.mkdir(parents=True, exist_ok=True)
    bad = frozenset(example.index for example in found)
    report = TASKS.get(recipe.task).evaluate(model, recipe, source, chosen, bad, report_folder)
    (report_folder / PICTURE).unlink(missing_ok=True)  # one of an earlier report
    if worst is not None:
        explain_worst(model, recipe, source, chosen, bad, report_folder, worst)
    log_report(RunDir(folder).tensorboard, report_folder, step=0)
    if not quiet:
        show(report, report_folder, console)
    return report


def show(report: dict[str, Any], folder: Path, console: Console) -> None:
    """Print a report: one row per class where the task has classes, then its other numbers and where the files are."""
    rows = report.get("per_class", [])
    if rows:
        cells = [[_cell(value) for value in row.values()] for row in rows[:SHOWN]]
        console.table(f"{report.get('data', '')} {report.get('split', '')}", list(rows[0]), cells)
    if len(rows) > SHOWN:
        console.line(f"... and {len(rows) - SHOWN} more classes in {folder / 'metrics.csv'}")
    for name, value in report.items():
        if isinstance(value, int | float):
            console.line(f"{name:<20}{_cell(value):>10}")
    for name, best in _blind(report).items():
        if report[name] <= best + ROUNDING:
            console.warn(
                f"{name.replace('_', ' ')} {report[name]:.1%} is no better than always naming the most frequent class "
                f"({best:.1%}): the network has not learnt. Start from pretrained weights (--weights), train "
                "longer, try --find_lr, or bring more images."
            )
    for path in sorted(folder.glob("*.png")):
        console.line(f"picture: {path}")


def _worst(args: argparse.Namespace) -> "Worst | None":
    if args.explain_worst is None:
        if args.method is not None:
            raise ConfigError(f"--method={args.method} goes with --explain_worst.")
        return None
    from kcnn.tasks.classification.worst import Worst

    return Worst(args.explain_worst, args.method or "grad_cam")


def _blind(report: dict[str, Any]) -> dict[str, float]:
    """Return what always naming the most frequent class would score, by the name of the report's own score.

    That class's share is the accuracy, or of pixels its IoU; the IoU of each other class in the masks is 0. Empty where
    fewer than two classes occur, and where an image may have several labels.
    """
    rows = report.get("per_class", [])
    for name, count in (("accuracy", "support"), ("mean_iou", "pixels")):
        found = [row[count] for row in rows if row.get(count)]
        if name in report and len(found) > 1 and "exact_match" not in report:
            return {name: max(found) / sum(found) / (len(found) if name == "mean_iou" else 1)}
    return {}


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _held_out(source: "Source") -> str:
    if source.held_out != "train":
        return source.held_out
    raise DataError(
        f"{source.info.name} has neither a test nor a validation split; --split=train measures on what was learnt."
    )
