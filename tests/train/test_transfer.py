"""Learning on top of weights that are there: the head alone, the slower trunk, and the recipe that does both."""

import dataclasses

import keras
import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

import kcnn
from kcnn import recipe as r
from kcnn.errors import ConfigError, DataError, TrainingError, WeightsError
from kcnn.testing.family import formula_fill
from kcnn.train import transfer
from kcnn.train.progress import Plain
from kcnn.train.run import train
from kcnn.train.transfer import fit_head, hold_norms
from kcnn.train.weights import load_run

pytestmark = pytest.mark.slow


def blobs(count=96):
    """Bright and dark images: the mean tells the class, so a linear head on any features learns it."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    images = rng.normal(labels[:, None, None, None] * 2 - 1, 0.3, (count, 32, 32, 3)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(32), images, labels


def test_head_alone_learns_and_the_rest_stays():
    data, images, labels = blobs()
    model = kcnn.build("tiny_resnet", num_classes=2, image_shape=(32, 32, 3))
    formula_fill(model)
    before = {w.path: np.asarray(w).copy() for w in model.weights}
    history = fit_head(model, data, epochs=200)
    assert history["loss"][-1] < history["loss"][0]
    assert (np.argmax(model.predict(images, verbose=0), 1) == labels).mean() > 0.95
    moved = {w.path for w in model.weights if not np.array_equal(before[w.path], np.asarray(w))}
    assert moved == {"logits/kernel", "logits/bias"}


def test_head_alone_repeats():
    data, *_ = blobs()
    heads = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        model = kcnn.build("tiny_resnet", num_classes=2, image_shape=(32, 32, 3))
        fit_head(model, data, epochs=2, seed=3)
        heads.append(model.layers[-1].get_weights()[0])
    np.testing.assert_array_equal(*heads)


def test_a_model_that_ends_otherwise_is_refused():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="maps")(inputs))
    with pytest.raises(ConfigError, match="ends in 'maps'"):
        fit_head(model, blobs()[0])


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_slow_trunk_moves_each_part_at_its_rate(kind):
    # one step of plain SGD moves by rate * gradient; the trunk by a tenth of that
    moves = {}
    for share in (1.0, 0.1):
        model = kcnn.build("tiny_resnet", num_classes=2, image_shape=(32, 32, 3))
        formula_fill(model)
        plain = keras.optimizers.SGD(0.1) if kind == "sgd" else keras.optimizers.AdamW(0.1, weight_decay=0.0)
        model.compile(kcnn.slow_trunk(plain, share), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        before = {w.path: np.asarray(w).copy() for w in model.trainable_weights}
        _, images, labels = blobs(32)
        model.train_on_batch(images, labels)
        moves[share] = {w.path: np.asarray(w) - before[w.path] for w in model.trainable_weights}
    np.testing.assert_allclose(moves[0.1]["logits/kernel"], moves[1.0]["logits/kernel"], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(moves[0.1]["stem/kernel"], 0.1 * moves[1.0]["stem/kernel"], rtol=1e-2, atol=1e-5)
    assert np.abs(moves[1.0]["stem/kernel"]).max() > 1e-4


@pytest.mark.parametrize("make", [keras.optimizers.AdamW, keras.optimizers.SGD])
def test_a_share_of_0_freezes_the_trunk_even_with_weight_decay(make):
    model = kcnn.build("tiny_resnet", num_classes=2, image_shape=(32, 32, 3))
    slow = kcnn.slow_trunk(make(0.1, weight_decay=0.1), 0.0)
    model.compile(slow, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = {w.path: np.asarray(w).copy() for w in model.trainable_weights}
    _, images, labels = blobs(32)
    model.train_on_batch(images, labels)
    moved = {w.path for w in model.trainable_weights if not np.array_equal(before[w.path], np.asarray(w))}
    assert moved == {"logits/kernel", "logits/bias"}


def test_slow_trunk_refuses_what_cannot_work():
    with pytest.raises(ConfigError, match=r"share is 1\.5"):
        kcnn.slow_trunk(keras.optimizers.SGD(), 1.5)
    built = keras.optimizers.SGD()
    built.build([keras.Variable(np.zeros(2))])
    with pytest.raises(ConfigError, match="built already"):
        kcnn.slow_trunk(built, 0.1)


@pytest.mark.parametrize(
    ("epochs", "change", "error", "message"),
    [
        (0, lambda x, y: (x, y), ConfigError, "epochs is 0"),
        (1, lambda x, y: (x, y + 5), DataError, r"labels must be whole numbers in 0\.\.1"),
        (1, lambda x, y: (x, y + 0.5), DataError, "labels must be whole numbers"),
        (1, lambda x, y: (x * np.nan, y), TrainingError, "not finite"),
        (1, lambda x, y: (x[:0], y[:0]), DataError, "no batch of data"),
    ],
)
def test_what_a_head_cannot_learn_from(epochs, change, error, message):
    _, images, labels = blobs(8)
    model = kcnn.build("tiny_resnet", num_classes=2, image_shape=(32, 32, 3))
    data = tf.data.Dataset.from_tensor_slices(change(images, labels)).batch(4)
    with pytest.raises(error, match=message):
        fit_head(model, data, epochs=epochs)


def test_norms_are_held_before_compile_and_in_inner_networks():
    inner = kcnn.build("tiny_resnet", num_classes=2, image_shape=(32, 32, 3))
    outer = keras.Sequential([keras.Input((32, 32, 3)), inner])
    hold_norms(outer)
    assert not inner.get_layer("stem_bn").trainable
    outer.compile("sgd", "mse")
    with pytest.raises(ConfigError, match="before `compile`"):
        hold_norms(outer)


def test_held_norms_do_not_move():
    model = kcnn.build("tiny_resnet", num_classes=2, image_shape=(32, 32, 3))
    hold_norms(model)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    _, images, labels = blobs(32)
    before = model.get_layer("stem_bn").get_weights()
    model.train_on_batch(images, labels)
    for old, new in zip(before, model.get_layer("stem_bn").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def small(weights, **changes):
    return r.Recipe(
        name="transfer",
        data=r.Data(source="digits", limit=64, validation=0.25),
        preprocess=r.Preprocess(size=(32, 32)),
        model=r.Model(name="tiny_resnet", weights=str(weights)),
        train=r.Train(**{"epochs": 1, "batch_size": 16, "trunk_rate": 0.0, "head_epochs": 5, **changes}),
    )


def test_recipe_starts_from_the_weights_and_can_be_read_without_them(tmp_path):
    source = kcnn.build("tiny_resnet", num_classes=7, image_shape=(32, 32, 3))
    formula_fill(source)
    file = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file({w.path: np.asarray(w) for w in source.weights}, file)
    folder = train(small(file), tmp_path / "run")
    file.unlink()
    model, *_ = load_run(folder)
    for layer in ("stem", "stem_bn", "stage5_block1_conv3"):  # trunk_rate 0: nothing but the head has moved
        for mine, theirs in zip(
            model.get_layer(layer).get_weights(), source.get_layer(layer).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
    assert model.output_shape == (None, 10)


def test_weights_that_are_missing_stop_the_run_before_a_step(tmp_path):
    with pytest.raises(WeightsError, match="there is no weights file"):
        train(small(tmp_path / "nowhere.h5"), tmp_path / "run")
    assert not list((tmp_path / "run" / "checkpoints").glob("*"))


def test_smoke_forms_need_no_weights():
    full = dataclasses.replace(small("imagenet"), name="x")
    assert r.smoke(full, model="tiny_mobilenet_v2").model.weights == ""


def test_pixels_other_than_the_weights_saw_are_warned_of(capsys):
    recipe = r.Recipe(name="pixels", model=r.Model(name="lenet5"), preprocess=r.Preprocess(size=(28, 28)))
    seen = r.Preprocess(size=(32, 32), scale=1.0, mean=(127.0,), std=(128.0,))
    transfer._check_pixels(recipe, seen, Plain())
    assert "these weights saw 1, (127.0,), (128.0,), rgb" in capsys.readouterr().err
    transfer._check_pixels(recipe, r.Preprocess(size=(32, 32)), Plain())  # another size is no other scale
    assert not capsys.readouterr().err
