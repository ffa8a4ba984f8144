"""Bad boxes, polygons and masks, at the readers of VOC, COCO and YOLO."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kcnn.cli import main
from kcnn.data import boxes
from kcnn.data.annotations import open_annotations, rle
from kcnn.data.boxes import RULES, tidy
from kcnn.errors import DataError

from .outcome import Outcome

HEIGHT, WIDTH, CLASSES = 48, 64, 2
CRITERION = (
    "after reading, no box is left that is not finite, inside its image and of positive area; every object is kept, "
    "clipped or dropped by exactly one documented rule and counted by `kcnn check`; another order of the numbers is "
    "suspected and named where more than a fifth make no sense; bad masks are named; the loss of what is left is finite"
)
NAN = float("nan")
# x1, y1, x2, y2 and the rule that drops it; "" is kept, "clipped" is kept and cut
BOXES = [
    ((4, 4, 20, 20), ""),
    ((0, 0, WIDTH, HEIGHT), ""),
    ((20, 4, 4, 20), boxes.SWAPPED),
    ((4, 20, 20, 4), boxes.SWAPPED),
    ((4, 4, 4, 20), boxes.NO_AREA),
    ((4, 4, 20, 4), boxes.NO_AREA),
    ((WIDTH, 0, WIDTH + 9, 9), boxes.OUTSIDE),
    ((-20, -20, -5, -5), boxes.OUTSIDE),
    ((-9, -9, 9, 9), "clipped"),
    ((50, 40, 900, 900), "clipped"),
    ((NAN, 4, 20, 20), boxes.NOT_FINITE),
    ((4, 4, float("inf"), 20), boxes.NOT_FINITE),
    ((0.1, 0.2, 0.4, 0.6), boxes.NOT_IN_PIXELS),
    ((4, 4, 20, 20), boxes.TWICE),
]


def run(n: int, work: Path) -> Outcome:
    """Write each fault in each format and read it back; then `n` random sets of boxes."""
    wrong: list[str] = []
    counted = {}
    for layout, write in {"VOC": _voc, "COCO": _coco, "YOLO": _yolo}.items():
        folder = work / layout
        expected = write(folder)
        code, report = _check(folder)
        part = report["boxes"]["splits"]["train"]
        counted[layout] = {
            "objects": part["objects"],
            "kept": part["kept"],
            "clipped": part["clipped"],
            **part["dropped"],
        }
        got = {**part["dropped"], "clipped": part["clipped"], "unknown": sum(part["unknown"].values())}
        if code != 2 or got != expected or part["kept"] + sum(part["dropped"].values()) != part["objects"]:
            wrong.append(f"{layout}: exit code {code}, counted {got}, expected {expected}")
        wrong += [f"{layout}: {line}" for line in _unfit(folder)]
    wrong += _swaps(work / "swaps") + _masks() + _many(work / "many")
    rng = np.random.default_rng(14)
    for number in range(n):
        wrong += [f"random {number}: {line}" for line in _random(rng)]
    theirs = _keras()
    for line in wrong:
        print(line, flush=True)
    total = sum(part["objects"] for part in counted.values())
    return Outcome(
        criterion=CRITERION,
        passed=not wrong,
        kcnn=f"{total} objects in 3 formats: {sum(p['kept'] for p in counted.values())} kept, the rest dropped by "
        f"{len(RULES)} rules, all counted right; swaps, masks, 5,000 boxes and {n} random sets: {len(wrong)} wrong",
        baseline=theirs["words"],
        figures={"counted": counted, "wrong": wrong, "keras": theirs},
    )


def _picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)).save(path)


def _expected(*left_out: str, unknown: int = 0) -> dict[str, int]:
    """Return rule -> boxes of `BOXES`, and of as many unknown classes."""
    counts: dict[str, int] = {"clipped": 0, "unknown": unknown}
    for _, rule in BOXES:
        if rule and rule not in left_out:
            counts[rule] = counts.get(rule, 0) + 1
    if unknown:
        counts[boxes.UNKNOWN_CLASS] = unknown
    return counts


def _voc(folder: Path) -> dict[str, int]:
    """VOC counts from one and includes the last pixel; one object has a class that classes.txt lacks."""
    _picture(folder / "JPEGImages" / "a.png")
    _picture(folder / "JPEGImages" / "none.png", 1)
    (folder / "classes.txt").write_text("cat\ndog\n")
    objects = "".join(_voc_object("cat", (x1 + 1, y1 + 1, x2, y2)) for (x1, y1, x2, y2), _ in BOXES)
    objects += _voc_object("unicorn", (1, 1, 9, 9))
    (folder / "Annotations").mkdir()
    for name, content in (("a", objects), ("none", "")):
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
        text = f"<annotation><filename>{name}.png</filename>{size}{content}</annotation>"
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    return _expected(unknown=1)


def _voc_object(name: str, corners: tuple[float, ...]) -> str:
    tags = "".join(f"<{t}>{v}</{t}>" for t, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<object><name>{name}</name><bndbox>{tags}</bndbox></object>"


def _coco(folder: Path) -> dict[str, int]:
    """COCO has x, y, width, height; a crowd of run lengths, polygons of two points, a category that is not listed."""
    _picture(folder / "train2017" / "a.png")
    _picture(folder / "train2017" / "none.png", 1)
    runs = {"size": [HEIGHT, WIDTH], "counts": [100, 50, HEIGHT * WIDTH - 150]}
    entries: list[dict[str, Any]] = [
        {"bbox": [x1, y1, x2 - x1, y2 - y1], "category_id": 7} for (x1, y1, x2, y2), _ in BOXES
    ]
    entries[0]["segmentation"] = [[4, 4, 20, 20]]
    entries[1] |= {"segmentation": runs, "iscrowd": 1}
    entries.append({"bbox": [1, 1, 9, 9], "category_id": 99})
    for number, entry in enumerate(entries):
        entry |= {"id": number, "image_id": 1}
    content = {
        "images": [
            {"id": 1, "file_name": "a.png", "height": HEIGHT, "width": WIDTH},
            {"id": 2, "file_name": "none.png", "height": HEIGHT, "width": WIDTH},
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": entries,
    }
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_train2017.json").write_text(json.dumps(content))
    return _expected(unknown=1)


def _yolo(folder: Path) -> dict[str, int]:
    """YOLO counts from 0 to 1 from the centre: numbers that small are its rule, not a fault."""
    _picture(folder / "images" / "train" / "a.png")
    _picture(folder / "images" / "train" / "none.png", 1)
    (folder / "classes.txt").write_text("cat\ndog\n")
    lines = []
    for (x1, y1, x2, y2), rule in BOXES:
        if rule != boxes.NOT_IN_PIXELS:
            numbers = ((x1 + x2) / 2 / WIDTH, (y1 + y2) / 2 / HEIGHT, (x2 - x1) / WIDTH, (y2 - y1) / HEIGHT)
            lines.append(" ".join(["0", *map(repr, numbers)]))
    lines += ["2 0.5 0.5 0.1 0.1"]
    (folder / "labels" / "train").mkdir(parents=True)
    (folder / "labels" / "train" / "a.txt").write_text("\n".join(lines))
    return _expected(boxes.NOT_IN_PIXELS, unknown=1)


def _check(folder: Path) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main.run(["check", str(folder), "--json"])
    return code, json.loads(out.getvalue())


def _unfit(folder: Path) -> list[str]:
    """Return what is wrong with the boxes that are left, and whether their loss is not finite."""
    found = open_annotations(str(folder))
    lines = []
    for image in found.splits["train"]:
        left = tidy(image.boxes(HEIGHT, WIDTH), HEIGHT, WIDTH, len(found.classes)).boxes
        lines += _bad_boxes(left.xyxy)
        if not np.isfinite(_loss(left.xyxy)):
            lines.append(f"the loss of {len(left)} boxes is {_loss(left.xyxy)}")
    return lines


def _bad_boxes(xyxy: np.ndarray) -> list[str]:
    x1, y1, x2, y2 = xyxy.T
    inside = (x1 >= 0) & (y1 >= 0) & (x2 <= WIDTH) & (y2 <= HEIGHT) & (x2 > x1) & (y2 > y1)
    return [f"{box.tolist()} is left" for box in xyxy[~(inside & np.isfinite(xyxy).all(axis=1))]]


def _loss(xyxy: np.ndarray) -> float:
    """Return the loss that breaks first on bad boxes: smooth L1 of Faster R-CNN's log sizes (Ren 2015, equation 2)."""
    import keras

    anchors = np.tile(np.float32([[8, 8, 40, 40]]), (len(xyxy), 1))
    deltas = keras.utils.bounding_boxes.encode_box_to_deltas(
        anchors, xyxy.astype(np.float32), anchor_format="xyxy", box_format="xyxy"
    )
    values = np.asarray(keras.losses.huber(deltas, np.zeros_like(deltas)))
    return float(values.sum() / max(1, len(values)))


