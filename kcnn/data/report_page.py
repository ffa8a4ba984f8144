"""The report of `kcnn check` as one HTML file that needs nothing beside it: styles and pictures are inside."""

import base64
import io
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import numpy as np

from kcnn.data.report import label_text, size_text, verdict
from kcnn.data.source import Source
from kcnn.data.verify import pixels

THUMBNAIL = 96  # pixels of the longer side
MOST_PICTURES = 240  # in the table of classes, which keeps the file at a few megabytes
MOST_PER_CLASS = 6
MOST_CLASSES = 500
MOST_ROWS = 200  # unreadable files
MOST_GROUPS = 30  # duplicates
_TONES = {"refused": "bad", "left out": "warn", "warning": "note"}

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1c2330, #e6e9ef); --soft: light-dark(#5d6778, #9aa4b5);
  --paper: light-dark(#f5f6f8, #12161d); --card: light-dark(#ffffff, #1b212b); --line: light-dark(#e1e5eb, #2c3442);
  --good: light-dark(#18794e, #4cc38a); --bad: light-dark(#c62a2f, #ff6369); --warn: light-dark(#a15c00, #f1a10d);
  --note: light-dark(#2f6fd0, #7cb0ff); --s0: #3b82c4; --s1: #e0962e; --s2: #2f9e78; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 0 0 14px; }
header p, .soft { color: var(--soft); margin: 2px 0 0; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 20px;
  margin-top: 18px; }
.verdict { border-left: 5px solid var(--tone); font-size: 17px; font-weight: 600; }
.verdict ul { font-size: 15px; font-weight: 400; margin: 10px 0 0; padding: 0; list-style: none; }
.verdict li { display: flex; gap: 12px; padding: 6px 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.tag { flex: none; width: 5.4em; color: var(--tone); font-weight: 600; }
.good { --tone: var(--good); } .bad { --tone: var(--bad); }
.warn { --tone: var(--warn); }
.note { --tone: var(--note); }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin-top: 18px; }
.tile { flex: 1 1 110px; background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 16px; }
.tile b { display: block; font-size: 24px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; color: var(--soft); }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
tr:last-child td { border-bottom: 0; }
td.wide { overflow-wrap: break-word; max-width: 460px; }
.bars { min-width: 170px; }
.bar { display: flex; align-items: center; gap: 8px; font-size: 13px; font-variant-numeric: tabular-nums; }
.bar i { display: block; height: 9px; border-radius: 2px; background: var(--colour); }
.key { display: inline-flex; align-items: center; gap: 6px; margin-right: 16px; }
.key i { width: 10px; height: 10px; border-radius: 2px; background: var(--colour); }
img { width: auto; height: 64px; max-width: 150px; object-fit: contain; border-radius: 4px; vertical-align: middle;
  background: var(--line); margin: 2px 4px 2px 0; }
img.tiny { image-rendering: pixelated; }
.place { font-size: 12px; color: var(--soft); overflow-wrap: anywhere; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
"""


def page(report: dict[str, Any], source: Source) -> str:
    """Return the HTML of a report.

    Args:
        report: as `kcnn.data.report.inspect` returns it.
        source: the one that was inspected; thumbnails are read from it.
    """
    picture = _pictures(source)
    title = f"{report['source']}: data check"
    parts = [
        f"<header><h1>{escape(report['source'])}</h1><p>{escape(_subtitle(report))}</p></header>",
        _verdict(report),
        _tiles(report),
        _classes(report, source, picture),
        _unreadable(report),
        _duplicates(report, picture),
        _sizes(report),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main></body></html>\n"
    )


def thumbnail(image: np.ndarray) -> str:
    """Return an `img` element with the picture inside, uint8 (H, W, 1 or 3) scaled down to `THUMBNAIL`."""
    from PIL import Image

    small = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    tiny = max(small.size) <= 64
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    small.save(file, "PNG" if tiny else "JPEG", **({} if tiny else {"quality": 82}))
    kind = "png" if tiny else "jpeg"
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<img {"class=tiny " if tiny else ""}alt="" src="data:image/{kind};base64,{data}">'


def _pictures(source: Source) -> Callable[[str, int], str]:
    from kcnn.data.preprocess import shown

    readers = {name: pixels(split) for name, split in source.splits.items()}
    return lambda split, index: thumbnail(shown(readers[split](index)))


def _subtitle(report: dict[str, Any]) -> str:
    masked = any("masks" in split for split in report["splits"].values())
    one = "one mask an image" if masked else "one label an image"
    kinds = "several labels an image" if report["multi_label"] else one
    return f"{report['layout']}, {kinds}, licence {report['licence']}. Looked at by kcnn check."


def _verdict(report: dict[str, Any]) -> str:
    effects = [finding["effect"] for finding in report["findings"]]
    tone = next((tone for effect, tone in _TONES.items() if effect in effects), "good")
    items = "".join(
        f'<li class="{_TONES[f["effect"]]}"><span class="tag">{f["effect"]}</span><span>{escape(f["text"])}</span></li>'
        for f in report["findings"]
    )
    return f'<section class="verdict {tone}">{escape(verdict(report))}{f"<ul>{items}</ul>" if items else ""}</section>'


def _tiles(report: dict[str, Any]) -> str:
    tiles = [("images", sum(split["examples"] for split in report["splits"].values()))]
    tiles += [(name, split["examples"]) for name, split in report["splits"].items()]
    tiles += [("classes", len(report["classes"])), ("unreadable", len(report["unreadable"]))]
    tiles += [("repeated", len(report["duplicates"]))]
    return (
        '<div class="tiles">' + "".join(f'<div class="tile"><b>{n:,}</b>{escape(s)}</div>' for s, n in tiles) + "</div>"
    )


def _classes(report: dict[str, Any], source: Source, picture: Callable[[str, int], str]) -> str:
    names, splits = report["classes"], report["splits"]
    most = max((count for split in splits.values() for count in split["per_class"]), default=0) or 1
    each = max(1, min(MOST_PER_CLASS, MOST_PICTURES // max(1, len(names))))
    rows = []
    for position, name in enumerate(names[:MOST_CLASSES]):
        bars = "".join(
            _bar(number, split["per_class"][position], most, _share(split, position))
            for number, split in enumerate(splits.values())
        )
        shown = _some(source, report, position, each) if position * each < MOST_PICTURES else ()
        images = "".join(picture("train", index) for index in shown)
        rows.append(f"<tr><td class=wide>{escape(name)}</td><td class=bars>{bars}</td><td>{images}</td></tr>")
    more = f"<p class=soft>and {len(names) - MOST_CLASSES:,} more classes</p>" if len(names) > MOST_CLASSES else ""
    keys = "".join(
        f'<span class=key style="--colour:var(--s{i % 3})"><i></i>{escape(n)}</span>' for i, n in enumerate(splits)
    )
    head = f"<tr><th>class</th><th>{keys}</th><th>from train</th></tr>"
    return f'<section><h2>Classes</h2><div class="scroll"><table>{head}{"".join(rows)}</table></div>{more}</section>'


def _share(split: dict[str, Any], position: int) -> str:
    """Return the share of a class in the pixels of the masks, as text; "" without masks."""
    pixels = split["masks"]["pixels"] if "masks" in split else []
    return f", {pixels[position] / max(1, sum(pixels)):.2%} of pixels" if pixels else ""


def _bar(number: int, count: int, most: int, more: str) -> str:
    width = f"{110 * count / most:.0f}px"
    return f'<div class=bar style="--colour:var(--s{number % 3})"><i style="width:{width}"></i>{count:,}{more}</div>'


def _some(source: Source, report: dict[str, Any], position: int, count: int) -> Iterable[int]:
    """Return up to `count` readable training examples of a class: evenly spread over it, or with most of its pixels."""
    masks = report["splits"]["train"].get("masks")
    if masks:
        return masks["largest"][position][:count]
    bad = {(row["split"], row["index"]) for row in report["unreadable"]}
    labels = source.splits["train"].labels
    of_class = np.flatnonzero(labels[:, position] if labels.ndim == 2 else labels == position)
    good = [int(index) for index in of_class if ("train", int(index)) not in bad]
    return [good[i * len(good) // count] for i in range(count)] if len(good) > count else good


def _unreadable(report: dict[str, Any]) -> str:
    found = report["unreadable"]
    if not found:
        return ""
    rows = "".join(
        f"<tr><td>{escape(row['split'])}</td><td class=wide>{escape(row['name'])}</td>"
        f"<td class=wide>{escape(row['reason'])}</td></tr>"
        for row in found[:MOST_ROWS]
    )
    head = "<tr><th>split</th><th>file</th><th>why</th></tr>"
    more = f"<p class=soft>and {len(found) - MOST_ROWS:,} more in report.json</p>" if len(found) > MOST_ROWS else ""
    table = f'<div class="scroll"><table>{head}{rows}</table></div>'
    return f"<section><h2>Images that cannot be read</h2>{table}{more}</section>"


def _duplicates(report: dict[str, Any], picture: Callable[[str, int], str]) -> str:
    found = report["duplicates"]
    if not found:
        return ""
    groups = []
    for group in found[:MOST_GROUPS]:
        places = "".join(
            f"<div class=place><b>{escape(image['split'])}</b>, {escape(label_text(image['label']))}: "
            f"{escape(image['name'])}</div>"
            for image in group["images"][:6]
        )
        rest = len(group["images"]) - 6
        places += f"<div class=place>and {rest:,} more</div>" if rest > 0 else ""
        first = group["images"][0]
        tags = [("bad", "across splits")] if group["across_splits"] else []
        tags += [("warn", "labels differ")] if group["labels_differ"] else []
        told = "".join(f'<div class="place {tone}" style="color:var(--tone)">{text}</div>' for tone, text in tags)
        groups.append(
            f"<tr><td>{picture(first['split'], first['index'])}</td><td>{told}</td><td class=wide>{places}</td></tr>"
        )
    more = f"<p class=soft>and {len(found) - MOST_GROUPS:,} more in report.json</p>" if len(found) > MOST_GROUPS else ""
    table = f"<div class=scroll><table>{''.join(groups)}</table></div>"
    return f"<section><h2>The same picture more than once</h2>{table}{more}</section>"


def _sizes(report: dict[str, Any]) -> str:
    sizes = report["sizes"]
    if not sizes:
        return ""
    formats = ", ".join(f"{count:,} {kind}" for kind, count in report["formats"].items())
    chart = _scatter(sizes["common"]) if sizes["distinct"] > 1 else ""
    return f"<section><h2>Sizes</h2><p class=soft>{escape(size_text(sizes))}; {escape(formats)}</p>{chart}</section>"


def _scatter(common: list[list[int]]) -> str:
    """Draw one dot a size, its area by the number of images, width to the right and height upwards."""
    side, left, most = 300, 56, max(max(height, width) for height, width, _ in common)
    largest = max(count for _, _, count in common)

    def dot(height: int, width: int, count: int) -> str:
        x, y = left + side * width / most, 10 + side * (1 - height / most)
        radius = max(2.5, 14 * (count / largest) ** 0.5) if largest > 1 else 3.5
        tip = f"<title>{height} x {width}: {count:,}</title>"
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="var(--s0)" fill-opacity=".45">{tip}</circle>'

    axes = f'<path d="M{left} 10V{side + 10}H{left + side}" fill="none" stroke="var(--soft)"/>'
    axes += f'<path d="M{left} {side + 10}L{left + side} 10" stroke="var(--line)" stroke-dasharray="4 4"/>'
    words = (
        f'<text x="{left + side}" y="{side + 28}" text-anchor="end">{most} px wide</text>'
        f'<text x="{left}" y="{side + 28}">0</text>'
        f'<text x="{left - 8}" y="20" text-anchor="end">{most}</text>'
        f'<text x="{left - 8}" y="36" text-anchor="end">px high</text>'
    )
    dots = "".join(dot(*size) for size in common)
    width, height = left + side + 30, side + 40
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img">{axes}{words}{dots}</svg>'
