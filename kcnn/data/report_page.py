"""The report of `kcnn check` as one HTML file: no script, nothing fetched, pictures inside."""

import base64
import io
from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np

from kcnn.data.report import label_text, size_text, verdict
from kcnn.data.source import Source

CLASSES = 50  # that are shown with pictures
PICTURES = 8  # of a class, or of a group of duplicates
GROUPS = 50  # of duplicates
SIDE = 96  # of a thumbnail, in pixels, at most

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; color: #222 }
table { border-collapse: collapse } td, th { padding: .2em .8em; text-align: left; border-bottom: 1px solid #ddd }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
figure { display: inline-block; margin: 0 .5em .5em 0; vertical-align: top; max-width: 12em; overflow-wrap: anywhere }
figcaption { font-size: .75em; color: #555 } img { image-rendering: pixelated; border: 1px solid #ddd }
.refused { color: #b00020 } .left { color: #9a5b00 } .warning { color: #665500 }
"""


def page(report: dict[str, Any], source: Source) -> str:
    """Return the report as HTML.

    Args:
        report: from `report.inspect`.
        source: the same one; a few of its images are read again for thumbnails.
    """
    title = f"{escape(report['source'])}: {escape(report['layout'])}"
    body = [
        f"<h1>{title}</h1><p>{escape(verdict(report))}</p>",
        _findings(report["findings"]),
        _counts(report),
        f"<p>Sizes in pixels: {escape(size_text(report['sizes']))}.</p>" if report["sizes"] else "",
        _unreadable(report["unreadable"]),
        _classes(report, source),
        _duplicates(report["duplicates"], source),
    ]
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(body) + "\n</body></html>\n"


def _findings(findings: list[dict[str, str]]) -> str:
    items = (
        f'<li class="{finding["effect"].split()[0]}"><b>{finding["effect"]}</b>: {escape(finding["text"])}</li>'
        for finding in findings
    )
    return f"<ul>{''.join(items)}</ul>" if findings else ""


def _counts(report: dict[str, Any]) -> str:
    splits = report["splits"]
    rows = [
        (name, *(split["per_class"][index] for split in splits.values()))
        for index, name in enumerate(report["classes"])
    ]
    rows.append(("all images", *(split["examples"] for split in splits.values())))
    rows.append(("unreadable", *(split["unreadable"] for split in splits.values())))
    return "<h2>Examples</h2>" + _table(("class", *splits), rows)


def _unreadable(images: list[dict[str, Any]]) -> str:
    if not images:
        return ""
    rows = [(image["split"], image["name"], image["reason"]) for image in images]
    return f"<h2>Unreadable: {len(rows):,}</h2>" + _table(("split", "image", "why"), rows)


def _classes(report: dict[str, Any], source: Source) -> str:
    labels = source.splits["train"].labels
    bad = [image["index"] for image in report["unreadable"] if image["split"] == "train"]
    parts = ["<h2>A look at the training split</h2>"]
    for index, name in enumerate(report["classes"][:CLASSES]):
        chosen = labels[:, index] == 1 if labels.ndim == 2 else labels == index
        members = np.setdiff1d(np.flatnonzero(chosen), bad)
        picks = members[np.unique(np.linspace(0, len(members) - 1, PICTURES).astype(int))] if len(members) else []
        parts.append(f"<h3>{escape(name)}</h3>{_figures(source, (('train', int(i), '') for i in picks))}")
    if len(report["classes"]) > CLASSES:
        parts.append(f"<p>... and {len(report['classes']) - CLASSES:,} more classes.</p>")
    return "\n".join(parts)


def _duplicates(groups: list[dict[str, Any]], source: Source) -> str:
    if not groups:
        return ""
    parts = [f"<h2>Same picture: {len(groups):,}</h2>"]
    for group in groups[:GROUPS]:
        images = group["images"][:PICTURES]
        shown = ((i["split"], i["index"], f"{i['split']}: {i['name']} ({label_text(i['label'])})") for i in images)
        parts.append(f"<div>{_figures(source, shown)}</div>")
    if len(groups) > GROUPS:
        parts.append(f"<p>... and {len(groups) - GROUPS:,} more; report.json lists all.</p>")
    return "\n".join(parts)


def _figures(source: Source, images: Iterable[tuple[str, int, str]]) -> str:
    """Return a row of pictures with captions for (split, index, caption)."""
    return "".join(
        f'<figure><img alt="" src="{thumbnail(source, split, index)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for split, index, caption in images
    )


def thumbnail(source: Source, split: str, index: int) -> str:
    """Return a readable example as a data URI: a PNG of at most `SIDE` pixels a side."""
    from PIL import Image

    pixels = source.splits[split].read(np.int64(index))["image"].numpy()
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    def cell(tag: str, value: Any) -> str:
        return (
            f'<{tag} class="n">{value:,}</{tag}>' if isinstance(value, int) else f"<{tag}>{escape(str(value))}</{tag}>"
        )

    head = "".join(cell("th", column) for column in columns)
    body = "".join(f"<tr>{''.join(cell('td', value) for value in row)}</tr>\n" for row in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>"
