"""Change images so that a network errs: pictures of image, change and result, and accuracy against eps.

What is finished is written at once, so Ctrl-C keeps it. Without true labels at hand, an image counts as fooled when the
answer is no longer the one that the network gave before.
"""

import argparse
import functools
import inspect
import io
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcnn import atomic
from kcnn.adversarial import ATTACKS
from kcnn.cli.classifier import check_folder, class_id, open_classifier
from kcnn.cli.console import Console
from kcnn.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from kcnn.adversarial.aim import Attacked
    from kcnn.adversarial.curve import Curve
    from kcnn.adversarial.victim import Victim
    from kcnn.export.runner import Runner

HELP = "change images so that a network errs, with pictures and the robustness curve"
BATCH = 16
SETTINGS = ("eps", "steps", "norm", "restarts", "seed")  # flags that go to the method, where it has them
SOME_FAILED = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("model", metavar="RUN", help="folder of a finished run, or a bundle")
    parser.add_argument("files", metavar="IMAGE", nargs="+", help="image, folder or glob")
    parser.add_argument("--method", default="pgd", metavar="NAME", help=f"{', '.join(ATTACKS.entries())} (default pgd)")
    parser.add_argument("--eps", type=float, metavar="PIXELS", help="largest change, of 0..255 (default 8)")
    parser.add_argument("--norm", metavar="NAME", help="linf or l2: in which eps is measured (default linf)")
    parser.add_argument("--steps", type=int, metavar="N", help="of the method (default: its own)")
    parser.add_argument("--restarts", type=int, metavar="N", help="random starts of pgd (default 1)")
    parser.add_argument("--seed", type=int, metavar="N", help="of random starts (default 0)")
    parser.add_argument("--target", metavar="CLASS", help="name or number of the class to lead to (default: any other)")
    parser.add_argument(
        "--curve",
        metavar="EPS,...",
        help="eps of the curve, not with --target (default: 0.25, 0.5, 1 and 2 times --eps)",
    )
    parser.add_argument("--output", metavar="FOLDER", help="for pictures and attack.json (default: RUN/attacks/METHOD)")
    parser.add_argument("--json", action="store_true", help="print attack.json instead of a table")


def run(args: argparse.Namespace, console: Console) -> int:
    """Attack every image and write what came of it."""
    from kcnn.export.predict import find_files

    function = ATTACKS.get(args.method)
    settings = {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}
    _check_settings(args.method, function, settings)
    radii = _radii(args, function)
    files = list(find_files(args.files))
    folder = _folder(args, files)
    victim, runner = _open(args.model)
    if runner.preprocess.bit_depth == 16:
        raise ConfigError(
            f"{args.model} keeps 16 bits of each pixel (preprocess.bit_depth=16), but attacks are written as pictures "
            "of 8; from Python, kcnn.adversarial takes its images with whole=False."
        )
    labels = runner.labels
    target = None if args.target is None else class_id(args.target, labels)
    attack = functools.partial(function, **settings)

    report: dict[str, Any] = {"model": args.model, "method": args.method, "settings": _all_settings(function, settings)}
    report["images"] = []
    report |= {"target": labels[target]} if target is not None else {}
    originals: list[np.ndarray] = []
    with console.progress(len(files), args.method) as bar:
        for rows, pixels in _batches(runner, files):
            wanted = _wanted(rows, pixels, victim, target, labels)
            if wanted:
                images = _stacked([pixels[row] for row in wanted])
                originals.extend(images)
                result = attack(victim.aim(images, target=target))
                _write(folder, result, [rows[row] for row in wanted], labels, len(report["images"]))
            report["images"] += rows
            if originals:  # else an earlier report stays
                _save(folder, report)
            bar.advance(len(rows))
    if radii and originals:
        with console.progress(len({0.0, *radii}), "robustness curve") as bar:
            for found in _curve(victim, _stacked(originals), function, settings, radii):
                report["curve"] = found.rows()
                _save(folder, report)
                _draw_curve(found, folder, f"{victim.model.name}: answers that withstand {args.method}", args.method)
                bar.advance()
    return _tell(report, folder, args.json, console)


def _check_settings(method: str, function: Callable[..., Any], settings: dict[str, Any]) -> None:
    known = [name for name in SETTINGS if name in inspect.signature(function).parameters]
    for name in settings:
        if name not in known:
            flags = ", ".join(f"--{flag}" for flag in known) or "none of these flags"
            raise ConfigError(f"--{name} is not a setting of {method}, which takes {flags}.")
    from kcnn.adversarial.aim import check_eps

    check_eps(settings.get("eps", 0.0))
    if settings.get("seed", 0) < 0:
        raise ConfigError(f"--seed is {settings['seed']} but must be at least 0.")


