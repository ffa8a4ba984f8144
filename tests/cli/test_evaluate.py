"""`kcnn evaluate` on a small run: table, files, JSON, and the sentences for what cannot be measured."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from kcnn.cli.console import Console
from kcnn.cli.evaluate import show
from kcnn.cli.main import run
from kcnn.data.preprocess import prepare
from kcnn.recipe import Data, Model, Preprocess, Recipe
from kcnn.tasks import TASKS, figures
from kcnn.tasks.classification.config import ClassificationConfig
from kcnn.train.weights import save_model

RECIPE = Recipe(
    name="digits",
    data=Data(source="digits", limit=60),
    preprocess=Preprocess(size=(16, 16), channel_order="gray"),
    model=Model(name="tiny_lenet5"),
    config=ClassificationConfig(),
)


@pytest.fixture
def run_folder(tmp_path):
    """Return a run folder as training leaves it, with weights fresh from the initialiser."""
    from kcnn.data import open_source

    info = open_source(RECIPE.data).info
    save_model(tmp_path / "run", TASKS.get("classification").model(RECIPE, info), RECIPE, info)
    return tmp_path / "run"


def kcnn(*words):
    return run([str(word) for word in words], Console())


def test_the_table_and_the_files(run_folder, capfd):
    assert kcnn("evaluate", run_folder) == 0
    out = capfd.readouterr().out
    report = json.loads((run_folder / "report" / "report.json").read_text())
    assert report["split"] == "test"
    assert all(f"{row['f1']:.4f}" in out for row in report["per_class"])
    assert f"accuracy{report['accuracy']:>22.4f}" in out
    for name in ("confusion_matrix", "reliability", "worst_predictions"):
        assert str(run_folder / "report" / f"{name}.png") in out
        assert (run_folder / "report" / f"{name}.png").is_file()


@pytest.mark.slow
def test_another_split_keeps_the_report_that_is_there(run_folder, capfd):
    kcnn("evaluate", run_folder)
    before = (run_folder / "report" / "report.json").read_text()
    assert kcnn("evaluate", run_folder, "--split=validation", "--json") == 0
    out = capfd.readouterr().out
    report = json.loads(out[out.index("{") :])
    assert report["split"] == "validation"
    assert json.loads((run_folder / "report" / "validation" / "report.json").read_text()) == report
    assert (run_folder / "report" / "report.json").read_text() == before


def test_json_alone_on_stdout(run_folder, capfd):
    assert kcnn("evaluate", run_folder, "--json") == 0
    assert json.loads(capfd.readouterr().out)["examples"] > 0


def test_the_pictures_reach_tensorboard(run_folder):
    assert kcnn("evaluate", run_folder) == 0
    assert list((run_folder / "tensorboard").rglob("events.out.*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--split=tset"], "Did you mean 'test'"),
        (["--jsn"], "Did you mean '--json'"),
    ],
)
def test_wrong_flags(run_folder, words, message, capfd):
    assert kcnn("evaluate", run_folder, *words) == 2
    assert message in capfd.readouterr().err


def test_no_run_and_an_unfinished_run(run_folder, tmp_path, capfd):
    assert kcnn("evaluate", tmp_path / "nowhere") == 3
    assert "is not a run" in capfd.readouterr().err
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "photos").mkdir()
    assert kcnn("evaluate", tmp_path / "photos") == 3
    assert not any((tmp_path / "photos").iterdir())
    (run_folder / "weights.safetensors").unlink()
    assert kcnn("evaluate", run_folder) == 3
    assert "not finished" in capfd.readouterr().err


def test_data_with_other_classes_than_the_run(run_folder, capfd):
    text = (run_folder / "model.json").read_text()
    record = json.loads(text)
    record["classes"] = ["zero", *record["classes"][1:]]
    (run_folder / "model.json").write_text(json.dumps(record))
    assert kcnn("evaluate", run_folder) == 2
    err = capfd.readouterr().err
    assert "new: 0; gone: zero" in err
    assert "Train again" in err


def test_data_without_a_held_out_split(tmp_path, capfd):
    import numpy as np

    rng = np.random.default_rng(0)
    data = tmp_path / "data.npz"
    np.savez(data, images=rng.integers(0, 255, (20, 16, 16, 1), dtype=np.uint8), labels=np.arange(20) % 2)
    from kcnn.data import open_source

    recipe = replace(RECIPE, data=Data(source=str(data), validation=0.0))
    info = open_source(recipe.data).info
    save_model(tmp_path / "run", TASKS.get("classification").model(recipe, info), recipe, info)
    assert kcnn("evaluate", tmp_path / "run") == 2
    assert "--split=train" in capfd.readouterr().err
    assert kcnn("evaluate", tmp_path / "run", "--split=train") == 0


def test_a_network_that_learnt_nothing_is_called_so(capfd, tmp_path):
    rows = [{"class": name, "support": 20} for name in "abcde"]
    show({"per_class": rows, "accuracy": 0.2}, tmp_path, Console())
    assert "no better than always naming the most frequent class (20.0%)" in capfd.readouterr().err
    for report in ({"accuracy": 0.5}, {"accuracy": 0.1, "exact_match": 0.0}):
        show({"per_class": rows, **report}, tmp_path, Console())
        assert capfd.readouterr().err == ""


def test_so_is_one_of_masks(capfd, tmp_path):
    """Every pixel called "a": IoU 60 / 100 of a, 0 of b and c; d is nowhere, so the mean is over three."""
    rows = [{"class": name, "pixels": pixels} for name, pixels in zip("abcd", (60, 30, 10, 0), strict=True)]
    show({"per_class": rows, "mean_iou": 0.2, "boundary_f": None}, tmp_path, Console())
    warning = capfd.readouterr().err
    assert "mean iou 20.0% is no better than always naming the most frequent class (20.0%)" in warning
    assert "has not learnt" in warning
    show({"per_class": rows, "mean_iou": 0.21}, tmp_path, Console())
    show({"per_class": [rows[0], rows[3]], "mean_iou": 1.0}, tmp_path, Console())  # nothing to tell apart
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["grad_cam", "occlusion", "guided_backprop"])
def test_the_worst_predictions_are_explained(run_folder, capfd, method):
    assert kcnn("evaluate", run_folder, "--explain_worst=3", f"--method={method}") == 0
    picture = run_folder / "report" / "worst_explained.png"
    assert str(picture) in capfd.readouterr().out
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert np.ptp(pixels.reshape(-1, 3), axis=0).min() > 100  # drawn on, in colours
    assert 0.7 < pixels.shape[0] / (3 * pixels.shape[1] / 3) < 1.4  # three rows of three
    kcnn("evaluate", run_folder)
    assert not picture.exists()  # it belonged to the report before


@pytest.mark.slow
def test_maps_of_the_worst_predictions_are_the_methods(run_folder, monkeypatch):
    from kcnn.data.preprocess import normalise
    from kcnn.explain.draw import overlay
    from kcnn.explain.grad_cam import grad_cam
    from kcnn.tasks.classification import worst
    from kcnn.train.weights import load_run, open_data

    sheets = []
    monkeypatch.setattr("kcnn.explain.draw.sheet", lambda *parts: sheets.append(parts) or figures.Figure())
    assert kcnn("evaluate", run_folder, "--explain_worst=2", "--split=train") == 0
    ((rows, titles, headings),) = sheets
    assert worst.PICTURE in {path.name for path in (run_folder / "report" / "train").iterdir()}
    with open(run_folder / "report" / "train" / "predictions.csv", newline="") as file:
        hardest = list(csv.DictReader(file))[:2]
    model, recipe, info = load_run(run_folder)
    part = open_data(recipe, info).split("train")
    for row, names, heading, told in zip(rows, titles, headings, hardest, strict=True):
        assert heading == told["example"]
        answer, truth = told["predicted"].partition(" ")[0], told["true"]
        assert names[0] == f"true {truth}"
        assert names[1].startswith(f"for {answer} (")
        assert names[2].startswith(f"for {truth} (")
        (index,) = (index for index in range(part.size) if part.names(index) == heading)
        image = np.asarray(prepare(part.arrays["image"][index][None], recipe.preprocess))
        for picture, label in zip(row[1:], (answer, truth), strict=True):
            found = grad_cam(model, normalise(image, recipe.preprocess), int(label))
            expected = overlay(image, found)[0].astype(int)
            np.testing.assert_allclose(picture, expected, atol=4)  # a step of the colour map, in rounded sums
        assert np.abs(row[1].astype(int) - row[2]).max() > 20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--explain_worst=0"], "choose 1 to 64"),
        (["--explain_worst", "--method=gradcam"], "Did you mean 'grad_cam'"),
        (["--explain_worst", "--method=cam"], "does not end in global average pooling"),
        (["--method=cam"], "goes with --explain_worst"),
    ],
)
def test_what_cannot_be_explained_is_known_before_anything_is_measured(run_folder, words, message, capfd):
    assert kcnn("evaluate", run_folder, *words) == 2
    assert message in capfd.readouterr().err
    assert not (run_folder / "report").exists()