def _swaps(folder: Path) -> list[str]:
    """Write good boxes in four wrong orders; each must be suspected, and the right one named."""
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 24, (40, 2))
    x1, y1 = low.T
    x2, y2 = (low + rng.uniform(8, 24, (40, 2)) * (1.6, 1.0)).T
    orders = {
        "x1 y1 x2 y2 in pixels": (x1, y1, x2, y2),
        "y1 x1 y2 x2 in pixels": (y1, x1, y2, x2),
        "x y width height from 0 to 1": (x1 / WIDTH, y1 / HEIGHT, (x2 - x1) / WIDTH, (y2 - y1) / HEIGHT),
        "x1 y1 x2 y2 from 0 to 1": (x1 / WIDTH, y1 / HEIGHT, x2 / WIDTH, y2 / HEIGHT),
    }
    wrong = []
    for number, (order, numbers) in enumerate(orders.items()):
        place = folder / str(number)
        _coco(place)
        file = place / "annotations" / "instances_train2017.json"
        content = json.loads(file.read_text())
        content["annotations"] = [
            {"image_id": 1, "category_id": 7, "bbox": list(map(float, box))} for box in zip(*numbers, strict=True)
        ]
        file.write_text(json.dumps(content))
        code, report = _check(place)
        said = report["boxes"]["suspicion"]
        named = "y1 x1 y2 x2" in order or f"Read as {order}" in said  # two orders may fit swapped axes alike
        if code != 2 or "make no sense as x y width height in pixels" not in said or not named:
            wrong.append(f"{order} as COCO: exit code {code}, {said!r}")
    return wrong


