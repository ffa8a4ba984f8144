"""What a data set holds and what training would do about it: the facts behind `kcnn check`."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from kcnn.data import hold_out
from kcnn.data.annotations import AnnotatedSet
from kcnn.data.annotations.census import census
from kcnn.data.annotations.census import findings as box_findings
from kcnn.data.leaks import check_leaks
from kcnn.data.mask_check import summary
from kcnn.data.masks import IGNORE
from kcnn.data.source import Source, Split, printable
from kcnn.data.verify import BadExample, Example, check_budget, examine
from kcnn.errors import DataError
from kcnn.recipe import Data

SCHEMA = 1
REFUSED, LEFT_OUT, WARNING = "refused", "left out", "warning"
_NAMED = 5  # classes and files that one line names
Found = dict[str, list[Example]]


def inspect(
    source: Source,
    layout: str,
    settings: Data | None = None,
    advance: Callable[[int], None] | None = None,
    annotated: AnnotatedSet | None = None,
) -> dict[str, Any]:
    """Look at every example of every split once and return what was found, as plain values for JSON.

    Args:
        source: with its own splits, nothing held out (`Data(validation=0.0)`).
        layout: its name, for the report.
        settings: `validation` and `max_bad_fraction` that training would use; None takes a recipe's defaults.
        advance: called with the number of images done since its last call.
        annotated: the boxes of these images, whose `source()` is `source`.

    Returns:
        "schema", "source", "layout", "licence", "classes" (names), "multi_label";
        "splits": name -> {"examples", "unreadable", "per_class": examples of each class, unreadable ones too};
        of masks "per_class" is the readable images in which a class occurs, and "masks" as `mask_check.summary`;
        "formats": kind of file -> readable images;
        "sizes": {"height", "width": [least, median, most] in pixels, upright; "distinct": number of sizes;
        "common": up to 1,000 of [height, width, images], most frequent first}, None where nothing is readable;
        "unreadable": [{"split", "index", "name", "reason"}], names of files relative to the data's folder;
        "duplicates": groups of pixel-identical images, [{"images": [{"split", "index", "name", "label"}],
        "across_splits", "labels_differ"}], those across splits first;
        "boxes": what `annotations.census` counts, where there are some;
        "findings": [{"effect", "text"}], where the effect of "refused" is that training or evaluation stops,
        of "left out" that it goes on without these images or objects, of "warning" that nobody stops you;
        "clean": no finding is "refused" or "left out".
    """
    settings = settings or Data()
    found = {name: list(examine(part, digests=True, advance=advance)) for name, part in source.splits.items()}
    bad = {name: [BadExample(e.index, e.name, e.reason) for e in part if e.reason] for name, part in found.items()}
    info = source.info
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "source": printable(info.name),
        "layout": layout,
        "licence": info.licence,
        "classes": [printable(name) for name in info.classes],
        "multi_label": info.multi_label,
        "splits": {
            name: {
                "examples": part.size,
                "unreadable": len(bad[name]),
                **_per_class(part, found[name], len(info.classes)),
            }
            for name, part in source.splits.items()
        },
        "formats": dict(Counter(e.kind for part in found.values() for e in part if not e.reason).most_common()),
        "sizes": _sizes(found),
        "unreadable": [
            {"split": split, "index": e.index, "name": _short(source, e.name), "reason": printable(e.reason)}
            for split, part in bad.items()
            for e in part
        ],
        "duplicates": _duplicates(source, found),
    }
    boxes = _boxes(source, found, report, annotated) if annotated else []
    refusals, refused = _refusals(source, bad, settings)
    report["findings"] = [
        *refusals,
        *boxes,
        *_left_out(source, {name: part for name, part in bad.items() if part and name not in refused}),
        *([] if annotated else _alone(report["classes"])),
        *(_mask_warnings(source, found, report) if "mask" in info.keys else _class_warnings(source, bad)),
        *_duplicate_warnings(report["duplicates"]),
    ]
    report["clean"] = all(finding["effect"] == WARNING for finding in report["findings"])
    return report


def verdict(report: dict[str, Any]) -> str:
    """Return the report in one sentence."""
    effects = {finding["effect"] for finding in report["findings"]}
    if "refused" in effects:
        return "Training or evaluation would refuse this data."
    if "left out" in effects:
        objects = " and objects that break the rules" if "boxes" in report else ""
        return f"Training would go on without the images that cannot be read{objects}."
    if "boxes" in report:
        return "Every object can be used" + (", but see the warnings." if effects else ": clean.")
    return "Training takes all of it, but see the warnings." if effects else "Clean: training takes all of it."


def size_text(sizes: dict[str, Any]) -> str:
    """Return the image sizes in one line, in pixels, height x width."""
    if sizes["distinct"] == 1:
        height, width, _ = sizes["common"][0]
        return f"all {height} x {width} (height x width)"
    (low, mid, high), (left, middle, right) = sizes["height"], sizes["width"]
    return f"{sizes['distinct']:,} different, height {low}..{high} (median {mid}), width {left}..{right} ({middle})"


def label_text(label: str | list[str]) -> str:
    """Return a label of a report in one word, or "a+b" for several."""
    return label if isinstance(label, str) else "+".join(label) or "no label"


def _short(source: Source, name: str) -> str:
    """Return the name of an example without the folder that holds the whole data set."""
    return printable(name).removeprefix(printable(source.info.name.rstrip(os.sep) + os.sep))


def _counts(labels: np.ndarray, classes: int) -> list[int]:
    counts = labels.sum(axis=0, dtype=np.int64) if labels.ndim == 2 else np.bincount(labels, minlength=classes)
    return counts.tolist()


def _per_class(part: Split, found: list[Example], classes: int) -> dict[str, Any]:
    if part.target != "mask":
        return {"per_class": _counts(part.labels, classes)}
    masks = summary([example.mask for example in found], classes)
    return {"per_class": masks["images"], "masks": masks}


def _sizes(found: Found) -> dict[str, Any] | None:
    common = Counter(e.size for part in found.values() for e in part if e.size is not None)
    if not common:
        return None
    sizes, times = np.array(list(common)), list(common.values())
    ends = {}
    for axis, side in enumerate(("height", "width")):
        values = np.repeat(sizes[:, axis], times)
        ends[side] = [int(values.min()), int(np.median(values)), int(values.max())]
    return {
        **ends,
        "distinct": len(common),
        "common": [[height, width, count] for (height, width), count in common.most_common(1000)],
    }


def _duplicates(source: Source, found: Found) -> list[dict[str, Any]]:
    groups = defaultdict(list)
    for split, part in found.items():
        for example in part:
            if not example.reason:
                groups[example.digest].append((split, example))
    result = []
    for group in groups.values():
        if len(group) < 2:
            continue
        images = [
            {"split": split, "index": e.index, "name": _short(source, e.name), "label": _label(source, split, e.index)}
            for split, e in group
        ]
        across = len({image["split"] for image in images}) > 1
        differ = len({repr(image["label"]) for image in images}) > 1
        result.append({"images": images, "across_splits": across, "labels_differ": differ})
    return sorted(result, key=lambda group: (not group["across_splits"], not group["labels_differ"]))


def _label(source: Source, split: str, index: int) -> str | list[str]:
    label, classes = source.splits[split].labels[index], source.info.classes
    if np.ndim(label):
        return [printable(classes[i]) for i in np.flatnonzero(label)]
    return printable(classes[int(label)])


def _refusals(
    source: Source, bad: dict[str, list[BadExample]], settings: Data
) -> tuple[list[dict[str, str]], set[str]]:
    """Return what stops training or evaluation, asked of the functions that stop them, and the splits concerned."""
    findings, refused = [], set()
    for name, rows in _as_trained(source, settings, findings).items():
        split = name if name in source.splits else "train"
        inside = set(rows.tolist())
        offenders = [example for example in bad[split] if example.index in inside]
        try:
            check_budget(offenders, len(rows), settings.max_bad_fraction)
        except DataError:
            refused.add(split)
            where = name if name == split else f"{split} ({name} is held out of it)"
            stopped = "evaluation" if name == "test" else "training"
            text = (
                f"{where}: {len(offenders):,} of {_count(len(rows), 'image')} cannot be read and "
                f"data.max_bad_fraction is {settings.max_bad_fraction:g}: {stopped} stops. {_files(source, offenders)}"
            )
            findings.append({"effect": REFUSED, "text": text})
    findings += _leak_refusals(source, bad, settings)
    return findings, refused


def _leak_refusals(source: Source, bad: dict[str, list[BadExample]], settings: Data) -> list[dict[str, str]]:
    """Return what training says of validation images that it finds in "train" too, in the same words."""
    parts = {}
    for name, rows in _as_trained(source, settings, []).items():
        split = name if name in source.splits else "train"
        parts[name] = source.splits[split].subset(np.setdiff1d(rows, [example.index for example in bad[split]]))
    if not {"train", "validation"} <= set(parts):
        return []
    try:
        check_leaks(parts["train"], parts["validation"], "validation", settings.max_leaked_fraction)
    except DataError as error:
        return [{"effect": REFUSED, "text": printable(f"training stops. {error}")}]
    return []


def _as_trained(source: Source, settings: Data, findings: list[dict[str, str]]) -> dict[str, np.ndarray]:
    """Return split -> the indices that it has once a validation split is held out of "train"."""
    numbered = {name: Split(size=p.size, read=p.read, labels=p.labels, names=str) for name, p in source.splits.items()}
    plan = replace(source, splits=numbered)
    try:
        for name in numbered:
            source.split(name)
        plan = hold_out.with_validation(plan, settings.validation)
    except DataError as error:
        findings.append({"effect": REFUSED, "text": printable(f"training stops. {error}")})
    return {
        name: np.array([int(part.names(row)) for row in range(part.size)], np.int64)
        for name, part in plan.splits.items()
    }


def _left_out(source: Source, bad: dict[str, list[BadExample]]) -> list[dict[str, str]]:
    return [
        {
            "effect": LEFT_OUT,
            "text": f"{split}: {_count(len(part), 'image')} cannot be read. {_files(source, part)}",
        }
        for split, part in bad.items()
    ]


def _alone(classes: list[str]) -> list[dict[str, str]]:
    """Return a warning where all that can be learnt is to give one answer."""
    text = f"{classes[0]} is the only class: there is nothing to tell it from." if len(classes) == 1 else ""
    return [{"effect": WARNING, "text": text}] if text else []


def _class_warnings(source: Source, bad: dict[str, list[BadExample]]) -> list[dict[str, str]]:
    """Return the classes that a split lacks; a class that "train" lacks cannot be learnt."""
    findings, classes = [], source.info.classes
    for split, part in source.splits.items():
        readable = part.without([example.index for example in bad[split]])
        missing = [classes[i] for i, count in enumerate(_counts(readable.labels, len(classes))) if count == 0]
        if missing:
            purpose = "learn from" if split == "train" else "measure on"
            text = f"{split}: no readable image of {_list(missing)}: nothing to {purpose}."
            findings.append({"effect": WARNING, "text": printable(text)})
    return findings


def _boxes(source: Source, found: Found, report: dict[str, Any], annotated: AnnotatedSet) -> list[dict[str, str]]:
    """Put the census of the boxes into `report`; return its findings."""
    counted = census(annotated, {name: [example.size for example in part] for name, part in found.items()})
    for offender in (one for listed in counted["offenders"].values() for one in listed):
        offender["image"] = _short(source, offender["image"])
    report["boxes"] = counted
    said = [
        {"effect": REFUSED if refused else LEFT_OUT if left_out else WARNING, "text": printable(text)}
        for refused, left_out, text in box_findings(counted)
    ]
    return said + [{"effect": WARNING, "text": printable(note)} for note in annotated.notes]


def _mask_warnings(source: Source, found: Found, report: dict[str, Any]) -> list[dict[str, str]]:
    """Return the classes without a pixel, and the masks without a class."""
    findings = []
    for split, part in report["splits"].items():
        missing = [report["classes"][i] for i, pixels in enumerate(part["masks"]["pixels"]) if pixels == 0]
        if missing:
            purpose = "learn from" if split == "train" else "measure on"
            findings.append(f"{split}: no pixel of {_list(missing)}: nothing to {purpose}.")
            if part["masks"]["ignored"] and split == "train":
                findings[-1] += f" {IGNORE} in a mask means ignored: where it should be a class, write its id."
        empty = [_short(source, found[split][index].name) for index in part["masks"]["empty"]]
        if empty:
            findings.append(f"{split}: {_count(len(empty), 'mask')} without any class: {_list(empty)}.")
    return [{"effect": WARNING, "text": text} for text in findings]


def _duplicate_warnings(groups: list[dict[str, Any]]) -> list[dict[str, str]]:
    findings = []
    pairs = Counter(
        tuple(dict.fromkeys(image["split"] for image in group["images"])) for group in groups if group["across_splits"]
    )
    for splits, count in pairs.items():
        text = f"{_count(count, 'picture')} in {' and '.join(splits)} at once: accuracy there is not to be trusted."
        findings.append({"effect": WARNING, "text": text})
    within = sum(not group["across_splits"] for group in groups)
    if within:
        findings.append({"effect": WARNING, "text": f"{_count(within, 'picture')} more than once in the same split."})
    differ = sum(group["labels_differ"] for group in groups)
    if differ:
        findings.append({"effect": WARNING, "text": f"{_count(differ, 'picture')} with different labels."})
    return findings


def _count(number: int, one: str) -> str:
    return f"{number:,} {one}{'s' if number != 1 else ''}"


def _files(source: Source, bad: list[BadExample]) -> str:
    return _list([_short(source, example.name) for example in bad]) + "."


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
