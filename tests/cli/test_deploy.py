"""The verbs export, predict and benchmark as a user and a program meet them."""

import csv
import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from kcnn.cli.main import run as kcnn
from kcnn.recipe import Data, Export, Model, Preprocess, Recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """The run of a network as it was initialised: enough to export and to predict with."""
    import keras

    from kcnn.data import open_source
    from kcnn.tasks import TASKS
    from kcnn.train.weights import save_model

    keras.utils.set_random_seed(1)
    recipe = Recipe(
        name="digits_untrained",
        data=Data(source="digits"),
        preprocess=Preprocess(size=(32, 32), channel_order="gray"),
        model=Model(name="tiny_lenet5"),
        export=Export(formats=("int8",), calibration=8, check_images=16, min_agreement=0.0),
    )
    info = open_source(recipe.data).info
    folder = tmp_path_factory.mktemp("runs") / recipe.name
    save_model(folder, TASKS.get(recipe.task).model(recipe, info), recipe, info)
    return folder


@pytest.fixture(scope="module")
def bundle(untrained, tmp_path_factory):
    """What `kcnn export` makes of it."""
    folder = tmp_path_factory.mktemp("saved_models")
    assert kcnn(["export", str(untrained), f"--output={folder}", "--formats=int8,fp32"]) == 0
    return folder / "digits_untrained"


@pytest.fixture
def photos(tmp_path):
    """Two images and a text that calls itself one."""
    for index, name in enumerate(("a.png", "b.png")):
        Image.fromarray(np.full((20, 30, 3), 90 * index, np.uint8)).save(tmp_path / name)
    (tmp_path / "text.jpg").write_text("no image")
    return tmp_path


def test_export_prints_one_table_and_flags_override_the_recipe(untrained, tmp_path, capfd):
    assert kcnn(["export", str(untrained), f"--output={tmp_path}", "--formats=", "--check_images=5"]) == 0
    out, err = capfd.readouterr()
    assert "5 of the 355 images of 'test'" in out  # the digits' test split, as the README's table has it
    assert "saved_model" in out
    assert "int8" not in out
    assert {line.split(":")[0] for line in err.splitlines()} == {"export"}  # our lines, nobody else's
    assert not list((tmp_path / "digits_untrained" / "1").glob("*.tflite"))


def test_export_json_is_all_of_stdout(untrained, tmp_path, capfd):
    assert kcnn(["export", str(untrained), f"--output={tmp_path}", "--formats=", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["bundle"] == str(tmp_path / "digits_untrained" / "1")
    assert report["formats"]["saved_model"]["agreement"] == 1.0


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--min_agreement=2", "must lie in 0..1"),
        ("--formats=int4", "'fp32', 'fp16', 'dynamic', 'int8'"),
        ("--min_agrement=1", "Did you mean '--min_agreement'"),
    ],
)
def test_export_explains_wrong_flags(untrained, tmp_path, capfd, flag, message):
    assert kcnn(["export", str(untrained), f"--output={tmp_path}", flag]) == 2
    assert message in " ".join(capfd.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_predict_writes_json_lines_and_says_what_failed(bundle, photos, capfd):
    assert kcnn(["predict", str(bundle), str(photos)]) == 2
    out, err = capfd.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["file"] for line in lines] == [str(photos / name) for name in ("a.png", "b.png", "text.jpg")]
    assert lines[0]["label"] in set("0123456789")
    assert len(lines[0]["top"]) == 5
    assert "text" in lines[2]["error"]
    assert "1 of 3 files could not be read" in err


def test_predict_reads_a_list_from_stdin_and_a_tflite(bundle, photos, capfd, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{photos}/b.png\n\n{photos}/a.png\n"))
    assert kcnn(["predict", str(bundle / "1" / "model_int8.tflite"), "-", "--format=csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert [row["file"] for row in rows] == [f"{photos}/b.png", f"{photos}/a.png"]
    assert 0 < float(rows[0]["probability"]) <= 1


def test_predict_run_bundle_and_tflite_agree(untrained, bundle, photos, tmp_path, capfd):
    answers = []
    for model in ([str(untrained)], [str(bundle)], [str(bundle), "--use=fp32"]):
        out = tmp_path / "answers.jsonl"
        assert kcnn(["predict", model[0], f"{photos}/*.png", f"--output={out}", *model[1:]]) == 0
        answers.append([json.loads(line)["probability"] for line in out.read_text().splitlines()])
    out, err = capfd.readouterr()
    assert out == ""
    assert err == f"2 answers: {tmp_path / 'answers.jsonl'}\n" * 3
    np.testing.assert_allclose(answers[1:], [answers[0]] * 2, atol=1e-5)


def test_predict_draws_pictures(bundle, photos, capfd):
    output = photos / "drawn"
    assert kcnn(["predict", str(bundle), str(photos / "a.png"), "--format=pictures", f"--output={output}"]) == 0
    assert Image.open(output / "00001_a.png").width >= 30
    out, err = capfd.readouterr()
    assert (out, err) == ("", f"1 picture: {output}\n")
    assert kcnn(["predict", str(bundle), str(photos / "a.png"), "--format=pictures"]) == 2
    assert "needs --output=FOLDER" in capfd.readouterr().err


def test_predict_with_what_is_no_model(photos, capfd):
    assert kcnn(["predict", str(photos / "text.jpg"), str(photos)]) == 2
    assert "is not a LiteRT model" in capfd.readouterr().err
    (photos / "empty").mkdir()
    assert kcnn(["predict", str(photos / "empty"), str(photos)]) == 2
    assert "holds no model" in capfd.readouterr().err


def test_predict_with_no_file_on_stdin(bundle, capfd, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert kcnn(["predict", str(bundle), "-"]) == 2
    assert "stdin named no file" in capfd.readouterr().err


def test_benchmark_prints_a_table_or_json(bundle, capfd):
    assert kcnn(["benchmark", str(bundle), "--seconds=0.01", "--images=10"]) == 0
    out = capfd.readouterr().out
    for word in ("keras predict", "saved_model", "fp32", "int8", "images/s", "ms p90", "difference"):
        assert word in out
    assert kcnn(["benchmark", str(bundle), "--seconds=0.01", "--images=10", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    assert [(row["format"], row["threads"]) for row in rows][2:] == [
        ("fp32", 1),
        ("fp32", 2),
        ("int8", 1),
        ("int8", 2),
    ]
    assert kcnn(["benchmark", str(bundle), "--images=0"]) == 2


@pytest.mark.parametrize("verb", ["export", "predict", "benchmark"])
def test_declaring_the_verb_imports_no_tensorflow(verb):
    import subprocess

    code = f"import kcnn.cli.{verb}, sys; print('tensorflow' in sys.modules, 'ai_edge_litert' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_operations_of_an_exported_bundle_are_listed(bundle, capsys):
    assert kcnn(["summary", str(bundle), "--json"]) == 0  # of its newest version
    found = json.loads(capsys.readouterr().out)["operations"]
    assert found["DecodePng"]["count"] >= 1
    assert {row["refused"] for row in found.values()} == {""}
    assert kcnn(["summary", str(bundle / "1" / "model_fp32.tflite"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["operations"]
    assert found["CONV_2D"]["refused"] == ""
    assert kcnn(["summary", str(bundle / "1" / "model_fp32.tflite")]) == 0
    assert "CONV_2D" in capsys.readouterr().out
