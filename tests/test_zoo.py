"""Pretrained weights by every route, with files written here in place of downloads."""

import dataclasses
import hashlib
import json
import sys
import types

import h5py
import keras
import numpy as np
import pytest
import safetensors.numpy

import kcnn
from kcnn import zoo
from kcnn.errors import ResourceError, ShapeError, UnknownNameError, WeightsError
from kcnn.testing import formula
from kcnn.testing.family import formula_fill
from kcnn.weights.records import IMAGENET
from tests.models import twins

SHAPE = (64, 64, 3)


@pytest.fixture(scope="module")
def twin():
    network = keras.applications.MobileNetV2(alpha=0.35, weights=None, input_shape=SHAPE, classifier_activation=None)
    formula_fill(network)
    return network


def logits(model):
    return np.asarray(model(formula.images(SHAPE)))


def write_h5(path, network):
    with h5py.File(path, "w") as file:  # the layout of keras.applications' files
        file.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        for layer in network.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                group[name] = np.asarray(weight)


def test_file_of_keras_applications(tmp_path, twin):
    write_h5(tmp_path / "weights.h5", twin)
    model = kcnn.build("mobilenet_v2_035", weights=tmp_path / "weights.h5", image_shape=SHAPE)
    np.testing.assert_allclose(logits(model), logits(twin), rtol=1e-4, atol=1e-4)


def test_imagenet_asks_keras_applications(monkeypatch, twin):
    asked = {}

    def download(**arguments):
        asked.update(arguments)
        return twin

    monkeypatch.setattr(keras.applications, "MobileNetV2", download)
    model = kcnn.build("mobilenet_v2_035", weights="imagenet", image_shape=SHAPE)
    assert asked == {"weights": "imagenet", "alpha": 0.35}
    np.testing.assert_allclose(logits(model), logits(twin), rtol=1e-4, atol=1e-4)


def test_other_classes_get_the_trunk_and_a_new_head(tmp_path, twin):
    write_h5(tmp_path / "weights.h5", twin)
    model = kcnn.build("mobilenet_v2_035", weights=tmp_path / "weights.h5", image_shape=SHAPE, num_classes=5)
    assert model.output_shape == (None, 5)
    np.testing.assert_array_equal(model.get_layer("stem").get_weights()[0], twin.get_layer("Conv1").get_weights()[0])


def test_offline_names_the_file_and_its_place(monkeypatch, tmp_path):
    def refuse(**arguments):
        raise Exception("URL fetch failure on https://example.org/a/mobile_tf_kernels.h5: None -- no name")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.applications, "MobileNetV2", refuse)
    with pytest.raises(ResourceError, match=f"put mobile_tf_kernels.h5 into {tmp_path}/models"):
        kcnn.build("mobilenet_v2", weights="imagenet")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that holds resnet18 with the formula's weights."""
    state = twins.formula_state(kcnn.build("resnet18"), twins.table("resnet18", "timm"))
    safetensors.numpy.save_file(state, tmp_path / "model.safetensors")
    facts = {"input_size": [3, 160, 160], "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": facts}))
    asked = []

    def download(repository, file, revision=None):
        asked.append((repository, file, revision))
        return str(tmp_path / file)

    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(hf_hub_download=download))
    return asked


def test_hub_gives_the_recorded_network(hub):
    golden = json.loads((twins.GOLDENS / "resnet18.json").read_text())["outputs"]["96"]
    model = kcnn.build("resnet18", weights="hf:timm/resnet18.tv_in1k@v1", image_shape=(96, 96, 3))
    found = np.asarray(model(formula.images((96, 96, 3))))[:, : len(golden[0])]
    np.testing.assert_allclose(found, golden, rtol=1e-3, atol=1e-2)
    assert hub[0] == ("timm/resnet18.tv_in1k", "model.safetensors", "v1")
    assert kcnn.preprocess("resnet18", "hf:timm/resnet18.tv_in1k").size == (160, 160)


def test_a_file_of_another_network_is_refused_and_nothing_is_copied(hub, tmp_path):
    with pytest.raises(WeightsError, match="weights are not in the file"):
        kcnn.build("resnet34", weights=tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="have no place"):
        kcnn.build("plain18", weights=tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="does not end as mobilenet_v2 does"):
        kcnn.build("mobilenet_v2", weights=tmp_path / "model.safetensors")


def test_our_own_file_and_folder(tmp_path):
    first = kcnn.build("tiny_resnet", num_classes=7)
    formula_fill(first)
    tensors = {weight.path: np.asarray(weight) for weight in first.weights}
    safetensors.numpy.save_file(tensors, tmp_path / "weights.safetensors")
    for place in (tmp_path, tmp_path / "weights.safetensors"):
        again = kcnn.build("tiny_resnet", weights=place)
        np.testing.assert_array_equal(logits(again), logits(first))


def test_a_bundle_and_its_newest_version(tmp_path):
    """The weights are those that model.json describes."""
    for version, seed in (("2", 1), ("10", 2)):
        keras.utils.set_random_seed(seed)
        model = kcnn.build("tiny_resnet", num_classes=7)
        (tmp_path / version).mkdir()
        content = safetensors.numpy.save({weight.path: np.asarray(weight) for weight in model.weights})
        (tmp_path / version / "weights.safetensors").write_bytes(content)
        record = {"weights_sha256": hashlib.sha256(content).hexdigest()}
        (tmp_path / version / "model.json").write_text(json.dumps(record))
    again = kcnn.build("tiny_resnet", weights=tmp_path)
    np.testing.assert_array_equal(logits(again), logits(model))
    (tmp_path / "10" / "weights.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(WeightsError, match="was changed or damaged"):
        kcnn.build("tiny_resnet", weights=tmp_path)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("missing.safetensors", "there is no weights file"),
        ("hf:resnet", "must be hf:OWNER/REPOSITORY"),
        ("broken.safetensors", "is not safetensors"),
        ("broken.h5", "cannot be read as h5"),
        ("broken.pth", "Convert it once: python tools/import_weights.py"),
        ("broken.txt", "must be a .safetensors, .h5 or .keras file"),
    ],
)
def test_bad_files_are_explained(tmp_path, monkeypatch, weights, message):
    monkeypatch.chdir(tmp_path)
    if weights.startswith("broken"):
        (tmp_path / weights).write_bytes(b"not weights at all")
    with pytest.raises(WeightsError, match=message):
        kcnn.build("tiny_resnet", weights=weights)