def _all_settings(function: Callable[..., Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return `settings` with the method's own values for those that are not given."""
    parameters = inspect.signature(function).parameters
    return {name: settings.get(name, parameters[name].default) for name in SETTINGS if name in parameters}


def _radii(args: argparse.Namespace, function: Callable[..., Any]) -> list[float]:
    """Return the eps of the curve, none where the method has no eps or a target is asked for."""
    has_eps = "eps" in inspect.signature(function).parameters
    if args.curve is None:
        eps = 8.0 if args.eps is None else args.eps
        return [share * eps for share in (0.25, 0.5, 1, 2)] if has_eps and args.target is None else []
    if not has_eps:
        raise ConfigError(f"--curve needs a method that takes --eps; {args.method} looks for the smallest change.")
    if args.target is not None:
        raise ConfigError("--curve counts answers that any other class can topple; leave out --curve or --target.")
    from kcnn.adversarial.aim import check_eps

    try:
        radii = [float(part) for part in args.curve.split(",")]
    except ValueError:
        raise ConfigError(f"--curve is {args.curve!r} but must be numbers of pixels, as in 1,2,4,8.") from None
    return [check_eps(radius, "eps of --curve") for radius in radii]


def _open(model: str) -> tuple["Victim", "Runner"]:
    """Return the network of a run or bundle, and how its images are read."""
    from kcnn.adversarial.victim import Victim

    runner, network = open_classifier(model, "attacks")
    if runner.facts.multi_label:
        raise ConfigError(f"{model} gives any number of labels an image, but attacks need one label.")
    return Victim(network, runner.preprocess, BATCH), runner


def _folder(args: argparse.Namespace, files: list[str]) -> Path:
    from kcnn.versions import is_bundle, newest

    if args.output is None and is_bundle(newest(Path(args.model))):
        raise ConfigError(f"{args.model} is a bundle, which stays as it was published; name an --output=FOLDER.")
    folder = Path(args.output) if args.output else Path(args.model) / "attacks" / args.method
    check_folder(folder, files)
    return folder


def _batches(runner: "Runner", files: list[str]) -> Iterator[tuple[list[dict[str, Any]], list[Any]]]:
    """Yield rows {"file": ...} with "error" where one cannot be read, and the pixels of each or None."""
    from kcnn.export.predict import reader

    read, names = reader(runner), iter(files)
    while batch := list(itertools.islice(names, BATCH)):
        found = [read(name) for name in batch]
        yield (
            [{"file": p.file} | ({} if pixels is not None else {"error": p.error}) for p, pixels in found],
            [pixels for _, pixels in found],
        )


def _wanted(
    rows: list[dict[str, Any]], pixels: list[Any], victim: "Victim", target: int | None, labels: tuple[str, ...]
) -> list[int]:
    """Return which rows can be attacked; those that already are of the target say so in "error"."""
    readable = [row for row, image in enumerate(pixels) if image is not None]
    if target is None or not readable:
        return readable
    answers = victim.predict(_stacked([pixels[row] for row in readable]))
    for row, answer in zip(readable, answers, strict=True):
        if answer == target:
            rows[row]["error"] = f"the network says {labels[target]!r} already"
    return [row for row in readable if "error" not in rows[row]]


def _stacked(images: list["np.ndarray"]) -> "np.ndarray":
    import numpy as np

    return np.stack(images)


def _write(folder: Path, result: "Attacked", rows: list[dict[str, Any]], labels: tuple[str, ...], first: int) -> None:
    """Write the triple and the changed image of every row, and fill the row."""
    import dataclasses

    from PIL import Image

    from kcnn.adversarial.figures import triples

    norms, success = result.norms(), result.success
    for at, row in enumerate(rows):
        stem = f"{first + at:04d}_{Path(row['file']).stem}"
        image = result.images[at]
        buffer = io.BytesIO()
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, "png")
        atomic.write_bytes(folder / f"{stem}_attacked.png", buffer.getvalue())
        names = ("originals", "images", "labels", "before", "after")
        parts = {name: getattr(result, name)[at : at + 1] for name in names}
        target = None if result.target is None else result.target[at : at + 1]
        _save_figure(folder / f"{stem}.png", triples(dataclasses.replace(result, target=target, **parts), labels))
        row |= {"before": _answer(result.before[at], labels), "after": _answer(result.after[at], labels)}
        row |= {"success": bool(success[at]), "linf": float(norms["linf"][at]), "l2": float(norms["l2"][at])}
        row |= {"pixels": int(norms["l0"][at]), "picture": f"{stem}.png", "image": f"{stem}_attacked.png"}


def _answer(probabilities: "np.ndarray", labels: tuple[str, ...]) -> dict[str, Any]:
    best = int(probabilities.argmax())
    return {"label": labels[best], "probability": float(probabilities[best])}


def _curve(
    victim: "Victim", images: "np.ndarray", function: Callable[..., Any], settings: dict[str, Any], radii: list[float]
) -> Iterator["Curve"]:
    from kcnn.adversarial.curve import curve_so_far

    attack = functools.partial(function, **{key: value for key, value in settings.items() if key != "eps"})
    return curve_so_far(victim, images, victim.predict(images), attack, radii)


def _draw_curve(found: "Curve", folder: Path, title: str, method: str) -> None:
    from kcnn.adversarial.figures import robustness

    _save_figure(folder / "robustness.png", robustness({method: found}, title))


def _save_figure(path: Path, figure: Any) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    atomic.write_bytes(path, buffer.getvalue())


def _save(folder: Path, report: dict[str, Any]) -> None:
    atomic.write_text(folder / "attack.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def _tell(report: dict[str, Any], folder: Path, as_json: bool, console: Console) -> int:
    attacked = [row for row in report["images"] if "success" in row]
    failed = [row for row in report["images"] if "error" in row]
    if as_json:
        console.json(report)
    else:
        cells = [
            (row["file"], *_cells(row["before"]), *_cells(row["after"]), f"{row['linf']:.0f}", f"{row['l2']:.1f}")
            for row in attacked
        ]
        console.table(report["method"], ("image", "before", "sure", "after", "sure", "largest change", "length"), cells)
        console.line(f"{sum(row['success'] for row in attacked)} of {len(attacked)} images are answered as wanted")
        for row in report.get("curve", []):
            console.line(f"eps {row['eps']:>6g}  {row['accuracy']:>6.1%} of the answers stand")
        if attacked:
            console.line(f"pictures: {folder}")
    for row in failed:
        console.warn(f"{row['file']}: {row['error']}")
    return SOME_FAILED if failed or not attacked else 0


def _cells(answer: dict[str, Any]) -> tuple[str, str]:
    return answer["label"], f"{answer['probability']:.1%}"
