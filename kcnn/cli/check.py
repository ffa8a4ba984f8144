"""Look at a data set before training: layout, counts, sizes, duplicates, images that cannot be read.

Exit code 0 when training would take all of it, 2 when it would refuse something or leave something out.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from kcnn.cli.console import Console
from kcnn.errors import ConfigError

HELP = "layout, counts, sizes, duplicates and bad files of a data set"
SHOWN = 20  # classes, files and sizes that the summary lists


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add(
        "data", metavar="DATA", help="folder or file of images, a name of `kcnn list sources`, tfds:NAME, or boxes:PATH"
    )
    add("--output", metavar="FOLDER", help="write report.html, with pictures, and report.json there; else nothing")
    add("--json", action="store_true", help="print the report as JSON instead of the summary")
    add(
        "--bit_depth", type=int, default=8, metavar="BITS", help="16 compares all bits of 16-bit PNG files (default: 8)"
    )
    add("--max_bad_fraction", type=float, metavar="SHARE", help="of unreadable images allowed in training (0.01)")


def run(args: argparse.Namespace, console: Console) -> int:
    """Open the data, look at every image, print what was found."""
    from kcnn.data import open_source
    from kcnn.data.annotations import open_annotations
    from kcnn.recipe import Data

    output = _output_folder(args)
    budget = {} if args.max_bad_fraction is None else {"max_bad_fraction": args.max_bad_fraction}
    settings = Data(source=args.data, **budget)
    boxes = boxes_in(args.data)
    annotated = open_annotations(boxes) if boxes else None
    opened = annotated.source() if annotated else open_source(Data(source=args.data, validation=0.0))
    source = opened.at_depth(args.bit_depth)

    from kcnn.data.report import inspect

    with console.progress(sum(source.info.splits.values()), "looking at every image") as bar:
        layout = annotated.layout if annotated else layout_of(args.data)
        report = inspect(source, layout, settings, bar.advance, annotated)
    if output is not None:
        from kcnn import atomic
        from kcnn.data.report_page import page

        atomic.write_text(output / "report.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        atomic.write_text(output / "report.html", page(report, source))
    if args.json:
        console.json(report)
    else:
        show(report, console)
        if output is not None:
            console.line(f"report: {output / 'report.html'}, {output / 'report.json'}")
    return 0 if report["clean"] else 2


def boxes_in(data: str) -> str:
    """Return the path of the data set whose boxes are meant: after "boxes:", or in a layout of boxes; else ""."""
    from kcnn.data import SOURCES, layouts

    name = os.path.expanduser(data)
    if name.startswith("boxes:"):
        return os.path.expanduser(name.removeprefix("boxes:"))
    known = name in SOURCES.entries() or ":" in name.partition(os.sep)[0] or not layouts.is_path(name)
    return "" if known or layouts.recognise(name).target != "boxes" else name


def layout_of(data: str) -> str:
    """Return the name of the layout that `open_source` sees in `data`."""
    from kcnn.data import SOURCES, layouts

    name = os.path.expanduser(data)
    if name.startswith("tfds:"):
        return "tensorflow-datasets"
    if name.startswith("masks:"):
        return layouts.recognise(name.removeprefix("masks:"), "mask").name
    if name in SOURCES.entries() or not layouts.is_path(name):
        return "named source"
    return layouts.recognise(name).name


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report: what it is, counts, sizes, then what was found."""
    from kcnn.data.report import label_text, size_text, verdict

    images = sum(split["examples"] for split in report["splits"].values())
    classes = f"{len(report['classes']):,} {'class' if len(report['classes']) == 1 else 'classes'}"
    console.line(f"{report['source']}: {report['layout']}, {images:,} images, {classes}")
    _show_counts(report, console)
    if "boxes" in report:
        _show_boxes(report, console)
    if report["sizes"]:
        formats = ", ".join(f"{count:,} {kind}" for kind, count in report["formats"].items())
        console.line(f"sizes    {size_text(report['sizes'])}")
        console.line(f"formats  {formats}")
    for bad in report["unreadable"][:SHOWN]:
        console.line(f"unreadable  {bad['name']}: {bad['reason']}")
    if len(report["unreadable"]) > SHOWN:
        console.line(f"... and {len(report['unreadable']) - SHOWN:,} more; --json or --output=FOLDER lists all")
    for group in report["duplicates"][:5]:
        names = [f"{image['name']} ({image['split']}, {label_text(image['label'])})" for image in group["images"][:4]]
        more = f" and {len(group['images']) - 4} more" if len(group["images"]) > 4 else ""
        console.line(f"same picture  {' = '.join(names)}{more}")
    if len(report["duplicates"]) > 5:
        console.line(f"... and {len(report['duplicates']) - 5:,} more; --json or --output=FOLDER lists all")
    for finding in report["findings"]:
        console.line(f"{finding['effect'].upper():<9} {finding['text']}")
    console.line(verdict(report))


