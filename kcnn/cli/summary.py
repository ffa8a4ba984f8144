"""Show a network layer by layer: output shape, parameters, multiply-adds, activation memory."""

import argparse

from kcnn.cli.console import Console
from kcnn.errors import ConfigError

HELP = "layer table of a model, with parameters, multiply-adds and memory"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("model", metavar="MODEL", help="a name of `kcnn list models`")
    parser.add_argument("--image_shape", metavar="H,W,C", help="input in pixels; default the model's own, or 224,224,3")
    parser.add_argument("--num_classes", type=int, metavar="N", help="default the model's own")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, console: Console) -> int:
    """Build the model at one input size and print its ledger."""
    from kcnn.models import build

    arguments = {}
    if args.num_classes is not None:
        arguments["num_classes"] = args.num_classes
    if args.image_shape:
        arguments["image_shape"] = parse_shape(args.image_shape)
    model = build(args.model, **arguments)

    from kcnn.ops.cost import ledger, totals

    if None in model.input_shape[1:]:
        model = build(args.model, **arguments, image_shape=tuple(side or 224 for side in model.input_shape[1:]))
    rows = ledger(model)
    sums = totals(rows)
    if args.json:
        console.json({"model": args.model, "input": model.input_shape[1:], "layers": [vars(r) for r in rows], **sums})
        return 0
    shape = "x".join(map(str, model.input_shape[1:]))
    cells = [
        (
            r.name,
            r.kind,
            "x".join(map(str, r.output)),
            f"{r.params:,}",
            f"{r.macs:,}",
            f"{r.activation_bytes / 1024:,.1f}",
        )
        for r in rows
    ]
    console.table(
        f"{args.model}, input {shape}", ("layer", "kind", "output", "parameters", "multiply-adds", "memory KiB"), cells
    )
    console.line(f"parameters     {sums['params']:>15,}  ({sums['trainable']:,} trainable)")
    console.line(f"multiply-adds  {sums['macs']:>15,}  (one image; convolutions and dense layers, bias not counted)")
    console.line(f"activations    {sums['activation_bytes'] / 1024:>11,.1f} KiB  (one image, float32, all layers kept)")
    return 0


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
