"""Arrays of other people's Keras files: honest ones fit, those that lead elsewhere are refused."""

import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

from kcnn.errors import WeightsError
from kcnn.models import build
from kcnn.weights.files import read
from kcnn.zoo import build as build_with

NAMES = ("tiny_resnet", "tiny_mobilenet_v2", "tiny_convnext", "tiny_efficientnet")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A .keras file of tiny_resnet for 3 classes, and the model."""
    keras.utils.set_random_seed(3)
    model = build("tiny_resnet", num_classes=3)
    file = tmp_path_factory.mktemp("keras") / "model.keras"
    model.save(file)
    return file, model


def rewritten(saved, tmp_path, change=None, config=None):
    """Copy the file with its arrays or its config.json changed."""
    with zipfile.ZipFile(saved[0]) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if change:
        content = io.BytesIO(parts["model.weights.h5"])
        with h5py.File(content, "r+") as file:
            change(file)
        parts["model.weights.h5"] = content.getvalue()
    if config:
        record = json.loads(parts["config.json"])
        config(record)
        parts["config.json"] = json.dumps(record).encode()
    target = tmp_path / "changed.keras"
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target


def same(one, other):
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_saved_network_comes_back(saved, tmp_path, ending):
    file = saved[0]
    if ending == ".h5":
        file = tmp_path / "model.h5"
        saved[1].save(file)
    same(build_with("tiny_resnet", weights=file), saved[1])


@pytest.mark.parametrize("name", NAMES)
def test_other_families_come_back(name, tmp_path):
    keras.utils.set_random_seed(4)
    model = build(name)
    model.save(tmp_path / "model.keras")
    same(build_with(name, weights=tmp_path / "model.keras"), model)


@pytest.mark.slow
def test_a_twin_that_keras_saved(tmp_path):
    """keras.applications' own names, from the other of its two kinds of file."""
    twin = keras.applications.VGG16(weights=None, classes=7, classifier_activation=None, input_shape=(32, 32, 3))
    twin.save(tmp_path / "vgg.keras")
    ours = build_with("vgg16", weights=tmp_path / "vgg.keras", image_shape=(32, 32, 3))
    images = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(ours(images), twin(images), rtol=1e-5, atol=1e-6)


def linked(file):
    del file["layers/dense"]
    file["layers/dense"] = h5py.ExternalLink("/etc/other.h5", "x")


def soft(file):
    del file["layers/dense"]
    file["layers/dense"] = h5py.SoftLink("/layers/conv2d")


def external(file):
    group = file["layers/dense/vars"]
    del group["0"]
    group.create_dataset("0", (4,), "f4", external=[("/etc/hostname", 0, 16)])


def unwritten(file):
    group = file["layers/dense/vars"]
    del group["0"]
    group.create_dataset("0", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))


def text(file):
    group = file["layers/dense/vars"]
    del group["0"]
    group.create_dataset("0", data=[b"abc"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (linked, "a link to another place"),
        (soft, "a link to another place"),
        (external, "in another file"),
        (unwritten, "would unpack to 4,398,"),
        (text, "weights are numbers"),
    ],
)
def test_arrays_that_lead_elsewhere(saved, tmp_path, change, words):
    with pytest.raises(WeightsError, match=words):
        read(rewritten(saved, tmp_path, change))


def test_a_class_that_is_not_of_keras_is_not_looked_up(saved, tmp_path):
    def config(record):
        for layer in record["config"]["layers"]:
            if layer["class_name"] == "Dense":
                layer |= {"module": "os", "class_name": "system", "registered_name": "system"}

    with pytest.raises(WeightsError, match=r"layer 'logits' is system with 2 arrays, which kcnn cannot place"):
        read(rewritten(saved, tmp_path, config=config))


@pytest.mark.parametrize("missing", ["config.json", "model.weights.h5"])
def test_an_archive_that_is_no_model(tmp_path, missing):
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        for name in {"config.json", "model.weights.h5"} - {missing}:
            archive.writestr(name, "{}")
    with pytest.raises(WeightsError, match=f"has no {missing}"):
        read(tmp_path / "x.keras")


def test_damage(saved, tmp_path):
    content = saved[0].read_bytes()
    for end in (10, len(content) // 2, len(content) - 5):
        (tmp_path / "cut.keras").write_bytes(content[:end])
        with pytest.raises(WeightsError):
            read(tmp_path / "cut.keras")


def test_a_header_longer_than_a_networks(tmp_path):
    (tmp_path / "x.safetensors").write_bytes((1 << 40).to_bytes(8, "little") + b"{}")
    with pytest.raises(WeightsError, match="its header would have 1,099,511,627,776 bytes"):
        read(tmp_path / "x.safetensors")


def test_a_file_cannot_ask_for_more_classes_than_it_has_numbers(tmp_path):
    """A bias of a million entries, 4 MB, would make a head of a million classes, 32 MB in the smallest network."""
    import safetensors.numpy

    safetensors.numpy.save_file({"logits/bias": np.zeros(1_000_000, np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="hold 1,000,000 numbers but ask for 1,000,000 classes"):
        build_with("tiny_resnet", weights=tmp_path / "x.safetensors")
