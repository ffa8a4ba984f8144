"""What the boxes of a data set are like, and what the rules of `kcnn.data.boxes` do with them, in numbers."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from kcnn.data.annotations import rle
from kcnn.data.annotations.form import Annotated, AnnotatedSet
from kcnn.data.boxes import UNKNOWN_CLASS, suspect, tidy

NAMED = 10  # offenders of each kind
NO_MASK = "no usable mask"
OTHER_SIZE = "image of another size"
Size = tuple[int, int]
Seen = dict[str, Sequence[Size | None]]


def census(found: AnnotatedSet, seen: Seen) -> dict[str, Any]:
    """Count what is in the annotations and what is left of them, as plain values for JSON.

    Args:
        found: as `open_annotations` returns it.
        seen: split -> (height, width) of each picture, upright; None for one that cannot be read.

    Returns:
        "order": what the four numbers are;
        "splits": name -> {"images", "without": images that no object is left in, "objects": objects of readable images,
        "kept", "clipped", "crowd", "difficult" and "masks" of those kept, "most": objects left in one image,
        "per_class": objects left of each class, "dropped": {rule: objects}, "unknown": {name that is no class:
        objects}};
        "offenders": rule, "clipped", `NO_MASK` or `OTHER_SIZE` -> the first ten, [{"split", "image", "object",
        "box" as in the file, "reason"}];
        "suspicion": one sentence, "" where the order of the numbers is not in doubt.

    Where the annotation states another size than the picture has, all its objects are dropped (`OTHER_SIZE`): they
    were drawn on another picture, or before it was turned.
    """
    offenders: dict[str, list[dict[str, Any]]] = {}
    splits = {name: _split(name, found, images, seen[name], offenders) for name, images in found.splits.items()}
    return {
        "order": next((image.order for images in found.splits.values() for image in images), ""),
        "splits": splits,
        "offenders": offenders,
        "suspicion": _suspicion(found, seen),
    }


def _split(
    name: str,
    found: AnnotatedSet,
    images: Sequence[Annotated],
    sizes: Sequence[Size | None],
    offenders: dict[str, list[dict[str, Any]]],
) -> dict[str, Any]:
    count: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    per_class = np.zeros(len(found.classes), np.int64)

    def offend(kind: str, image: Annotated, indices: Sequence[int], reason: str = "") -> None:
        listed = offenders.setdefault(kind, [])
        for index in list(indices)[: NAMED - len(listed)]:
            box = [round(float(value), 6) for value in image.numbers[index]]
            listed.append({"split": name, "image": image.file, "object": int(index), "box": box, "reason": reason})

    for image, size in zip(images, sizes, strict=True):
        count["images"] += 1
        if size is None:
            continue
        count["objects"] += len(image.numbers)
        if image.size is not None and image.size != size:
            dropped[OTHER_SIZE] += len(image.numbers)
            reason = f"annotated as {image.size[0]} x {image.size[1]}, but the picture is {size[0]} x {size[1]}"
            offend(OTHER_SIZE, image, range(len(image.numbers)), reason)
            count["without"] += 1
            continue
        result = tidy(image.boxes(*size), *size, len(found.classes))
        for rule, indices in result.dropped.items():
            dropped[rule] += len(indices)
            offend(rule, image, indices)
        count["clipped"] += len(result.clipped)
        offend("clipped", image, result.clipped)
        count["kept"] += len(result.kept)
        count["without"] += not len(result.kept)
        count["most"] = max(count["most"], len(result.kept))
        count["crowd"] += int(result.boxes.crowd.sum())
        count["difficult"] += int(result.boxes.difficult.sum())
        count["masks"] += sum(segment is not None for segment in result.boxes.segments or ())
        per_class += np.bincount(result.boxes.classes, minlength=len(found.classes))
        for index, reason in _bad_masks(image, size):
            count[NO_MASK] += 1
            offend(NO_MASK, image, [index], reason)
    keys = ("images", "without", "objects", "kept", "clipped", "crowd", "difficult", "masks", NO_MASK, "most")
    return {
        **{key.replace(" ", "_"): count[key] for key in keys},
        "per_class": per_class.tolist(),
        "dropped": dict(dropped.most_common()),
        "unknown": found.unknown.get(name, {}),
    }


def _bad_masks(image: Annotated, size: Size) -> list[tuple[int, str]]:
    """Return (object, reason) for each `segmentation` that has a part which is no mask."""
    faults = [rle.sound(segment, *size)[1] for segment in image.segments or ()]
    return [(index, fault) for index, fault in enumerate(faults) if fault]


def _suspicion(found: AnnotatedSet, seen: Seen) -> str:
    """Ask `boxes.suspect` of all boxes in pictures whose size is known."""
    numbers, sizes, order = [np.zeros((0, 4))], [np.zeros((0, 2))], ""
    for name, images in found.splits.items():
        for image, size in zip(images, seen[name], strict=True):
            if size is not None and len(image.numbers):
                order = image.order
                numbers.append(image.numbers)
                sizes.append(np.tile(size, (len(image.numbers), 1)))
    return suspect(np.concatenate(numbers), np.concatenate(sizes), order)


def findings(report: dict[str, Any]) -> list[tuple[bool, bool, str]]:
    """Say in sentences what `census` found.

    Returns: (training refuses, training leaves it out, sentence) of each.
    """
    said = []
    for name, part in report["splits"].items():
        unknown = sum(part["unknown"].values())
        if unknown:
            names = ", ".join(f"{k} ({n:,})" for k, n in list(part["unknown"].items())[:NAMED])
            more = f" and {len(part['unknown']) - NAMED:,} more" if len(part["unknown"]) > NAMED else ""
            text = f"{name}: {unknown:,} objects of a class that does not exist: {names}{more}."
            said.append((True, False, f"{text} Mend the labels, or the list of classes."))
        rest = {rule: n for rule, n in part["dropped"].items() if rule != UNKNOWN_CLASS}
        if rest:
            rules = ", ".join(f"{n:,} {rule}" for rule, n in rest.items())
            said.append((False, True, f"{name}: {sum(rest.values()):,} of {part['objects']:,} objects: {rules}."))
        notes = {"clipped": "objects clipped to their image", "no_usable_mask": "objects with a bad mask or polygon"}
        for key, text in notes.items():
            if part[key]:
                said.append((False, False, f"{name}: {part[key]:,} {text}."))
        if part["without"]:
            said.append((False, False, f"{name}: {part['without']:,} of {part['images']:,} images are background."))
    if report["suspicion"]:
        said.append((True, False, report["suspicion"]))
    return said
