"""`kcnn explain` as a user and a program meet it."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from kcnn.cli.explain import pixel_range
from kcnn.cli.main import run as kcnn
from kcnn.explain.grad_cam import grad_cam
from kcnn.explain.methods import METHODS
from kcnn.recipe import Data, Model, Preprocess, Recipe


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The run of a network as it was initialised."""
    import keras

    from kcnn.data import open_source
    from kcnn.tasks import TASKS
    from kcnn.train.weights import save_model

    keras.utils.set_random_seed(1)
    recipe = Recipe(
        name="digits_untrained",
        data=Data(source="digits"),
        preprocess=Preprocess(size=(32, 32)),
        model=Model(name="tiny_resnet"),
    )
    info = open_source(recipe.data).info
    folder = tmp_path_factory.mktemp("runs") / recipe.name
    save_model(folder, TASKS.get(recipe.task).model(recipe, info), recipe, info)
    return str(folder)


@pytest.fixture
def photos(tmp_path):
    """Two images, one in a folder under the same name, and a text that calls itself an image."""
    (tmp_path / "more").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), "uint8")
    Image.fromarray(noise[0]).save(tmp_path / "a.png")
    Image.fromarray(noise[1]).save(tmp_path / "more" / "a.png")
    (tmp_path / "text.jpg").write_text("no image")
    return tmp_path


@pytest.mark.slow
def test_every_method_of_the_cam_and_gradient_families_draws(network, photos, tmp_path, capfd):
    out = tmp_path / "out"
    methods = [name for name in METHODS if name != "score_cam"]
    words = [str(photos / "a.png"), str(photos / "more"), f"--output={out}", f"--method={','.join(methods)}"]
    assert kcnn(["explain", network, *words]) == 0
    record = json.loads((out / "explain.json").read_text())["images"]
    assert [one["picture"] for one in record] == ["a.png", "a_2.png"]
    for one in record:
        assert one["size"] == [20, 30]
        assert list(one["methods"]) == methods
        assert 0 <= one["probability"] <= 1
        assert all(0 < place < 1 for method in one["methods"].values() for place in method["peak"])
        picture = Image.open(out / one["picture"])
        assert picture.width > 5 * picture.height
    printed, errors = capfd.readouterr()
    assert len(printed.splitlines()) == 2
    assert "a_2.png" in printed
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--output=."], "is the folder of the images"), (["--weights=file.h5"], "has weights of its own")],
)
def test_images_are_not_written_over_and_no_flag_is_passed_over(network, photos, monkeypatch, words, message, capfd):
    monkeypatch.chdir(photos)
    before = (photos / "a.png").read_bytes()
    assert kcnn(["explain", network, "a.png", *words]) == 2
    assert message in capfd.readouterr().err
    assert (photos / "a.png").read_bytes() == before


def test_a_call_without_an_image_keeps_the_record_of_the_last(network, photos, tmp_path, capfd):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "explain.json").write_text("{}")
    assert kcnn(["explain", network, str(photos / "text.jpg"), f"--output={tmp_path / 'out'}"]) == 2
    assert (tmp_path / "out" / "explain.json").read_text() == "{}"
    assert "text.jpg" in capfd.readouterr().err


@pytest.mark.slow
def test_a_target_by_name_and_a_layer(network, photos, tmp_path, capfd):
    out = tmp_path / "out"
    words = [str(photos / "a.png"), f"--output={out}", "--method=grad_cam,score_cam", "--layer=stem", "--target=7"]
    assert kcnn(["explain", network, *words, "--json"]) == 0
    printed = capfd.readouterr().out
    assert json.loads(printed)[0]["label"] == "7"
    assert json.loads(printed)[0]["class"] == 7


def test_an_unreadable_file_has_its_line_and_the_rest_is_drawn(network, photos, tmp_path, capfd):
    out = tmp_path / "out"
    words = [str(photos / "text.jpg"), str(photos / "a.png"), f"--output={out}", "--method=grad_cam"]
    assert kcnn(["explain", network, *words]) == 2
    record = json.loads((out / "explain.json").read_text())["images"]
    assert sorted(record[0]) == ["error", "file"]
    assert record[1]["picture"] == "a.png"
    assert "text.jpg" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method=gradcam"], "Did you mean 'grad_cam'"),
        (["--method=,"], "must name some of"),
        (["--layer=stm"], "Layers with maps: "),
        (["--layer=stem", "--method=saliency"], "--layer=stem goes with grad_cam"),
        (["--target=10"], "there are 10 classes"),
        (["--target=cat"], "unknown class 'cat'"),
        (["--target=²"], "unknown class '²'"),
        (["--batch_size=0"], "at least 1"),
        (["--output={file}"], "is a file"),
    ],
)
def test_mistakes_are_found_before_any_work(network, photos, words, message, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [word.format(file=photos / "text.jpg") for word in words]
    assert kcnn(["explain", network, str(photos / "a.png"), *words]) == 2
    errors = capfd.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "explain").exists()


