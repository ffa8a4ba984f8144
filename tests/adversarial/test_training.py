"""Adversarial training: the loss by hand, `fit`, resume bit for bit, export, and nothing changes when it is off."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from kcnn import recipe as r
from kcnn.adversarial.training import Hardened
from kcnn.data import open_source
from kcnn.errors import ConfigError, ShapeError
from kcnn.models import build
from kcnn.tasks import TASKS
from kcnn.tasks.classification.config import ClassificationConfig
from kcnn.train.run import train
from kcnn.train.weights import load_run

COLOUR = r.Preprocess(size=(6, 6), scale=1 / 255, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.5), channel_order="bgr")
TASK = TASKS.get("classification")


def hardened(method, eps=20.0, record=COLOUR):
    inputs = keras.Input(record.image_shape, name="images")
    x = keras.layers.Flatten(name="flatten")(inputs)
    model = Hardened(inputs, keras.layers.Dense(3, name="logits")(x), name="net")
    model.train_against(method, eps, record)
    model.compile(keras.optimizers.SGD(0.01), keras.losses.CategoricalCrossentropy(from_logits=True))
    return model


@pytest.fixture
def batch(random):
    pixels = random.integers(0, 256, (5, 6, 6, 3)).astype("float32")
    inputs = (pixels / 255 - np.array(COLOUR.mean)) / np.array(COLOUR.std)
    return inputs.astype("float32"), np.eye(3, dtype="float32")[[0, 1, 2, 1, 0]]


def cross_entropy(model, inputs, targets):
    return float(keras.losses.CategoricalCrossentropy(from_logits=True)(targets, model(inputs)))


def corner(model, inputs, targets, eps):
    """The worst image of a linear network within eps, by its own formula, in the units of the weights."""
    kernel = model.get_layer("logits").kernel.numpy()
    slope = ((tf.nn.softmax(model(inputs)) - targets).numpy() @ kernel.T).reshape(inputs.shape)
    low, high = (0 - np.array(COLOUR.mean)) / COLOUR.std, (1 - np.array(COLOUR.mean)) / COLOUR.std
    step = eps / 255 / np.array(COLOUR.std)
    return np.clip(inputs + step * np.sign(slope), low, high).astype("float32")


def test_fgsm_loss_is_the_mean_of_clean_and_attacked(batch):
    model, (inputs, targets) = hardened("fgsm"), batch
    clean, worst = (cross_entropy(model, x, targets) for x in (inputs, corner(model, inputs, targets, 20)))
    found = model.compute_loss(inputs, targets, model(inputs), training=True)
    assert float(found) == pytest.approx((clean + worst) / 2, rel=1e-4)
    assert worst > clean + 0.1


def test_pgd_trains_on_images_within_eps_as_bad_as_the_corner(batch):
    model, (inputs, targets) = hardened("pgd"), batch
    clean, worst = (cross_entropy(model, x, targets) for x in (inputs, corner(model, inputs, targets, 20)))
    found = float(model.compute_loss(inputs, targets, model(inputs), training=True))
    assert found > clean + 0.9 * (worst - clean)  # several steps may find a worse corner than one
    moved = (model._attacked(inputs, targets) - inputs) * np.array(COLOUR.std) * 255
    assert 19.9 < np.abs(moved).max() < 20.01


def test_evaluation_and_an_untold_model_have_the_plain_loss(batch):
    model, (inputs, targets) = hardened("pgd"), batch
    plain = cross_entropy(model, inputs, targets)
    assert float(model.compute_loss(inputs, targets, model(inputs), training=False)) == pytest.approx(plain)
    model.attack = None
    assert float(model.compute_loss(inputs, targets, model(inputs), training=True)) == pytest.approx(plain)


def recipe(method, epochs=2):
    return r.Recipe(
        name="hard",
        data=r.Data(limit=96),
        preprocess=r.Preprocess(size=(28, 28), mean=(0.305,), std=(0.37,), channel_order="gray"),
        model=r.Model(name="tiny_lenet5"),
        config=ClassificationConfig(adversarial=method, adversarial_eps=30.0),
        train=r.Train(epochs=epochs, batch_size=32, learning_rate=0.02),
    )


def test_the_switch_chooses_the_model():
    info = open_source("digits").info
    assert type(TASK.model(recipe("none"), info)) is type(build("tiny_lenet5"))
    model = TASK.model(recipe("fgsm"), info)
    assert isinstance(model, Hardened)
    assert model.attack[:2] == ("fgsm", 30.0)
    assert [layer.name for layer in model.layers] == [layer.name for layer in build("tiny_lenet5").layers]


@pytest.mark.parametrize("eps", [-1.0, 256.0])
def test_eps_out_of_range(eps):
    with pytest.raises(ConfigError, match="adversarial_eps"):
        ClassificationConfig(adversarial="pgd", adversarial_eps=eps)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("bim", 8.0, COLOUR), ConfigError, "one of fgsm, pgd"),
        ((None, 8.0, COLOUR), ConfigError, "one of fgsm, pgd"),
        (("pgd", -1.0, COLOUR), ConfigError, "eps is -1"),
        (("pgd", float("nan"), COLOUR), ConfigError, "eps is nan"),
        (("pgd", True, COLOUR), ConfigError, "eps is True"),
        (("pgd", 256, COLOUR), ConfigError, "must lie in 0..255"),
        (("pgd", 8.0, None), ConfigError, "must be a kcnn.recipe.Preprocess"),
        (("pgd", 8.0, dataclasses.replace(COLOUR, size=(5, 6))), ShapeError, r"images \(5, 6, 3\) but the network"),
    ],
)
def test_settings_that_cannot_work(arguments, error, said):
    model = hardened("pgd")
    with pytest.raises(error, match=said):
        model.train_against(*arguments)
    assert model.attack == ("pgd", 20.0, COLOUR)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_a_run_resumes_to_the_same_weights_and_exports(tmp_path, method):
    whole, _, _ = load_run(train(recipe(method), tmp_path / "whole"))
    broken = dataclasses.replace(recipe(method), train=dataclasses.replace(recipe(method).train, max_minutes=1e-6))
    train(broken, tmp_path / "broken")
    resumed, _, _ = load_run(train(recipe(method), tmp_path / "broken"))
    for one, other in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)
    images = np.random.default_rng(0).normal(size=(3, 28, 28, 1)).astype("float32")
    whole.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(loaded.serve(images), whole(images), atol=1e-5)


def test_a_hardened_model_is_saved_as_any_other(tmp_path, batch):
    model = hardened("fgsm")
    model.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_allclose(again(batch[0]), model(batch[0]), atol=1e-6)