def test_gray_images_are_refused_before_anything_is_read():
    with pytest.raises(ShapeError, match="3 channels"):
        kcnn.build("mobilenet_v2", weights="imagenet", image_shape=(96, 96, 1))


def test_a_damaged_number_is_noticed(tmp_path):
    tensors = {weight.path: np.asarray(weight).copy() for weight in kcnn.build("tiny_resnet").weights}
    tensors["stem/kernel"][0, 0, 0, 0] = np.nan
    safetensors.numpy.save_file(tensors, tmp_path / "weights.safetensors")
    with pytest.raises(WeightsError, match="'stem' of the file holds NaN"):
        kcnn.build("tiny_resnet", weights=tmp_path)


def test_networks_without_imagenet_weights_say_so():
    with pytest.raises(UnknownNameError, match=r"unknown network with ImageNet weights 'lenet5'.*Give a file"):
        kcnn.build("lenet5", weights="imagenet")


def test_weights_that_only_a_name_tells_apart_need_that_name(tmp_path):
    # timm's mobilenetv3_small_100 pads evenly, tf_mobilenetv3_small_100 as TensorFlow does; inside they look the same
    state = twins.formula_state(kcnn.build("mobilenet_v3_small"), twins.table("mobilenet_v3_small", "timm"))
    for file in ("plain.safetensors", "tf_small.safetensors"):
        safetensors.numpy.save_file(state, tmp_path / file)
    with pytest.raises(WeightsError, match="must contain 'tf_'"):
        kcnn.build("mobilenet_v3_small", weights=tmp_path / "plain.safetensors")
    assert kcnn.build("mobilenet_v3_small", weights=tmp_path / "tf_small.safetensors").output_shape == (None, 1000)


def test_torchvision_networks_that_pad_otherwise_are_refused(tmp_path):
    state = twins.formula_state(kcnn.build("mobilenet_v2"), twins.table("mobilenet_v2", "torchvision"))
    safetensors.numpy.save_file(state, tmp_path / "weights.safetensors")
    with pytest.raises(WeightsError, match="departs from ours in"):
        kcnn.build("mobilenet_v2", weights=tmp_path / "weights.safetensors")


@pytest.mark.parametrize("name", sorted(IMAGENET))
def test_every_record_leads_somewhere(name):
    record, tables = IMAGENET[name], zoo.tables(name)
    assert record.library in tables
    assert not tables[record.library].spec, "these weights would compute something else in our row"
    assert record.preprocess.channels == 3
    if record.library == "keras":
        assert hasattr(keras.applications, record.source)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name, record in IMAGENET.items() if record.library == "keras"))
def test_every_record_of_keras_is_of_that_network(name):
    record = IMAGENET[name]
    twin = getattr(keras.applications, record.source)(weights=None, **dict(record.arguments))
    zoo.Pretrained(twins.KerasWeights.of(twin), zoo.tables(name)["keras"]).into(kcnn.build(name))


def test_pixels_of_each_file_are_those_of_its_library(tmp_path):
    state = twins.formula_state(kcnn.build("resnet18"), twins.table("resnet18", "torchvision"))
    safetensors.numpy.save_file(state, tmp_path / "theirs.safetensors")
    found = kcnn.preprocess("resnet18", tmp_path / "theirs.safetensors")
    assert (found.scale, found.mean, found.std) == (1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    first = kcnn.build("tiny_resnet")
    safetensors.numpy.save_file({w.path: np.asarray(w) for w in first.weights}, tmp_path / "weights.safetensors")
    with pytest.raises(WeightsError, match="does not say which pixels"):
        kcnn.preprocess("tiny_resnet", tmp_path)
    (tmp_path / "preprocess.json").write_text(json.dumps(dataclasses.asdict(kcnn.Preprocess(size=(40, 50)))))
    assert kcnn.preprocess("tiny_resnet", tmp_path).size == (40, 50)


def test_pixels_by_hand():
    # EfficientNetV2-S: (x - 128) / 128; EfficientNet-Lite: (x - 127) / 128, both of their authors' code
    for name, middle in (("efficientnet_v2_s", 128), ("efficientnet_lite0", 127)):
        record = kcnn.preprocess(name)
        assert [(x * record.scale - record.mean[0]) / record.std[0] for x in (middle, middle + 64)] == [0.0, 0.5]


def test_pixels_are_those_of_keras_applications():
    # each mode of keras.applications' preprocess_input, on pixels 0, 100 and 255
    from kcnn.data.preprocess import normalise

    pixels = np.array([[[[0, 100, 255]]]], "uint8")
    for name, module in (("vgg16", "vgg16"), ("resnet50_v2", "resnet_v2"), ("densenet121", "densenet")):
        expected = getattr(keras.applications, module).preprocess_input(pixels.astype("float32").copy())
        np.testing.assert_allclose(normalise(pixels, kcnn.preprocess(name)), expected, atol=1e-5)
