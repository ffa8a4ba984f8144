"""Questions about one model: answers, maps, kernels, evidence, and files that are broken."""

import base64
import importlib
import io
import json
import re
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from kcnn.errors import ConfigError, DataError, ExportError, UnknownNameError
from kcnn.explain.methods import METHODS
from kcnn.explorer.model import POSITIONS, Opened, squares
from kcnn.explorer.packing import packed
from tests.explorer.conftest import serving
from tests.explorer.test_server import ask, png, refusal

pytestmark = [pytest.mark.slow]


def encoded(pixels, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def bytes_of(found):
    data = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
    return data.reshape(found["count"], found["height"], found["width"])


def values_of(found):
    return bytes_of(found) / 255 * (found["high"] - found["low"]) + found["low"]


@pytest.fixture(scope="module")
def opened(run):
    opened = Opened(run)
    opened.load()
    assert opened.about()["state"] == "ready"
    return opened


@pytest.fixture(scope="module")
def digit():
    """A test digit as 28x28 pixels and as PNG."""
    from kcnn.data import open_source
    from kcnn.export.samples import sample
    from kcnn.recipe import Preprocess

    found = sample(open_source("digits").split("test"), Preprocess(size=(28, 28), channel_order="gray"), 4)
    pixels = found["image"][0, ..., 0]
    return pixels, encoded(pixels)


def test_what_is_told_of_a_model(opened):
    about = opened.about()
    assert about["labels"] == [str(d) for d in range(10)]
    assert (about["size"], about["channels"], about["params"]) == ([28, 28], 1, 61_706)
    layers = {layer["name"]: layer for layer in about["layers"]}
    assert layers["c1"] == {"name": "c1", "kind": "Conv2D", "shape": [28, 28, 6], "kernel": [5, 5, 1, 6]}
    assert layers["s4"]["kernel"] is None
    json.dumps(about)


def test_the_answer_is_the_runners(opened, digit):
    pixels, contents = digit
    found = opened.predict(contents)
    scores = opened._runner.predict(pixels[None, ..., None])["probabilities"][0]
    assert found["label"] == str(scores.argmax())
    assert found["probability"] == pytest.approx(scores.max())
    assert [row["probability"] for row in found["scores"]] == pytest.approx(sorted(scores, reverse=True))
    assert np.array_equal(bytes_of(found["input"])[0], pixels)


def test_maps_are_the_layers_outputs(opened, digit):
    import keras

    pixels, contents = digit
    model, record = opened._model, opened._runner.preprocess
    ready = (pixels[None, ..., None] * record.scale - np.array(record.mean)) / np.array(record.std)
    for name in ("c1", "s2", "c3", "f6"):
        found = opened.maps(contents, name)
        wanted = keras.ops.convert_to_numpy(keras.Model(model.input, model.get_layer(name).output)(ready))[0]
        wanted = wanted.transpose(2, 0, 1) if wanted.ndim == 3 else wanted[None, None]
        assert values_of(found) == pytest.approx(wanted, abs=(found["high"] - found["low"]) / 500)
        assert found["of"] == wanted.shape[0 if wanted.shape[0] > 1 else -1]


def test_kernels_are_the_layers_weights(opened):
    found = opened.kernels("c3")
    weights = np.asarray(opened._model.get_layer("c3").kernel)
    assert (found["filters"], found["channels"], found["shape"]) == (16, 6, [5, 5, 6, 16])
    shown = values_of(found).reshape(16, 6, 5, 5)
    assert shown == pytest.approx(weights.transpose(3, 2, 0, 1), abs=float(np.abs(weights).max()) / 250)


def test_covering_what_the_model_looks_at_lowers_its_answer(opened, monkeypatch):
    """A made-up model that answers with the brightness of one corner: the evidence must lie there."""

    def scores(images):
        corner = images[:, 2:8, 18:26].mean((1, 2, 3)) / 255
        return np.stack([corner, 1 - corner], -1)

    pixels = np.full((28, 28, 1), 40, np.uint8)
    pixels[2:8, 18:26] = 250
    monkeypatch.setattr(opened, "_pixels", lambda contents: pixels)
    monkeypatch.setattr(opened, "_scores", scores)
    found = opened.occlusion(b"", {})
    heat = values_of(found["map"])[0]
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 2 <= row < 8
    assert 18 <= column < 26
    assert found["label"] == "0"
    assert heat[15:, :15] == pytest.approx(0, abs=found["most"] / 100)
    assert opened.occlusion(b"", {"class": "1"})["map"]["low"] == -found["most"]
    with pytest.raises(ConfigError, match="from 0 to 1"):
        opened.occlusion(b"", {"class": "2"})
    with pytest.raises(ConfigError, match="background, gray"):
        opened.occlusion(b"", {"fill": "pink"})


def test_evidence_of_a_real_digit_lies_on_the_digit(opened, digit):
    pixels, contents = digit
    found = opened.occlusion(contents, {})
    heat = values_of(found["map"])[0]
    ink = pixels > 100
    assert heat[ink].mean() > heat[~ink].mean()


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("cam", "occlusion")])
def test_maps_of_the_evidence_are_the_methods(opened, digit, method):
    from kcnn.data.preprocess import normalise
    from kcnn.explain import draw, maps

    pixels, contents = digit
    layer = "c3" if METHODS[method].takes_layer else ""
    found = opened.explain(contents, {"method": method, "class": "4", "layer": layer})
    assert (found["label"], found["class_id"]) == ("4", 4)
    ready = normalise(pixels[None, ..., None], opened._runner.preprocess)
    options = {"layer": "c3"} if layer else {}
    wanted = getattr(importlib.import_module(f"kcnn.explain.{method}"), method)(opened._model, ready, 4, **options)
    if METHODS[method].kind == "signed":
        assert np.abs(bytes_of(found["picture"]).astype(int) - draw.signed(wanted)[0].transpose(2, 0, 1)).max() <= 1
        return
    wanted = maps.per_pixel(wanted)[0] if METHODS[method].kind == "slopes" else wanted[0]
    assert found["most"] == pytest.approx(np.abs(wanted).max(), rel=1e-4)
    assert values_of(found["map"])[0] == pytest.approx(wanted, abs=found["most"] / 100)


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_a_changed_picture_is_the_attacks_and_fools(opened, digit, method):
    from kcnn.adversarial import ATTACKS
    from kcnn.adversarial.victim import Victim

    pixels, contents = digit
    found = opened.attack(contents, {"method": method, "eps": "90"})
    victim = Victim(opened._model, opened._runner.preprocess)
    settings = {"steps": 10} if method == "pgd" else {}
    wanted = ATTACKS.get(method)(victim.aim(pixels[None, ..., None]), eps=90, **settings)
    assert np.array_equal(bytes_of(found["image"])[0], wanted.images[0, ..., 0])
    assert found["most"] == 90
    assert values_of(found["map"])[0] == pytest.approx(wanted.perturbation[0, ..., 0], abs=1)
    changed = opened.predict(encoded(bytes_of(found["image"])[0]))
    assert (found["label"], found["probability"]) == (changed["label"], pytest.approx(changed["probability"], abs=1e-4))
    assert found["before"]["label"] == opened.predict(contents)["label"]
    assert found["success"]
    assert found["success"] == (found["label"] != found["before"]["label"])
    nothing = opened.attack(contents, {"method": method, "eps": "0"})
    assert (nothing["success"], nothing["most"]) == (False, 0)


