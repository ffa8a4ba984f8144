"""Networks that are not ours: one of keras.applications, and a backbone inside a model, as KerasHub builds them."""

import keras
import numpy as np
import pytest
from keras import layers

from kcnn.adversarial import ATTACKS
from kcnn.adversarial.victim import Victim
from kcnn.errors import UnknownNameError
from kcnn.explain.core import find_row
from kcnn.explain.feature_maps import feature_maps
from kcnn.explain.gallery import default_layers, exhibit
from kcnn.explain.maximise import Ascent, maximise
from kcnn.explain.methods import METHODS, apply
from kcnn.explain.patches import top_patches
from kcnn.recipe import Preprocess
from kcnn.testing import family

pytestmark = pytest.mark.slow
SIDE, CLASSES = 48, 5
RECORD = Preprocess(size=(SIDE, SIDE), scale=1 / 127.5, mean=(1.0,) * 3, std=(1.0,) * 3)  # to -1..1
QUICK = {
    "fgsm": {},
    "bim": {"steps": 3},
    "pgd": {"steps": 3},
    "deepfool": {"steps": 3},
    "one_pixel": {"generations": 2, "population": 8},
}


def application():
    """MobileNetV2 of keras.applications, whose pixels must be brought to -1..1 first."""
    options = {"alpha": 0.35, "weights": None, "classes": CLASSES, "classifier_activation": None}
    model = keras.applications.MobileNetV2((SIDE, SIDE, 3), **options)
    family.formula_fill(model, 0.7)  # as initialised, its logits vanish; at 1, they jump within a pixel's step
    return model, "block_6_expand_relu"


def backbone():
    """A model inside a model inside a model: a task, its backbone, and a stage of it that is called twice."""
    keras.utils.set_random_seed(3)
    stage_input = keras.Input((None, None, 8), name="stage_input")
    x = layers.Conv2D(8, 3, padding="same", name="conv")(stage_input)
    stage = keras.Model(stage_input, layers.Add(name="add")([layers.ReLU(name="relu")(x), stage_input]), name="stage")
    image = keras.Input((None, None, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="stem")(image)
    x = layers.ReLU(name="last")(layers.Conv2D(8, 3, name="head")(stage(stage(x))))
    trunk = keras.Model(image, {"P1": x}, name="backbone")
    inputs = keras.Input((SIDE, SIDE, 3), name="images")
    x = layers.GlobalAveragePooling2D(name="pool")(trunk(inputs)["P1"])
    outputs = layers.Dense(CLASSES, name="logits")(layers.Dropout(0.3, name="drop")(x))
    return keras.Model(inputs, outputs, name="task"), "backbone/stem"


@pytest.fixture(scope="module", params=[application, backbone], ids=["keras.applications", "backbone"])
def network(request):
    return request.param()


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3)).astype("uint8")


@pytest.mark.parametrize("method", [name for name in METHODS if name != "score_cam"])
def test_every_method(network, pictures, method):
    model, layer = network
    before = model.get_weights()
    ready = pictures / 127.5 - 1
    found = apply(method, model, ready, [0, 1, 2], layer=layer, softmax=False, batch_size=2)
    assert found.shape[0] == 3
    assert found.ndim == (3 if METHODS[method].kind == "map" else 4)
    assert np.isfinite(found).all()
    assert np.ptp(found) > 0
    if model.name == "task" and method != "smooth_grad":  # whose noise is that of the place in the batch
        alone = apply(method, model, ready[1:2], 1, layer=layer, softmax=False)
        np.testing.assert_allclose(found[1], alone[0], rtol=1e-3, atol=1e-4 * np.abs(alone).max())
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_score_cam(network, pictures):
    model, layer = network
    found = apply("score_cam", model, pictures[:1] / 127.5 - 1, 0, layer=layer)
    assert found.max() > 0


def test_inner_layers_have_the_names_of_the_models_around_them(pictures):
    model, _ = backbone()
    trunk = model.get_layer("backbone")
    part = keras.Model(trunk.input, trunk.get_layer("stem").output)
    ready = (pictures / 127.5 - 1).astype("float32")
    found = feature_maps(model, ready, "backbone/stem")
    assert list(found) == ["backbone/stem"]
    np.testing.assert_allclose(found["backbone/stem"], part(ready), rtol=1e-5, atol=1e-6)
    with pytest.raises(UnknownNameError, match=r"unknown layer 'backbone/stm'\. Did you mean 'backbone/stem'"):
        find_row(model, "backbone/stm")
    assert default_layers(model)[-1] == "backbone/last"


def test_patches_maximised_inputs_and_the_gallery(network, pictures):
    model, layer = network
    prepare = lambda batch: batch / 127.5 - 1  # noqa: E731
    found = top_patches(model, pictures, layer, count=2, channels=[0, 3], prepare=prepare)
    assert sorted(found) == [0, 3]
    assert all(patches[0].value >= patches[1].value for patches in found.values())
    _, scores = maximise(model, 1, ascent=Ascent(steps=12, jitter=2))
    assert scores[0, -1] > scores[0, 0]
    shown = exhibit(model, pictures, layer, prepare=prepare, channels=2)
    assert shown.layer == layer
    assert len(shown.patches) == 2


@pytest.mark.parametrize("method", QUICK)
def test_attacks_stay_in_pixels(network, pictures, method):
    model, _ = network
    victim = Victim(model, RECORD)
    np.testing.assert_allclose(victim.logits(pictures), model.predict(pictures / 127.5 - 1, verbose=0), atol=1e-4)
    result = ATTACKS.get(method)(victim.aim(pictures), **QUICK[method])
    assert result.is_uint8
    again = model.predict(result.images / 127.5 - 1, verbose=0)
    np.testing.assert_array_equal(result.after.argmax(-1), again.argmax(-1))
    if method in ("fgsm", "bim", "pgd"):
        label = result.labels[:, None]
        gone = np.take_along_axis(result.after, label, 1) < np.take_along_axis(result.before, label, 1)
        assert gone.all()
        assert 0 < result.norms()["linf"].max() <= 8