def _masks() -> list[str]:
    """Polygons and run lengths that are none must be refused by name, and leave their box alone."""
    faults = {
        "two points": [[1, 1, 5, 5]],
        "an odd count": [[1, 1, 5, 5, 9, 9, 3]],
        "not finite": [[1, 1, 5, NAN, 9, 9]],
        "far outside": [[0, 0, 1e8, 0, 0, 1e8]],
        "runs too short": {"size": [HEIGHT, WIDTH], "counts": [5]},
        "negative runs": {"size": [HEIGHT, WIDTH], "counts": [-1, HEIGHT * WIDTH + 1]},
        "another size": {"size": [9, 9], "counts": [81]},
        "no characters of it": {"size": [HEIGHT, WIDTH], "counts": "~~"},
        "a bomb": {"size": [10**6, 10**6], "counts": [10**12]},
    }
    wrong = []
    for name, segmentation in faults.items():
        height, width = (10**6, 10**6) if name == "a bomb" else (HEIGHT, WIDTH)
        try:
            rle.mask(segmentation, height, width)
        except DataError:
            pass
        else:
            wrong.append(f"a mask of {name} was taken")
        if name != "far outside" and rle.sound(segmentation, height, width)[0] is not None:
            wrong.append(f"a mask of {name} was left with its box")
    crowd = rle.mask({"size": [2, 3], "counts": [1, 2, 3]}, 2, 3)
    if crowd.tolist() != [[False, True, False], [True, False, False]]:
        wrong.append("run lengths are read wrongly")
    return wrong


def _many(folder: Path) -> list[str]:
    """5,000 boxes in one image are all kept."""
    _picture(folder / "images" / "train" / "a.png")
    _picture(folder / "images" / "val" / "b.png", 1)
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.uniform(0.2, 0.8, (5000, 2)), rng.uniform(0.01, 0.3, (5000, 2))])
    (folder / "labels" / "train").mkdir(parents=True)
    (folder / "labels" / "train" / "a.txt").write_text("\n".join("0 " + " ".join(map(str, row)) for row in rows))
    code, report = _check(folder)
    kept = report["boxes"]["splits"]["train"]["kept"]
    return [] if (code, kept) == (0, 5000) else [f"5,000 boxes: exit code {code}, {kept} kept"]


def _random(rng: np.random.Generator) -> list[str]:
    """Boxes of any numbers: what is left must be fit, and every box must meet one fate."""
    values = rng.choice([0, 1, -1, 0.5, 10, 47, 48, 64, 100, -1e9, 1e9, 1e38, NAN, np.inf], (200, 4))
    values += rng.normal(0, 3, values.shape) * rng.integers(0, 2, values.shape)
    with np.errstate(invalid="ignore"):
        given = boxes.make(values, rng.integers(-1, CLASSES + 1, 200))
        found = tidy(given, HEIGHT, WIDTH, CLASSES)
    fates = np.sort(np.concatenate([found.kept, *found.dropped.values()]))
    lines = _bad_boxes(found.boxes.xyxy)
    return lines if np.array_equal(fates, np.arange(200)) else [*lines, "a box met no fate, or two"]


def _keras() -> dict[str, Any]:
    """Return how many of the same boxes give a loss that is not finite when nobody looks at them."""
    losses = {str(box): _loss(np.float32([box])) for box, _ in BOXES}
    bad = [box for box, loss in losses.items() if not np.isfinite(loss)]
    words = f"keras.utils.bounding_boxes: the loss of {len(bad)} of {len(BOXES)} boxes alone is not finite, no error"
    return {"words": words, "not_finite": bad}
