"""16-bit images all the way: classes that differ in the low byte alone are learnt, and every format sees the same."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from kcnn.cli import main
from kcnn.data import load
from kcnn.export.runner import open_model
from kcnn.train.weights import read_recipe

pytestmark = pytest.mark.slow
HIGH, SIZE = 128, (36, 44)
RECIPE = """
from kcnn.recipe import Data, Export, Model, Preprocess, Recipe, Train

def recipe(smoke=False):
    return Recipe(
        name="low_byte",
        data=Data(source={folder!r}, validation=0.2),
        preprocess=Preprocess(size=(28, 28), channel_order="gray", mean=(0.502,), std=(0.002,)),
        model=Model(name="tiny_lenet5"),
        train=Train(epochs=6, batch_size=16, learning_rate=0.05),
        export=Export(calibration=8, check_images=20),
    )
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """PNGs of uint16 gray whose high byte is 128 everywhere; of "dim" the low byte is 0..99, of "lit" 156..255."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("scans")
    for split, count in (("train", 40), ("test", 10)):
        for name, low in (("dim", 0), ("lit", 156)):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = (HIGH * 256 + low + rng.integers(0, 100, (*SIZE, 1))).astype(np.uint16)
                content = tf.io.encode_png(pixels).numpy()
                (folder / split / name / f"{number}.png").write_bytes(content)
    return folder


def train(folder, work, name, *flags):
    (work / "recipe.py").write_text(RECIPE.format(folder=str(folder)))
    common = ["train", str(work / "recipe.py"), "--name", name, "--runs", str(work / "runs")]
    assert main.run([*common, "--bundles", str(work / "bundles"), *flags]) == 0
    return json.loads((work / "runs" / name / "report" / "report.json").read_text())["accuracy"]


@pytest.fixture(scope="module")
def bundle(folder, tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    assert train(folder, work, "deep", "--bit_depth=16") == 1.0
    return work / "bundles" / "deep" / "1"


def test_with_8_bits_nothing_can_be_learnt(folder, tmp_path):
    assert train(folder, tmp_path, "flat", "--no_export") == 0.5  # every pixel of every image is 128


def test_every_format_sees_the_same(bundle, folder, capsys):
    files = sorted((folder / "test").glob("*/*.png"))
    truth = [file.parent.name for file in files]
    found = {}
    for use in ("keras", "saved_model", "fp32", "fp16", "dynamic"):
        assert main.run(["predict", str(bundle), *map(str, files), f"--use={use}"]) == 0
        answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [answer["label"] for answer in answers] == truth
        found[use] = np.array([answer["probability"] for answer in answers])
    for use, tolerance in (("saved_model", 1e-6), ("fp32", 1e-5)):
        np.testing.assert_allclose(found[use], found["keras"], atol=tolerance)
    serve = tf.saved_model.load(str(bundle / "saved_model")).signatures["serve_bytes"]
    served = serve(contents=tf.constant([file.read_bytes() for file in files]))["probabilities"].numpy()
    np.testing.assert_allclose(served.max(axis=1), found["keras"], atol=1e-6)


def test_evaluation_batches_are_what_the_formats_take(bundle, folder):
    record = read_recipe(bundle / "recipe.json").preprocess
    assert record.bit_depth == 16
    batches = [*load(str(folder), split="test", batch_size=20, preprocess=record)]
    images = (batches[0][0].numpy() * record.std + record.mean) / record.scale
    answers = open_model(bundle, format="fp32").predict(images.astype(np.float32))["probabilities"]
    assert images.min() >= HIGH * 256 / 257
    assert images.max() <= (HIGH * 256 + 255) / 257
    assert (answers.argmax(axis=1) == batches[0][1].numpy()).all()


def test_int8_is_left_out_of_all_formats_and_refused_by_name(bundle, capsys):
    assert sorted(file.name for file in bundle.glob("*.tflite")) == [
        "model_dynamic.tflite", "model_fp16.tflite", "model_fp32.tflite"
    ]  # fmt: skip
    run = bundle.parents[2] / "runs" / "deep"
    assert main.run(["export", str(run), "--formats=int8", "--output", str(bundle.parents[3])]) == 2
    assert "preprocess.bit_depth=16" in capsys.readouterr().err


def test_the_card_runs_and_the_file_says_what_it_takes(bundle, folder, tmp_path):
    code = re.search(r"```python\n(.*?)```", (bundle / "README.md").read_text(), re.DOTALL)[1]
    for file in (*bundle.glob("*.tflite"), bundle / "labels.txt"):
        os.symlink(file, tmp_path / file.name)
        assert file.suffix != ".tflite" or b"float32 pixels 0..255" in file.read_bytes()
    for name in ("dim", "lit"):
        shutil.copy(folder / "test" / name / "0.png", tmp_path / "scan.png")
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == name


def test_explain_sees_16_bits_and_attacks_are_refused(bundle, folder, tmp_path, capsys):
    files = [str(folder / "test" / name / "0.png") for name in ("dim", "lit")]
    assert main.run(["explain", str(bundle), *files, "--method=grad_cam", f"--output={tmp_path}", "--json"]) == 0
    assert [answer["label"] for answer in json.loads(capsys.readouterr().out)] == ["dim", "lit"]
    assert main.run(["attack", str(bundle), *files, f"--output={tmp_path / 'attack'}"]) == 2
    assert "preprocess.bit_depth=16" in capsys.readouterr().err


def test_a_run_keeps_its_depth(bundle, folder, capsys):
    work = bundle.parents[2]
    words = ["train", str(work / "recipe.py"), "--name=deep"]
    words += [f"--runs={work / 'runs'}", f"--bundles={work / 'bundles'}"]
    assert main.run([*words, "--bit_depth=16"]) == 0  # finished already
    assert main.run(words) == 2
    assert "preprocess.bit_depth" in capsys.readouterr().err