def test_a_run_of_another_task(photos, tmp_path, capfd):
    from kcnn.data.source import Info
    from kcnn.models import build
    from kcnn.train.weights import save_model

    model = build("tiny_unet", num_classes=2, image_shape=(32, 32, 3))
    recipe = Recipe(name="masks", task="segmentation", data=Data(source="masks"),
                    preprocess=Preprocess(size=(32, 32)), model=Model(name="tiny_unet"))  # fmt: skip
    save_model(
        tmp_path / "masks", model, recipe, Info(name="masks", splits={"train": 1}, classes=("a", "b"), keys=("mask",))
    )
    for verb in ("explain", "attack"):
        assert kcnn([verb, str(tmp_path / "masks"), str(photos / "a.png"), f"--output={tmp_path / 'out'}"]) == 2
        errors = capfd.readouterr().err
        assert "is a run of segmentation" in errors.splitlines()[-1]


def test_what_is_no_network(photos, capfd):
    for name in ("/nope", "nope.tflite", "./nope", "~/nope"):
        assert kcnn(["explain", name, str(photos / "a.png")]) == 2
        assert f"there is no file or folder {name};" in capfd.readouterr().err
    (photos / "net.tflite").write_bytes(b"")
    assert kcnn(["explain", str(photos / "net.tflite"), str(photos / "a.png")]) == 2
    assert "no run or bundle" in capfd.readouterr().err
    assert kcnn(["explain", "resnet5", str(photos / "a.png")]) == 2
    assert "Did you mean 'resnet56' or 'resnet50'" in capfd.readouterr().err


def test_a_file_that_does_not_know_its_pixels(photos, tmp_path, capfd):
    from kcnn.models import build

    build("tiny_lenet5").save(tmp_path / "net.keras")
    weights = f"--weights={tmp_path / 'net.keras'}"
    assert kcnn(["explain", "tiny_lenet5", str(photos / "a.png"), weights]) == 2
    errors = capfd.readouterr().err
    assert "does not say which pixels it expects" in errors
    assert kcnn(["explain", "tiny_lenet5", str(photos / "a.png")]) == 2
    assert "unknown network with ImageNet weights 'tiny_lenet5'" in capfd.readouterr().err


@pytest.mark.parametrize("flag", ["--method=grad_cam", "--target=7", "--json"])
def test_a_gallery_takes_no_flag_that_it_would_pass_over(network, photos, tmp_path, flag, capfd):
    assert kcnn(["explain", network, str(photos / "a.png"), "--gallery", flag, f"--output={tmp_path / 'out'}"]) == 2
    assert f"{flag.partition('=')[0]} does not go with --gallery" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_gallery_of_two_layers(network, photos, tmp_path, capfd):
    out = tmp_path / "out"
    words = [str(photos / "a.png"), str(photos / "more"), str(photos / "text.jpg"), f"--output={out}", "--gallery"]
    assert kcnn(["explain", network, *words, "--layer=stem,stage2_block1_add"]) == 2  # one file is no image
    printed, errors = capfd.readouterr()
    assert "2 layers, 2 images" in printed
    assert "text.jpg" in errors
    assert "more" in (out / "gallery.html").read_text()
    assert Image.open(out / "gallery.png").width > 400
    assert kcnn(["explain", network, str(photos / "text.jpg"), "--gallery"]) == 2
    assert "needs images" in capfd.readouterr().err


def test_black_and_white_of_each_channel():
    record = Preprocess(size=(8, 8), scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    black, white = pixel_range(record)
    np.testing.assert_allclose(black, [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225], rtol=1e-5)
    np.testing.assert_allclose(white, [0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225], rtol=1e-5)
    gray = Preprocess(size=(8, 8), channel_order="gray")
    assert [len(end) for end in pixel_range(gray)] == [1, 1]


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(network, photos, tmp_path, capfd, monkeypatch):
    for number in range(9):
        shutil.copy(photos / "a.png", photos / "more" / f"{number}.png")
    calls = []

    def stopped(*args, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return grad_cam(*args, **options)

    monkeypatch.setattr("kcnn.explain.grad_cam.grad_cam", stopped)
    words = [str(photos / "more"), f"--output={tmp_path / 'out'}", "--method=grad_cam"]
    assert kcnn(["explain", network, *words]) == 130
    assert "interrupted; what was finished is kept" in capfd.readouterr().err
    record = json.loads((tmp_path / "out" / "explain.json").read_text())["images"]
    assert len(record) == 8
    assert all((tmp_path / "out" / one["picture"]).is_file() for one in record)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["explain", "attack"])
def test_a_signal_ends_the_program_with_130(network, photos, tmp_path, verb):
    """What is finished lies in the JSON, which is whole; nothing half-written is left beside it."""
    images = [str(photos / "a.png")] * 4000
    words = {"explain": ["--method=integrated_gradients"], "attack": ["--method=pgd", "--steps=100"]}[verb]
    out = tmp_path / "out"
    command = [sys.executable, "-m", "kcnn", verb, network, *images, f"--output={out}", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 60
        while not (out / f"{verb}.json").exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert printed == ""
    assert errors.splitlines()[-1] == "interrupted; what was finished is kept"
    record = json.loads((out / f"{verb}.json").read_text())["images"]
    assert 0 < len(record) < 4000
    assert all((out / one["picture"]).is_file() for one in record)
    assert {path.suffix for path in out.iterdir()} == {".png", ".json"}
