"""`kcnn attack`: pictures, attack.json and the curve of real digits, and what it says to wrong calls."""

import functools
import json

import numpy as np
import pytest
from PIL import Image

from kcnn import recipe as r
from kcnn.adversarial.fgsm import fgsm
from kcnn.adversarial.victim import Victim
from kcnn.cli.main import run
from kcnn.data import open_source
from kcnn.train.run import train
from kcnn.train.weights import load_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, and five digits of its test split as PNG."""
    folder = tmp_path_factory.mktemp("attack")
    preprocess = r.Preprocess(size=(16, 16), mean=(0.305,), std=(0.37,), channel_order="gray")
    settings = r.Train(epochs=5, batch_size=32, learning_rate=0.03)
    recipe = r.Recipe(name="toy", preprocess=preprocess, model=r.Model(name="lenet5"), train=settings)
    train(recipe, folder / "toy")
    for index, image in enumerate(open_source("digits").split("test").arrays["image"][:5]):
        Image.fromarray(image[..., 0]).save(folder / f"digit{index}.png")
    return folder


def call(folder, *words, images=("digit0.png", "digit1.png", "digit2.png")):
    return run(["attack", str(folder / "toy"), *(str(folder / name) for name in images), *words])


@pytest.mark.slow
def test_triples_images_and_curve(folder, capsys, tmp_path):
    assert call(folder, "--eps=64", "--steps=5", f"--output={tmp_path}", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((tmp_path / "attack.json").read_text())
    assert report["settings"] == {"eps": 64.0, "steps": 5, "norm": "linf", "restarts": 1, "seed": 0}
    assert [row["eps"] for row in report["curve"]] == [0, 16, 32, 64, 128]
    assert report["curve"][0]["accuracy"] == 1
    assert report["curve"][-1]["accuracy"] < 0.5
    model, recipe, _ = load_run(folder / "toy")
    for row in report["images"]:
        image = np.asarray(Image.open(tmp_path / row["image"]))
        assert image.shape == (16, 16)
        answer = Victim(model, recipe.preprocess).predict(image[None, ..., None])[0]
        assert str(answer) == row["after"]["label"]  # the picture on disk fools, not only the array
        assert row["success"] == (row["before"]["label"] != row["after"]["label"])
        assert row["linf"] <= 64
        assert min(Image.open(tmp_path / row["picture"]).size) > 100
    assert sum(row["success"] for row in report["images"]) >= 2
    assert (tmp_path / "robustness.png").stat().st_size > 3000


@pytest.mark.slow
def test_a_target_is_named_and_those_already_there_are_left_out(folder, capsys, tmp_path):
    words = ("--method=bim", "--eps=120", "--target=3", f"--output={tmp_path}", "--json")
    code = call(folder, *words, images=[f"digit{i}.png" for i in range(5)])
    report = json.loads(capsys.readouterr().out)
    assert "curve" not in report
    assert report["target"] == "3"
    done = [row for row in report["images"] if "success" in row]
    skipped = [row for row in report["images"] if "error" in row]
    assert len(done) + len(skipped) == 5
    assert code == (2 if skipped else 0)
    assert all("says '3' already" in row["error"] for row in skipped)
    assert any(row["after"]["label"] == "3" for row in done)


def test_a_table_and_a_bad_file_beside_good_ones(folder, capfd):
    (folder / "bad.png").write_bytes(b"no picture")
    assert call(folder, "--method=fgsm", "--eps=2", images=("bad.png", "digit0.png")) == 2
    shown = capfd.readouterr()
    assert "of 1 images are answered as wanted" in shown.out
    assert "bad.png" in shown.err
    assert (folder / "toy" / "attacks" / "fgsm" / "attack.json").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--eps=-1",), "eps is -1"),
        (("--seed=-1",), "--seed is -1"),
        (("--method=pgdd",), "Did you mean 'pgd'"),
        (("--method=deepfool", "--eps=3"), "--eps is not a setting of deepfool"),
        (("--method=deepfool", "--curve=3"), "looks for the smallest change"),
        (("--norm=l7",), "norm is 'l7'"),
        (("--target=eleven",), "unknown class 'eleven'"),
        (("--target=²",), "unknown class '²'"),
        (("--target=10",), "there are 10 classes"),
        (("--target=3", "--curve=1,2"), "leave out --curve or --target"),
        (("--curve=a,b",), "must be numbers of pixels"),
        (("--curve=1,-2",), "eps of --curve is -2"),
        (("--steps=0",), "steps is 0"),
    ],
)
def test_wrong_calls_are_one_line(folder, capsys, words, said, tmp_path):
    assert call(folder, f"--output={tmp_path}", *words) == 2
    shown = capsys.readouterr().err.strip().splitlines()
    assert said in shown[-1]
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.slow
@pytest.mark.parametrize(("stops_at", "eps"), [(2, None), (4, [0, 4])])
def test_ctrl_c_keeps_what_is_finished(folder, capfd, tmp_path, monkeypatch, stops_at, eps):
    """Calls of the attack: two batches of images, then one for each eps of the curve but 0."""
    calls = []

    @functools.wraps(fgsm)
    def stopped(aim, **settings):
        calls.append(len(aim.images))
        if len(calls) == stops_at:
            raise KeyboardInterrupt
        return fgsm(aim, **settings)

    monkeypatch.setattr("kcnn.adversarial.fgsm.fgsm", stopped)
    words = ("--method=fgsm", "--curve=4,8,16", f"--output={tmp_path}")
    assert call(folder, *words, images=[f"digit{i % 5}.png" for i in range(17)]) == 130
    assert "interrupted; what was finished is kept" in capfd.readouterr().err
    report = json.loads((tmp_path / "attack.json").read_text())
    assert len(report["images"]) == (16 if eps is None else 17)
    assert all((tmp_path / row[key]).is_file() for row in report["images"] for key in ("picture", "image"))
    assert [row["eps"] for row in report.get("curve", [])] == (eps or [])
    assert (tmp_path / "robustness.png").exists() == (eps is not None)


def test_no_run(folder, capsys):
    assert run(["attack", str(folder / "nowhere"), str(folder / "digit0.png")]) == 2
    assert "there is no file or folder" in capsys.readouterr().err
    assert run(["attack", str(folder), str(folder / "digit0.png")]) == 3
    assert "not a run" in capsys.readouterr().err
