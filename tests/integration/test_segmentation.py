"""Segmentation from a folder to files that run anywhere: one run, its bundle, and what the verbs make of them."""

import json

import numpy as np
import pytest
from PIL import Image

from kcnn.cli.main import run as kcnn
from kcnn.export.runner import open_model

pytestmark = pytest.mark.slow

COLOURS = np.array([(40, 40, 40), (200, 60, 60), (60, 90, 210), (80, 190, 90)])
CLASSES = ("ground", "brick", "water", "grass", "Unlabelled")
CHANGES = [
    "preprocess.size=(48,64)",
    "model.name=tiny_unet",
    "train.epochs=12",
    "train.ema=0.9",
    "train.learning_rate=0.01",
    "config.colour=0",
    "export.check_images=16",
    "export.calibration=16",
]


def write_scenes(folder):
    """Write coloured rectangles as SegNet's CamVid lies: train/, trainannot/ and so on, and classes.txt."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 48), ("val", 8), ("test", 16)):
        for part in (split, f"{split}annot"):
            (folder / part).mkdir(parents=True)
        for index in range(count):
            mask = np.zeros((48, 64), np.uint8)
            for kind in (1, 2, 3, 4):
                top, left = rng.integers(0, 34), rng.integers(0, 50)
                mask[top : top + rng.integers(8, 24), left : left + rng.integers(8, 24)] = kind
            noise = rng.integers(-25, 25, (48, 64, 3))
            pixels = np.clip(np.append(COLOURS, [(120, 60, 120)], axis=0)[mask] + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / split / f"{index}.png")
            Image.fromarray(mask).save(folder / f"{split}annot" / f"{index}.png")
    (folder / "classes.txt").write_text("\n".join(CLASSES))


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with runs/scenes and bundles/scenes/1, and photos that the network has never seen."""
    folder = tmp_path_factory.mktemp("work")
    write_scenes(folder / "data")
    places = [f"--runs={folder / 'runs'}", f"--bundles={folder / 'bundles'}", f"--data={folder / 'data'}"]
    assert kcnn(["train", "camvid_unet", "--name=scenes", *places, *(f"--set={c}" for c in CHANGES)]) == 0
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("wide.png", (30, 300)), ("high.jpg", (200, 20)), ("one.png", (1, 1))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(folder / "photos" / name)
    return folder


@pytest.fixture(scope="module")
def bundle(work):
    return work / "bundles" / "scenes" / "1"


def test_the_run_has_learnt_and_shows_it(work):
    report = json.loads((work / "runs" / "scenes" / "report" / "report.json").read_text())
    assert report["mean_iou"] > 0.6  # the largest class alone gives less than 0.2
    assert [row["class"] for row in report["per_class"]] == list(CLASSES[:4])
    assert (work / "runs" / "scenes" / "samples" / "train.png").is_file()
    events = list((work / "runs" / "scenes" / "tensorboard" / "pictures").iterdir())
    assert any(b"validation/1_true" in path.read_bytes() for path in events)


def test_every_format_gives_a_class_map_as_keras_does(bundle):
    report = json.loads((bundle / "report.json").read_text())
    assert report["scores"] == ["pixel_accuracy", "mean_iou"]
    formats = report["formats"]
    assert set(formats) == {"keras", "saved_model", "fp32", "fp16", "dynamic", "int8"}
    for name, entry in formats.items():
        assert entry["mean_iou"] > formats["keras"]["mean_iou"] - 0.01, name  # at most one point is lost
        assert entry["answers"] == 16 * 48 * 64
    assert not [op for entry in formats.values() for op in entry.get("ops", ()) if "Flex" in op or op == "CUSTOM"]
    image = np.zeros((1, 48, 64, 3), np.uint8)
    for name in formats:
        found = open_model(bundle, format=name).predict(image)["class_map"]
        assert (found.dtype, found.shape) == (np.uint8, (1, 48, 64))


def test_the_saved_model_takes_files_and_images_of_any_size(bundle, work):
    import tensorflow as tf

    signatures = tf.saved_model.load(str(bundle / "saved_model")).signatures
    contents = [path.read_bytes() for path in sorted((work / "photos").iterdir())]
    found = signatures["serve_bytes"](contents=tf.constant(contents))["class_map"]
    assert (found.dtype, found.shape) == (tf.uint8, (3, 48, 64))
    image = np.asarray(Image.open(work / "photos" / "wide.png"))
    one = signatures["serving_default"](images=tf.constant(image[None]))["class_map"]
    np.testing.assert_array_equal(one[0], found[2])


