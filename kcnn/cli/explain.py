"""Show what a network looks at: pictures of several methods side by side for each image, and a JSON of numbers.

MODEL is a run, a bundle, or a name of `kcnn list models` (with ImageNet weights, or those of --weights).
"""

import argparse
import io
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcnn.cli.classifier import check_folder, check_there, class_id, open_classifier, reads_as_path
from kcnn.cli.console import Console
from kcnn.errors import ConfigError
from kcnn.explain.methods import METHODS, apply, drawn, method

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kcnn.recipe import Preprocess

HELP = "what a network looks at: heat maps over images, several methods side by side"
DEFAULT = "grad_cam,occlusion,integrated_gradients,guided_backprop"
SUMMARY = "explain.json"
SOME_FAILED = 2
AT_ONCE = 8  # images whose pictures are made and written together
DPI = 110


@dataclass(frozen=True)
class Opened:
    """A network with what stands around it: how pixels reach it and what its classes are called."""

    model: "keras.Model"
    preprocess: "Preprocess"
    labels: tuple[str, ...]
    multi_label: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("model", metavar="MODEL", help="run folder, bundle, or a name of `kcnn list models`")
    parser.add_argument("files", metavar="IMAGE", nargs="+", help="image, folder or glob")
    parser.add_argument("--method", help=f"comma-separated, of {', '.join(METHODS)}; default {DEFAULT}")
    parser.add_argument("--layer", help="whose maps the CAM methods weigh (default: the last layer with maps)")
    parser.add_argument("--target", metavar="CLASS", help="number or name of the class (default: the model's answer)")
    parser.add_argument("--weights", metavar="WHICH", help="of a named model: imagenet (default), file, hf:...")
    parser.add_argument("--output", metavar="FOLDER", default="explain", help="where pictures land (default: explain)")
    parser.add_argument(
        "--batch_size", type=int, default=16, metavar="N", help="images at once, without --gallery (default: 16)"
    )
    parser.add_argument("--gallery", action="store_true", help="write the page of the network instead: layer by layer "
                        "its kernels, the pieces of the images it answers to most, the inputs it asks for")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the JSON to stdout too")


def run(args: argparse.Namespace, console: Console) -> int:
    """Explain every image and write what was found."""
    from kcnn import atomic
    from kcnn.explain.core import find_row
    from kcnn.export.predict import find_files, reader

    if args.gallery:
        check_gallery(args)
    methods = parse_methods(DEFAULT if args.method is None else args.method)
    if args.batch_size < 1:
        raise ConfigError(f"--batch_size is {args.batch_size} but must be at least 1.")
    output, files = Path(args.output), list(find_files(args.files))
    check_folder(output, files)
    opened = open_network(args.model, args.weights)
    if args.gallery:
        return write_gallery(opened, args, console)
    target = None if args.target is None else class_id(args.target, opened.labels)
    if any(METHODS[name].takes_layer for name in methods):
        find_row(opened.model, args.layer)
    elif args.layer is not None:
        raise ConfigError(
            f"--layer={args.layer} goes with {', '.join(n for n, m in METHODS.items() if m.takes_layer)}."
        )
    read, used, answers = reader(opened), set[str](), []  # type: ignore[arg-type]  # it reads `preprocess` alone
    left = iter(files)
    with console.progress(len(files), "explaining") as bar:
        while batch := list(itertools.islice(left, AT_ONCE)):
            found = [read(name) for name in batch]
            good = [(one, pixels) for one, pixels in found if pixels is not None]
            answers += [{"file": one.file, "error": one.error} for one, pixels in found if pixels is None]
            if good:
                names = [_picture_name(one.file, used) for one, _ in good]
                bar.advance(0, at=good[0][0].file)
                records = explain([pixels for _, pixels in good], opened, methods, args, target)
                for (one, _), name, (record, figure) in zip(good, names, records, strict=True):
                    buffer = io.BytesIO()
                    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
                    atomic.write_bytes(output / name, buffer.getvalue())
                    answers.append({"file": one.file, "picture": name, "size": one.image.shape[:2]} | record)
            if used:  # else an earlier summary stays
                told = json.dumps({"model": args.model, "images": answers}, indent=2)
                atomic.write_text(output / SUMMARY, told + "\n")
            bar.advance(len(batch))
    report(answers, output, console, args.json)
    return SOME_FAILED if any("error" in answer for answer in answers) else 0