@pytest.mark.parametrize(
    ("question", "query", "said"),
    [
        ("explain", {"method": "gradcam"}, "Did you mean 'grad_cam'"),
        ("explain", {"method": "grad_cam", "layer": "c33"}, "Did you mean 'c3'"),
        ("explain", {"method": "grad_cam", "layer": "f6"}, "'f6' has no spatial extent"),
        ("explain", {"method": "cam"}, "does not end in global average pooling"),
        ("explain", {"class": "10"}, "from 0 to 9"),
        ("attack", {"eps": "-1"}, "from 0 to 128"),
        ("attack", {"eps": "nan"}, "from 0 to 128"),
        ("attack", {"eps": "much"}, "from 0 to 128"),
        ("attack", {"method": "lbfgs"}, "one of fgsm, pgd"),
    ],
)
def test_questions_that_cannot_be_answered(opened, digit, question, query, said):
    with pytest.raises((ConfigError, UnknownNameError), match=re.escape(said)):
        getattr(opened, question)(digit[1], query)


def test_a_tflite_file_is_not_looked_into(bundle, digit):
    (file,) = bundle.rglob("*.tflite")
    opened = Opened(file)
    opened.load()
    about = opened.about()
    assert (about["state"], about["methods"], about["attacks"], about["layers"]) == ("ready", [], [], [])
    assert opened.occlusion(digit[1], {})["most"] > 0
    for question in (opened.explain, opened.attack):
        with pytest.raises(ConfigError, match="open the run or the bundle"):
            question(digit[1], {})