def _show_counts(report: dict[str, Any], console: Console) -> None:
    splits, classes = report["splits"], report["classes"]
    rows = list(zip(classes, *(_per_class(split) for split in splits.values()), strict=True))
    masked = [split["masks"] for split in splits.values() if "masks" in split]
    if len(rows) > SHOWN:
        least = min(range(len(classes)), key=splits["train"]["per_class"].__getitem__)
        rows = [*rows[: SHOWN - 1], rows[least]] if least >= SHOWN else rows[:SHOWN]
    shown = len(rows)
    rows.append(("all images", *(f"{split['examples']:,}" for split in splits.values())))
    if masked:
        shares = (part["ignored"] / max(1, part["ignored"] + sum(part["pixels"])) for part in masked)
        rows.append(("ignored pixels", *(f"{share:.2%}" for share in shares)))
    if report["unreadable"]:
        rows.append(("unreadable", *(f"{split['unreadable']:,}" for split in splits.values())))
    title = "images with a class, and its share of pixels" if masked else "images with a class" * ("boxes" in report)
    console.table(title, ("class", *splits), rows)
    if shown < len(classes):
        console.line(f"... and {len(classes) - shown:,} more classes; --json or --output=FOLDER lists all")


def _per_class(split: dict[str, Any]) -> list[str]:
    """Return what the table says of each class: examples; of masks, images and share of pixels."""
    counts = [f"{count:,}" for count in split["per_class"]]
    if "masks" not in split:
        return counts
    pixels = split["masks"]["pixels"]
    return [f"{n} {part / max(1, sum(pixels)):7.2%}" for n, part in zip(counts, pixels, strict=True)]


def _show_boxes(report: dict[str, Any], console: Console) -> None:
    """Print what the rules did with the objects of each split, and the first that broke each rule."""
    splits, kinds = report["boxes"]["splits"], ("objects", "kept", "clipped", "crowd", "difficult", "masks", "most")
    rules = dict.fromkeys(rule for part in splits.values() for rule in part["dropped"])
    rows = [(kind, *(f"{part[kind]:,}" for part in splits.values())) for kind in kinds]
    rows[-1] = ("most in one image", *rows[-1][1:])
    rows = [row for row in rows if row[0] in ("objects", "kept") or set(row[1:]) != {"0"}]
    rows += [(f"dropped: {rule}", *(f"{part['dropped'].get(rule, 0):,}" for part in splits.values())) for rule in rules]
    rows.append(("images without any", *(f"{part['without']:,}" for part in splits.values())))
    console.table("", ("boxes", *splits), rows)
    for rule, offenders in report["boxes"]["offenders"].items():
        for one in offenders[:3]:
            box = " ".join(f"{value:g}" for value in one["box"])
            because = f" ({one['reason']})" if one["reason"] else ""
            console.line(f"{rule}  {one['image']}, object {one['object'] + 1}: {box}{because}")


def _output_folder(args: argparse.Namespace) -> Path | None:
    """Return where the report goes, None for nowhere.

    Raises:
        ConfigError: it is a file, or lies inside the data, which stay untouched.
    """
    if not args.output:
        return None
    output, data = Path(args.output), Path(os.path.expanduser(args.data))
    if output.exists() and not output.is_dir():
        raise ConfigError(f"--output is {output}, which is a file; give a folder.")
    if data.is_dir() and output.resolve().is_relative_to(data.resolve()):
        raise ConfigError(f"--output={output} lies inside the data, which kcnn leaves untouched; choose another.")
    return output