def parse_methods(text: str) -> list[str]:
    """Read the comma-separated names.

    Raises:
        UnknownNameError: a method of no such name.
        ConfigError: no name at all.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise ConfigError(f"--method is {text!r} but must name some of {', '.join(METHODS)}.")
    for name in names:
        method(name)
    return names


def check_gallery(args: argparse.Namespace) -> None:
    """Refuse flags that the page of a network has no use for.

    Raises:
        ConfigError: one of them is given.
    """
    for flag, value in (("--method", args.method), ("--target", args.target), ("--json", args.json or None)):
        if value is not None:
            raise ConfigError(f"{flag} does not go with --gallery, which shows layers (--layer=NAME,...), not answers.")


def open_network(name: str, weights: str | None) -> Opened:
    """Open a run or a bundle, or build a named network with weights.

    Raises:
        UnknownNameError: neither a folder nor a network.
        ConfigError: a path that leads nowhere, a run of another task than classification, or one and `weights`.
        KcnnError: as `kcnn.train.weights.load_run` or `kcnn.zoo.build`.
    """
    import kcnn
    from kcnn import zoo

    if Path(name).is_dir():
        if weights is not None:
            raise ConfigError(f"{name} has weights of its own; --weights={weights} goes with a model's name.")
        runner, model = open_classifier(name, "heat maps")
        return Opened(model, runner.preprocess, runner.labels, runner.facts.multi_label)
    if reads_as_path(name):
        check_there(name)
        raise ConfigError(f"{name} is no run or bundle; explaining needs the Keras network of one, or a model's name.")
    weights = weights or "imagenet"
    record = zoo.preprocess(name, weights)
    model = kcnn.build(name, weights=weights, image_shape=record.image_shape)
    return Opened(model, record, tuple(map(str, range(model.output_shape[-1]))))


def explain(
    images: Sequence["np.ndarray"], opened: Opened, methods: Sequence[str], args: argparse.Namespace, target: int | None
) -> list[tuple[dict[str, Any], Any]]:
    """Return (record, figure) of each image 0..255 of the model's size."""
    import numpy as np

    from kcnn.data.preprocess import normalise
    from kcnn.explain import draw

    pictures = np.stack(images)
    ready = normalise(pictures, opened.preprocess).numpy()
    logits = np.asarray(opened.model.predict_on_batch(ready), "float64")
    softmax = not opened.multi_label and logits.shape[-1] > 1
    shares = np.exp(logits - logits.max(-1, keepdims=True)) if softmax else 1 / (1 + np.exp(-logits))
    shares = shares / shares.sum(-1, keepdims=True) if softmax else shares
    targets = logits.argmax(-1) if target is None else np.full(len(logits), target)
    columns = [list(draw.pixels(pictures))]
    facts: list[dict[str, Any]] = [{} for _ in images]
    for name in methods:
        options = {"layer": args.layer, "softmax": softmax, "batch_size": args.batch_size}
        values = apply(name, opened.model, ready, targets, **options)
        columns.append(list(drawn(name, values, pictures)))
        for fact, one in zip(facts, _peaks(values, pictures.shape[1:3]), strict=True):
            fact[name] = one
    titles = ["image", *methods]
    found = []
    for at, fact in enumerate(facts):
        chosen = int(targets[at])
        record = {"class": chosen, "label": opened.labels[chosen], "probability": round(float(shares[at, chosen]), 6)}
        heading = f"{record['label']}: {record['probability']:.1%}"
        found.append((record | {"methods": fact}, draw.row([column[at] for column in columns], titles, heading)))
    return found


