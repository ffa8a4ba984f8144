"""The whole road as a user walks it: `kcnn train` to a bundle, then every verb on what came out."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from kcnn.recipe import recipe_files

pytestmark = pytest.mark.slow


def kcnn(*words, cwd, code=0, **options):
    done = subprocess.run(
        [sys.executable, "-m", "kcnn", *words], cwd=cwd, capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A folder in which the digits recipe was trained and exported for a few epochs."""
    place = tmp_path_factory.mktemp("road")
    words = ["train", "digits_lenet5", "--set=train.epochs=6", "--set=export.min_agreement=0.9", "--name=digits"]
    return place, kcnn(*words, cwd=place)


def test_train_leaves_a_run_and_a_bundle(road):
    place, done = road
    run, bundle = place / "runs" / "digits", place / "saved_models" / "digits" / "1"
    for name in ("recipe.json", "env.json", "log.csv", "curves.png", "weights.safetensors", "kcnn.log"):
        assert (run / name).is_file(), name
    assert list((run / "samples").glob("*.png"))
    assert list((run / "report").glob("*.png"))
    for name in ("model_fp32", "model_fp16", "model_dynamic", "model_int8"):
        assert (bundle / f"{name}.tflite").is_file(), name
    for name in ("manifest.json", "README.md", "report.json", "labels.txt", "saved_model/saved_model.pb"):
        assert (bundle / name).is_file(), name
    assert "int8" in done.stdout
    assert "tensorboard --logdir" in done.stdout


def test_the_console_shows_our_lines_only(road):
    _, done = road
    for noise in ("oneDNN", "cuda", "WARNING:", "Warning", "absl", "I0000", "Saved artifact"):
        assert noise not in done.stdout + done.stderr


def test_six_epochs_read_digits_well(road):
    place, _ = road
    report = json.loads((place / "saved_models" / "digits" / "1" / "report.json").read_text())
    # 0.98 is the bar of the full recipe; a tenth of the training stays well above guessing (0.1)
    assert report["formats"]["keras"]["accuracy"] > 0.9
    assert report["formats"]["int8"]["agreement"] > 0.95


def test_nothing_is_written_outside_runs_and_bundles(road):
    place, _ = road
    assert sorted(path.name for path in place.iterdir()) == ["runs", "saved_models"]


def test_the_same_command_again_says_that_it_is_finished(road):
    place, _ = road
    words = ["train", "digits_lenet5", "--set=train.epochs=6", "--set=export.min_agreement=0.9", "--name=digits"]
    done = kcnn(*words, cwd=place)
    assert "all 6 epochs are done" in done.stderr
    assert "holds this very run already" in done.stderr
    assert "int8" in done.stdout
    assert [path.name for path in (place / "saved_models" / "digits").iterdir()] == ["1"]


def test_evaluate_predict_and_benchmark_take_the_run_and_the_bundle(road):
    place, _ = road
    run, bundle = "runs/digits", "saved_models/digits"
    digits = load_digits()
    image = digits.images[np.flatnonzero(digits.target == 1)[4]]  # the first "1" of the test split
    Image.fromarray(np.round(image * (255 / 16)).astype(np.uint8)).save(place / "one.png")
    try:
        assert "accuracy" in kcnn("evaluate", run, cwd=place).stdout
        answers = {
            json.loads(kcnn("predict", model, "one.png", cwd=place).stdout.splitlines()[0])["label"]
            for model in (run, bundle, f"{bundle}/1/model_int8.tflite")
        }
        assert answers == {"1"}
    finally:
        (place / "one.png").unlink()
    assert "int8" in kcnn("benchmark", bundle, cwd=place).stdout


@pytest.mark.parametrize("name", sorted(recipe_files()))
def test_every_recipe_runs_with_smoke(name, tmp_path):
    kcnn("train", name, "--smoke", cwd=tmp_path)
    assert (tmp_path / "saved_models" / f"{name}_smoke" / "1" / "model_int8.tflite").is_file()


def test_a_folder_of_photos_becomes_a_bundle(shared_data, tmp_path):
    words = ["--smoke", "--name=flowers", "--set=data.limit=60"]
    photos = shared_data / "flowers_mini"
    kcnn("train", f"--data={photos}", "--model=tiny_mobilenet_v2", *words, cwd=tmp_path)
    labels = (tmp_path / "saved_models" / "flowers" / "1" / "labels.txt").read_text().split()
    assert labels == ["daisy", "dandelion", "roses", "sunflowers", "tulips"]


def test_bad_images_are_left_out_named_and_kept_as_they_are(tmp_path):
    random = np.random.default_rng(0)
    for index in range(30):
        path = tmp_path / "photos" / "ab"[index % 2] / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    broken = tmp_path / "photos" / "a" / "broken.jpg"
    broken.write_bytes((tmp_path / "photos" / "a" / "0.jpg").read_bytes()[:400])
    words = ["train", "--data=photos", "--model=tiny_lenet5", "--smoke", "--name=some", "--no_export"]
    refused = kcnn(*words, cwd=tmp_path, code=2)
    assert "broken.jpg" in refused.stderr
    done = kcnn(*words, "--set=data.max_bad_fraction=0.5", cwd=tmp_path)
    assert "broken.jpg" in done.stderr
    report = json.loads((tmp_path / "runs" / "some" / "data_report.json").read_text())
    assert [entry["name"] for found in report["left_out"].values() for entry in found] == ["photos/a/broken.jpg"]
    assert "local_rendezvous" not in done.stderr  # TensorFlow's parting words
    assert len(broken.read_bytes()) == 400


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["train"], 2, "needs a recipe"),
        (["train", "digits_lenet"], 2, "Did you mean 'digits_lenet5'"),
        (["train", "digits_lenet5", "--set=train.epoch=3"], 2, "Did you mean 'train.epochs'"),
        (["train", "digits_lenet5", "--set=train.epochs=none"], 2, "whole number"),
        (["train", "digits_lenet5", "--model=lenet"], 2, "Did you mean 'lenet5'"),
        (["train", "digits_lenet5", "--smoke", "--set=preprocess.size=8,8"], 2, "at least 12x12"),
        (["train", "digits_lenet5", "--resume", "--name=nothing"], 3, "no run at"),
        (["train", "--data=nowhere/photos", "--model=lenet5"], 2, "nowhere/photos"),
        (["train", "digits_lenet5", "--name=a/b"], 2, "names a folder"),
        (["train", "broken.py"], 2, "not a recipe"),
        (["evaluate", "runs/nothing"], 3, "runs/nothing"),
        (["predict", "broken.py", "broken.py"], 2, "broken.py"),
        (["benchmark", "nowhere"], 2, "nowhere"),
    ],
)
def test_mistakes_are_one_line(words, code, message, tmp_path):
    (tmp_path / "broken.py").write_text("raise ValueError('boom')\n")
    done = kcnn(*words, cwd=tmp_path, code=code)
    assert message in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "Traceback" not in done.stderr
