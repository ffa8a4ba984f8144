"""Show a network layer by layer: output shape, parameters, multiply-adds, memory, receptive field.

Of a SavedModel or a .tflite, a stranger's too, it lists the operations instead; nothing of it runs.
"""

import argparse
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcnn import atomic
from kcnn.cli.console import Console
from kcnn.errors import ConfigError, DataError, ExportError, KcnnError

if TYPE_CHECKING:
    from kcnn.ops.receptive_field import Field

HELP = "layer table of a model, with parameters, multiply-adds, memory and receptive field"
NO_KERNEL = "is not built into LiteRT"
COLUMNS = ("layer", "kind", "output", "parameters", "multiply-adds", "memory KiB", "field", "stride")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "model", metavar="MODEL", help="a name of `kcnn list models`; or a SavedModel, bundle or .tflite"
    )
    parser.add_argument("--image_shape", metavar="H,W,C", help="input in pixels; default that of its paper")
    parser.add_argument("--num_classes", type=int, metavar="N", help="default the model's own")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--figure", metavar="FILE", help="draw the growth of the receptive field into a PNG")


def run(args: argparse.Namespace, console: Console) -> int:
    """Build the model at one input size and print its ledger; or list what an exported file consists of."""
    from kcnn.models import MODELS, build

    path = Path(args.model)
    if args.model not in MODELS.entries() and (path.suffix == ".tflite" or "/" in args.model or path.exists()):
        return _listed(_program(path), args, console)
    from kcnn.models.cards import usual_shape

    arguments: dict[str, Any] = {"image_shape": usual_shape(args.model)}
    if args.num_classes is not None:
        arguments["num_classes"] = args.num_classes
    if args.image_shape:
        arguments["image_shape"] = parse_shape(args.image_shape)
    model = build(args.model, **arguments)

    from kcnn.ops import cost, receptive_field

    rows = cost.ledger(model)
    try:
        fields = receptive_field.ledger(model)
    except KcnnError as error:  # a layer of somebody else's, whose windows nobody has described
        console.warn(f"no receptive fields: {error}")
        fields = [None] * len(rows)
    sums = cost.totals(rows) | {"peak_bytes": cost.peak_bytes(model), "dense_share": cost.dense_share(rows)}
    if args.figure and None not in fields:
        draw(args.figure, args.model, fields, model.input_shape[1:3])
        console.note(f"figure: {args.figure}")
    if args.json:
        layers = [
            vars(row) | ({"field": field.size, "stride": field.stride} if field else {})
            for row, field in zip(rows, fields, strict=True)
        ]
        console.json({"model": args.model, "input": model.input_shape[1:], "layers": layers, **sums})
        return 0
    cells = [
        (
            row.name,
            row.kind,
            sides(row.output),
            f"{row.params:,}",
            f"{row.macs:,}",
            f"{row.activation_bytes / 1024:,.1f}",
            *seen(field),
        )
        for row, field in zip(rows, fields, strict=True)
    ]
    console.table(f"{args.model}, input {sides(model.input_shape[1:])}", COLUMNS, cells)
    console.line(
        f"parameters     {sums['params']:>15,}  ({sums['trainable']:,} trainable; {sums['dense_share']:.0%} in fully "
        "connected layers)"
    )
    console.line(f"multiply-adds  {sums['macs']:>15,}  (one image; convolutions and dense layers, bias not counted)")
    console.line(
        f"activations    {sums['activation_bytes'] / 1024:>11,.1f} KiB  (one image, float32, all kept as in training; "
        f"in inference at most {sums['peak_bytes'] / 1024:,.1f} KiB at once)"
    )
    if any(field and field.global_context for field in fields):
        console.line("+ after a field: values of the whole image come in too, through squeeze-excite or the like")
    return 0


def _program(path: Path) -> Path:
    """Return the SavedModel folder or `.tflite` file that `path` is, or the SavedModel of a bundle's newest version.

    Raises:
        DataError: it is neither.
    """
    from kcnn import versions

    if path.is_dir():
        inside = versions.newest(path)
        found = next((one for one in (inside, inside / "saved_model") if (one / "saved_model.pb").exists()), None)
    else:
        found = path if path.suffix == ".tflite" and path.exists() else None
    if found is None:
        raise DataError(
            f"{path} is not there, or is neither a SavedModel folder, a bundle nor a .tflite file; a network is summed "
            "up by its name in `kcnn list models`."
        )
    return found


def _listed(path: Path, args: argparse.Namespace, console: Console) -> int:
    """Print the operations of a SavedModel or `.tflite`, then refuse what may not run, as opening it would."""
    from kcnn import guard
    from kcnn.export import anatomy, operations

    if extra := [name for name in ("image_shape", "num_classes", "figure") if getattr(args, name) is not None]:
        raise ConfigError(f"--{extra[0]} is for networks by name; of the file {path} only the operations are listed.")
    if path.is_dir():
        rows = operations.list_operations(path)
    else:
        guard.check_file(path, ExportError)
        found = anatomy.anatomy(path)
        alien = {op for op, _ in found.custom}
        rows = {op: (count, NO_KERNEL if op in alien else "") for op, count in found.ops.items()}
    if args.json:
        console.json(
            {"model": str(path), "operations": {op: {"count": n, "refused": why} for op, (n, why) in rows.items()}}
        )
    else:
        cells = [(op, f"{count:,}", why) for op, (count, why) in rows.items()]
        console.table(f"{path}, read without running it", ("operation", "count", "refused, since it"), cells)
    operations.check_saved_model(path) if path.is_dir() else anatomy.check_built_in(path, "tflite")
    return 0


def draw(file: str, name: str, fields: Sequence["Field"], image_size: Sequence[int]) -> None:
    """Write the figure of the whole network's receptive fields to `file`.

    Raises:
        ConfigError: the file name does not end in .png, or every layer sees the whole image.
    """
    from kcnn.explain.field_figures import growth

    if not file.endswith(".png"):
        raise ConfigError(f"--figure is {file!r} but must be the name of a .png file.")
    figure = growth(fields, f"Receptive fields of {name}", image_size)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=150)
    atomic.write_bytes(Path(file), buffer.getvalue())


def seen(field: "Field | None") -> tuple[str, str]:
    """Return the cells of field and stride."""
    if field is None:
        return "", ""
    if field.size is None:
        return "global", ""
    return sides(field.size) + ("+" if field.global_context else ""), sides(field.stride or ())


def sides(shape: Iterable[float]) -> str:
    """Return "224x224x3"; one number where all are equal and there are two."""
    numbers = [f"{side:g}" for side in shape]
    return numbers[0] if len(numbers) == 2 and numbers[0] == numbers[1] else "x".join(numbers)


def parse_shape(text: str) -> tuple[int, ...]:
    """Read "H,W,C" or "HxWxC", or two numbers for a sequence.

    Raises:
        ConfigError: the text has no such form.
    """
    parts = text.lower().replace("x", ",").split(",")
    if len(parts) not in (2, 3) or not all(part.strip().isdigit() for part in parts):
        raise ConfigError(
            f"--image_shape is {text!r} but must be height,width,channels, as in 224,224,3, or length,channels "
            "for a network of sequences."
        )
    return tuple(int(part) for part in parts)