def write_gallery(opened: Opened, args: argparse.Namespace, console: Console) -> int:
    """Write gallery.html and gallery.png of the layers in --layer, or of five from the first to the last.

    An image is called by its folder. All images are held in memory at the model's size.

    Raises:
        ConfigError: no image can be read, or a layer has no maps.
        UnknownNameError: no such layer.
    """
    import numpy as np

    from kcnn.data.preprocess import normalise
    from kcnn.explain import gallery
    from kcnn.explain.core import find_row
    from kcnn.explain.maximise import Ascent
    from kcnn.export.predict import find_files, reader

    record, read = opened.preprocess, reader(opened)  # type: ignore[arg-type]  # it reads `preprocess` alone
    layers = args.layer.split(",") if args.layer else gallery.default_layers(opened.model)
    for layer in layers:
        find_row(opened.model, layer)
    found = [(one, pixels) for one, pixels in map(read, find_files(args.files))]
    for one, pixels in found:
        if pixels is None:
            console.warn(f"{one.file}: {one.error}")
    pictures = [pixels for _, pixels in found if pixels is not None]
    names = [Path(one.file).resolve().parent.name for one, pixels in found if pixels is not None]
    if not pictures:
        raise ConfigError("none of the files is an image that can be read; a gallery needs images.")
    black, white = pixel_range(record)
    ascent = Ascent(low=black, high=white, jitter=max(1, min(record.size) // 28))

    def prepare(batch: Any) -> Any:
        return normalise(batch, record).numpy()

    exhibits = []
    with console.progress(len(layers), "gallery") as bar:
        for layer in layers:
            options = {"prepare": prepare, "names": names, "ascent": ascent}
            exhibits.append(gallery.exhibit(opened.model, np.stack(pictures), layer, **options))
            page = gallery.write(Path(args.output), f"What {args.model} has learnt", exhibits)  # keeps what is finished
            bar.advance()
    console.line(f"{len(layers)} layers, {len(pictures)} images: {page}")
    return SOME_FAILED if len(pictures) < len(found) else 0


def pixel_range(record: "Preprocess") -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return what black and white become for the model, a value for each channel."""
    import numpy as np

    from kcnn.data.preprocess import normalise

    black, white = (normalise(np.full(record.image_shape[-1:], end, "uint8"), record).numpy() for end in (0, 255))
    return tuple(black.tolist()), tuple(white.tolist())


def report(answers: Sequence[dict[str, Any]], output: Path, console: Console, as_json: bool) -> None:
    """Print a line for each image, or the JSON."""
    if as_json:
        console.json(list(answers))
    for answer in answers:
        if "error" in answer:
            console.warn(f"{answer['file']}: {answer['error']}")
        elif not as_json:
            told = f"{answer['label']} {answer['probability']:.1%}"
            console.line(f"{answer['file']}: {told}, {output / answer['picture']}")


def _peaks(values: "np.ndarray", size: Sequence[int]) -> list[dict[str, Any]]:
    """Say of each map where it is highest, as shares of the image's height and width, and its range."""
    import numpy as np

    from kcnn.explain import maps

    flat = maps.per_pixel(values) if values.ndim == 4 else maps.enlarge(values, size)
    found = []
    for one in flat:
        y, x = np.unravel_index(one.argmax(), one.shape)
        peak = [round((float(y) + 0.5) / size[0], 4), round((float(x) + 0.5) / size[1], 4)]
        found.append({"peak": peak, "low": float(one.min()), "high": float(one.max())})
    return found


def _picture_name(file: str, used: set[str]) -> str:
    """Return a file name of its own for the picture of `file`."""
    stem = Path(file).stem or "image"
    names = itertools.chain([f"{stem}.png"], (f"{stem}_{number}.png" for number in itertools.count(2)))
    name = next(name for name in names if name not in used)
    used.add(name)
    return name
