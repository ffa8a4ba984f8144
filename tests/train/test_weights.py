"""The five files of a trained model: what they say, that they come back, and what is refused."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import safetensors.numpy
import toy

from kcnn.errors import CheckpointError, ConfigError
from kcnn.train import load_model, load_run, save_model
from kcnn.train.weights import FILES


@pytest.fixture
def copy(finished, tmp_path):
    for name in FILES:
        shutil.copy(finished / name, tmp_path / name)
    return tmp_path


def test_the_files_say_what_the_model_is(finished):
    record = json.loads((finished / "model.json").read_text())
    assert record["model"] == "toy"
    assert record["task"] == "toy"
    assert record["num_classes"] == 4
    assert record["image_shape"] == [8, 8, 1]
    assert record["classes"] == ["a", "b", "c", "d"]
    assert record["config"] == {"dropout": 0.3}
    preprocess = json.loads((finished / "preprocess.json").read_text())
    assert preprocess["size"] == [8, 8]
    tensors = safetensors.numpy.load_file(finished / "weights.safetensors")
    assert set(tensors) == {
        "conv/kernel", "conv/bias", "bn/gamma", "bn/beta", "bn/moving_mean", "bn/moving_variance",
        "logits/kernel", "logits/bias",
    }  # fmt: skip


def test_a_loaded_model_answers_as_the_trained_one(finished, copy):
    model, recipe, info = load_model(copy)
    assert recipe == toy.make_recipe()
    assert info.classes == ("a", "b", "c", "d")
    assert info.splits == {"train": 150, "validation": 40}
    images = np.random.default_rng(0).uniform(0, 1, (5, 8, 8, 1)).astype(np.float32)
    first = model(images, training=False).numpy()
    save_model(copy / "again", model, recipe, info)
    assert {path.name for path in (copy / "again").iterdir()} == set(FILES)
    np.testing.assert_array_equal(load_run(copy / "again")[0](images, training=False).numpy(), first)
    assert (copy / "again" / "weights.safetensors").read_bytes() == (finished / "weights.safetensors").read_bytes()


def replace_weights(folder, tensors):
    """As somebody does who writes the hash anew, too."""
    content = safetensors.numpy.save(tensors)
    (folder / "weights.safetensors").write_bytes(content)
    record = json.loads((folder / "model.json").read_text())
    record["weights_sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "model.json").write_text(json.dumps(record))


def test_weights_of_another_model_are_refused(copy):
    tensors = safetensors.numpy.load_file(copy / "weights.safetensors")
    tensors["logits/bias"] = np.zeros(5, np.float32)
    replace_weights(copy, tensors)
    with pytest.raises(CheckpointError, match=r"logits/bias is \(5,\) in the file and \(4,\) in model"):
        load_model(copy)
    del tensors["logits/bias"]
    replace_weights(copy, tensors)
    with pytest.raises(CheckpointError, match="logits/bias is missing in the file"):
        load_model(copy)


@pytest.mark.parametrize("name", ["recipe.json", "model.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_missing_or_truncated_file_is_named(copy, name, damage):
    path = copy / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises((CheckpointError, ConfigError), match=name):
        load_model(copy)


def test_layers_without_a_name_of_their_own_are_refused(tmp_path):
    import keras

    inner = [keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="same")], name="s") for _ in range(2)]
    inputs = keras.Input((2,))
    nested = keras.Model(inputs, inner[0](inputs))
    for weight in nested.weights:
        weight._path = "same/path"
    with pytest.raises(ConfigError, match="two weights under one path"):
        save_model(tmp_path, nested, toy.make_recipe(), toy.make_source().info)


def test_weights_with_one_bit_changed_are_refused(copy):
    path = copy / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="was changed or damaged: its sha256 differs"):
        load_model(copy)


def test_a_crash_before_the_new_weights_leaves_the_earlier_model(copy, monkeypatch):
    from kcnn import atomic

    model, recipe, info = load_model(copy)
    earlier = {path.name: path.read_bytes() for path in copy.iterdir()}
    kernel = model.get_layer("conv").kernel
    kernel.assign(kernel * 2)

    def crash(target, content):
        raise KeyboardInterrupt

    write = atomic.write_bytes
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write_bytes", lambda *a: (crash if a[0].name == "weights.safetensors" else write)(*a))
        with pytest.raises(KeyboardInterrupt):
            save_model(copy, model, recipe, info)
    assert (copy / "model.json").read_bytes() != earlier["model.json"]
    found = load_model(copy)[0].get_layer("conv").kernel
    np.testing.assert_array_equal(found, kernel / 2)
    save_model(copy, model, recipe, info)
    np.testing.assert_array_equal(load_model(copy)[0].get_layer("conv").kernel, kernel)


def test_a_run_cannot_ask_for_more_than_its_weights_hold(copy):
    """Ten thousand names of classes are 80 kB, and would make a closing layer before anything is compared."""
    record = json.loads((copy / "model.json").read_text())
    record["classes"] = [str(label) for label in range(10_000)]
    (copy / "model.json").write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match=r"it holds [\d,]+ numbers, recipe.json and model.json ask for [\d,]+\."):
        load_model(copy)


def test_links_out_of_the_folder_are_not_followed(copy, tmp_path_factory):
    place = tmp_path_factory.mktemp("elsewhere") / "weights.safetensors"
    (copy / "weights.safetensors").rename(place)
    (copy / "weights.safetensors").symlink_to(place)
    with pytest.raises(CheckpointError, match=r"is a link to .*outside its folder"):
        load_model(copy)


@pytest.mark.parametrize("name", ["recipe.json", "model.json"])
def test_deep_json_is_refused(copy, name):
    (copy / name).write_text('{"classes": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises((CheckpointError, ConfigError), match=rf"{name} is not JSON"):
        load_model(copy)