@pytest.mark.parametrize("which", ["run", "int8", "saved_model"])
def test_predict_answers_in_the_images_own_pixels(work, bundle, which, capfd):
    model = [str(work / "runs" / "scenes")] if which == "run" else [str(bundle), f"--use={which}"]
    photos, masks = work / "photos", work / f"masks_{which}"
    capfd.readouterr()
    assert kcnn(["predict", *model, str(photos)]) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    for line in lines:
        assert set(line) == {"file", "label", "share", "shares"}
        assert sum(part["share"] for part in line["shares"]) == pytest.approx(1)
        assert line["label"] in CLASSES[:4]
    assert kcnn(["predict", *model, str(photos), "--format=masks", f"--output={masks}"]) == 0
    for path in sorted(masks.iterdir()):
        mask, photo = Image.open(path), Image.open(next(photos.glob(f"{path.stem[6:]}.*")))
        assert (mask.mode, mask.size) == ("P", photo.size)
        assert mask.getpalette()[3:6] == [128, 0, 0]  # the second colour of PASCAL VOC
    wide = np.asarray(Image.open(next(masks.glob("*wide.png"))))
    share = next(line for line in lines if "wide" in line["file"])
    assert np.mean(wide == CLASSES.index(share["label"])) == pytest.approx(share["share"])


def test_pictures_and_tables_of_predictions(work, bundle, capfd):
    photos, pictures = str(work / "photos"), work / "pictures"
    assert kcnn(["predict", str(bundle), photos, "--format=pictures", f"--output={pictures}"]) == 0
    assert len(list(pictures.glob("*.png"))) == 3
    capfd.readouterr()
    assert kcnn(["predict", str(bundle), photos, "--format=csv"]) == 0
    assert capfd.readouterr().out.splitlines()[0] == "file,label,share,error"


def test_benchmark_prints_the_tasks_own_scores(bundle, capfd):
    assert kcnn(["benchmark", str(bundle), "--images=10", "--seconds=0.01", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    assert {"mean_iou", "pixel_accuracy", "agreement", "difference"} <= set(rows[0])
    assert kcnn(["benchmark", str(bundle), "--images=4", "--seconds=0.01"]) == 0
    assert "mean iou" in capfd.readouterr().out


def test_looks_are_a_matter_of_the_run(work, capfd):
    """The bundle's own formats give class maps, which cannot be averaged: that is said before anything is written."""
    folder = work / "runs" / "scenes"
    text = (folder / "recipe.json").read_text()
    assert '"mirror": false' in text
    assert kcnn(["evaluate", str(folder), "--json"]) == 0
    plain = json.loads(capfd.readouterr().out)["mean_iou"]
    try:
        (folder / "recipe.json").write_text(text.replace('"mirror": false', '"mirror": true'))
        assert kcnn(["evaluate", str(folder), "--json"]) == 0
        mirrored = json.loads(capfd.readouterr().out)["mean_iou"]
    finally:
        (folder / "recipe.json").write_text(text)
    assert mirrored != plain


def test_the_cards_example_runs(bundle, work):
    import re
    import subprocess
    import sys

    code = re.search(r"```python\n(.*?)```", (bundle / "README.md").read_text(), re.DOTALL)[1]
    text = (bundle / "README.md").read_text()
    assert "`class_map`, uint8 (N, 48, 64)" in text
    assert "On 16 images of 'test'" in text
    assert "Images and masks have 64x48 pixels here" in text
    Image.open(work / "photos" / "wide.png").convert("RGB").save(work / "photo.jpg")
    for name in ("labels.txt", *(path.name for path in bundle.glob("*.tflite"))):
        (work / name).write_bytes((bundle / name).read_bytes())
    done = subprocess.run([sys.executable, "-c", code], cwd=work, capture_output=True, text=True, check=True)
    assert "'ground'" in done.stdout


def test_the_metadata_tie_the_map_to_the_labels(bundle):
    from kcnn.export import flatbuffer

    file = bundle / "model_int8.tflite"
    assert flatbuffer.appended_files(file)["labels.txt"].splitlines() == list(CLASSES[:4])
    facts = open_model(bundle, format="int8").facts
    assert (facts.task, facts.palette, facts.config["inference"]) == ("segmentation", (), "resize")
