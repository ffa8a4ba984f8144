"""One way to run everything; one clear error for what cannot be run."""

import shutil

import numpy as np
import pytest

from kcnn.errors import CheckpointError, ConfigError, ExportError, KcnnError, ShapeError
from kcnn.export.runner import open_model
from kcnn.versions import newest, versions

from .conftest import without_metadata


def test_run_bundle_saved_model_and_file_say_the_same(run, bundle, digits):
    images = digits["image"]
    opened = {
        "run": open_model(run),
        "bundle": open_model(bundle.parent),
        "version": open_model(bundle, format="keras"),
        "saved_model": open_model(bundle / "saved_model"),
        "file": open_model(bundle / "model_fp32.tflite", threads=2),
    }
    assert [runner.format for runner in opened.values()] == ["keras", "saved_model", "keras", "saved_model", "tflite"]
    expected = opened["run"].predict(images)["probabilities"]
    assert expected.shape == (100, 10)
    assert np.mean(expected.argmax(-1) == digits["label"]) > 0.8
    for runner in opened.values():
        np.testing.assert_allclose(runner.predict(images)["probabilities"], expected, atol=1e-5)
        assert runner.labels == tuple("0123456789")
        assert runner.preprocess.size == (28, 28)
        assert runner.outputs == ("probabilities",)


def test_the_newest_version_is_the_largest_number(tmp_path):
    for name in ("2", "10", "9.tmp-77", "notes", "0"):
        (tmp_path / name).mkdir()
    assert versions(tmp_path) == [2, 10]
    assert newest(tmp_path) == tmp_path / "10"
    assert versions(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 28, 28, 1), np.float32),
        np.zeros((28, 28, 1), np.uint8),
        np.zeros((1, 28, 27, 1), np.uint8),
        np.zeros((0, 28, 28, 1), np.uint8),
    ],
)
def test_other_images_are_refused(bundle, images):
    with pytest.raises(ShapeError, match=r"must be uint8 \(N, 28, 28, 1\)"):
        open_model(bundle / "model_int8.tflite").predict(images)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x89PNG\r\n\x1a\n" * 10, b"hello world, this is text"])
def test_a_file_that_is_no_tflite(tmp_path, content):
    file = tmp_path / "m.tflite"
    file.write_bytes(content)
    with pytest.raises(ExportError, match=r"m\.tflite is not a LiteRT model"):
        open_model(file)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.999])
def test_a_truncated_tflite(bundle, tmp_path, share):
    content = (bundle / "model_int8.tflite").read_bytes()
    file = tmp_path / "cut.tflite"
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ExportError, match=r"cut\.tflite .*(damaged|cut short)"):
        open_model(file)


def test_a_strangers_tflite_runs_without_labels(bundle, digits, tmp_path):
    runner = open_model(without_metadata(bundle / "model_int8.tflite", tmp_path / "bare.tflite"))
    assert runner.labels == tuple(str(i) for i in range(10))
    assert runner.preprocess.image_shape == (28, 28, 1)
    assert runner.predict(digits["image"][:1])["probabilities"].shape == (1, 10)


def test_places_without_a_model(tmp_path, bundle):
    with pytest.raises(ExportError, match="does not exist"):
        open_model(tmp_path / "nowhere")
    with pytest.raises(ExportError, match="holds no model"):
        open_model(tmp_path)
    (tmp_path / "1").mkdir()
    with pytest.raises(ExportError, match="holds no model"):
        open_model(tmp_path)
    foreign = shutil.copytree(bundle / "saved_model", tmp_path / "sm")
    shutil.rmtree(foreign / "assets.extra")
    with pytest.raises(ExportError, match="not a SavedModel that kcnn wrote"):
        open_model(foreign)


def test_a_damaged_bundle(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "1")
    (copy / "saved_model" / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(ExportError, match=r"saved_model\.pb was changed after its export, or damaged"):
        open_model(copy)
    with pytest.raises(ExportError, match=r"saved_model\.pb is damaged"):
        open_model(copy / "saved_model")
    (copy / "model_int8.tflite").unlink()
    with pytest.raises(ExportError, match=r"has no model_int8\.tflite"):
        open_model(copy, format="int8")
    (copy / "weights.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError):
        open_model(copy, format="keras")


def test_formats_that_do_not_go_with_the_path(run, bundle):
    with pytest.raises(ConfigError, match="must be one of keras, saved_model, fp32"):
        open_model(bundle, format="int4")
    for path, format in ((run, "int8"), (bundle / "saved_model", "keras"), (bundle / "model_int8.tflite", "int8")):
        with pytest.raises(KcnnError, match="cannot be chosen"):
            open_model(path, format=format)


def test_a_changed_file_of_a_bundle_is_refused(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    file = copy / "model_fp32.tflite"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ExportError, match="was changed after its export"):
        open_model(copy, format="fp32")
    (copy / "manifest.json").write_text("{}")
    with pytest.raises(ExportError, match="does not tell which files"):
        open_model(copy, format="int8")
    (copy / "manifest.json").write_text('{"files": {}}')
    with pytest.raises(ExportError, match="does not tell what model_int8"):
        open_model(copy, format="int8")
    (copy / "manifest.json").write_text('{"files": {"saved_model/../../secret": {"sha256": ""}}}')
    with pytest.raises(ExportError, match="does not tell which files"):
        open_model(copy)


def test_changed_variables_of_a_saved_model_are_refused(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    file = copy / "saved_model" / "variables" / "variables.data-00000-of-00001"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ExportError, match=r"variables\.data-00000-of-00001 was changed"):
        open_model(copy)


def test_data_with_other_classes_are_refused_before_export(run, tmp_path):
    import dataclasses

    from kcnn.errors import DataError
    from kcnn.train.weights import load_run, open_data

    _, recipe, info = load_run(run)
    assert open_data(recipe, info).info.classes == info.classes
    with pytest.raises(DataError, match=r"10 classes but the run learnt 2.*gone: cat"):
        open_data(recipe, dataclasses.replace(info, classes=("0", "cat")))