@pytest.mark.parametrize(("height", "width"), [(28, 28), (1, 1), (5, 300), (224, 224)])
def test_squares_cover_every_pixel(height, width):
    count = np.zeros((height, width), int)
    (tall, wide), corners = squares(height, width)
    for y, x in corners:
        count[y : y + tall, x : x + wide] += 1
    assert count.min() >= 1
    assert len(corners) <= POSITIONS**2


def test_occlusion_is_that_of_the_library(opened, digit):
    from kcnn.data.preprocess import normalise
    from kcnn.explain.core import with_softmax
    from kcnn.explain.occlusion import occlusion

    pixels, contents = digit
    record, gray = opened._runner.preprocess, np.full((1, 1, 1, 1), 128, np.uint8)
    fill = normalise(gray, record).numpy().ravel()
    ready = normalise(pixels[None, ..., None], record).numpy()
    wanted = occlusion(with_softmax(opened._model), ready, 4, window=7, stride=2, fill=fill)[0]  # 7 is a quarter of 28
    found = opened.occlusion(contents, {"class": "4", "fill": "gray"})
    assert found["most"] == pytest.approx(np.abs(wanted).max(), rel=1e-4)
    assert values_of(found["map"])[0] == pytest.approx(wanted, abs=found["most"] / 100)


def test_pictures_survive_values_that_are_not_numbers():
    found = packed(np.array([[[np.nan, 1.0], [0.0, 2.0]]]))
    assert values_of(found)[0] == pytest.approx(np.array([[0, 1], [0, 2]]), abs=0.01)
    assert set(bytes_of(packed(np.full((1, 2, 2), 7.0))).flat) == {0}


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (b"", "empty"),
        (b"hello, world", "it is text"),
        (png(20_000, 20_000), "20,000 x 20,000 pixels"),
        (png(10_000, 10_000), "at most 50,000,000"),
        (png(30, 30), "damaged PNG"),
        (encoded(np.zeros((40, 40, 3), np.uint8), "JPEG")[:-200], "cut short"),
    ],
    ids=["empty", "text", "huge", "large", "damaged", "cut"],
)
def test_pictures_that_cannot_be_read(opened, contents, said):
    for question in (opened.predict, lambda c: opened.maps(c, "c1"), lambda c: opened.occlusion(c, {})):
        with pytest.raises(DataError, match=said):
            question(contents)


def test_layers_that_are_not_there(opened, digit):
    with pytest.raises(UnknownNameError, match="Did you mean 'c1'"):
        opened.maps(digit[1], "c11")
    with pytest.raises(ConfigError, match="no kernels"):
        opened.kernels("f6")


def test_a_broken_model_is_told_and_the_server_stays(run, tmp_path):
    shutil.copytree(run, tmp_path / "broken")
    weights = tmp_path / "broken/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-900])
    heard = []
    opened = Opened(tmp_path / "broken")
    assert opened.about() == {"state": "loading"}
    with pytest.raises(ExportError, match="still being opened"):
        opened.predict(b"")
    opened.load()
    assert opened.about()["state"] == "failed"
    assert "weights.safetensors" in opened.about()["error"]
    server = serving(opened)
    status, error = refusal(server, "/predict", method="POST", body=b"x")
    assert status == 422
    assert "weights.safetensors" in error["message"]
    assert ask(server)[0] == 200
    server.shutdown()
    server.server_close()
    other = Opened(tmp_path)
    other.load_aside(heard.append)
    end = time.monotonic() + 10
    while not heard and time.monotonic() < end:
        time.sleep(0.05)
    assert "holds no model" in heard[0]


def test_over_http(opened, digit):
    server = serving(opened)
    try:
        status, _, body = ask(server, "/predict", "POST", digit[1])
        assert status == 200
        assert json.loads(body)["label"] in opened.about()["labels"]
        for path in ("/maps?layer=c1", "/occlusion?fill=gray", "/explain?method=saliency", "/attack?eps=8"):
            assert ask(server, path, "POST", digit[1])[0] == 200
        assert ask(server, "/kernels?layer=c1")[0] == 200
        assert refusal(server, "/predict", "POST", b"junk")[0] == 422
        assert refusal(server, "/maps?layer=zz", "POST", digit[1])[0] == 422
        assert ask(server, "/model")[0] == 200
    finally:
        server.shutdown()
        server.server_close()
