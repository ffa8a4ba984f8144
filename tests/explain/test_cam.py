"""The CAM family: closed forms on networks that pool and weigh, captum's Grad-CAM, and the sanity check."""

import keras
import numpy as np
import pytest
from keras import layers

from kcnn.errors import ConfigError, ShapeError, UnknownNameError
from kcnn.explain.cam import cam
from kcnn.explain.grad_cam import grad_cam
from kcnn.explain.grad_cam_plus import grad_cam_plus
from kcnn.explain.layer_cam import layer_cam
from kcnn.explain.saliency import saliency
from kcnn.explain.sanity import randomised, sanity_check
from kcnn.explain.score_cam import score_cam
from kcnn.testing import formula
from tests.explain import nets

GRADIENT = [grad_cam, grad_cam_plus, layer_cam]
ALL = [cam, *GRADIENT, score_cam]


@pytest.fixture
def parts():
    """The twin's last maps A (N, h, w, K) and the closing weights of each target (N, K)."""
    model = nets.twin()
    maps = keras.Model(model.inputs[0], model.get_layer("4").output)(nets.images()).numpy()
    return model, maps, model.get_layer("7").get_weights()[0].T[nets.TARGETS]


def test_closed_forms_on_a_network_that_pools_and_weighs(parts):
    # score = sum_k W_kc mean(A_k) + b: every slope dscore/dA_k is W_kc / (h w).
    model, maps, weights = parts
    slopes = weights[:, None, None] / (maps.shape[1] * maps.shape[2])
    images, targets = nets.images(), nets.TARGETS
    weighted = (maps * weights[:, None, None]).sum(-1)
    np.testing.assert_allclose(cam(model, images, targets), weighted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        cam(model, images, targets).mean(axis=(1, 2)) + model.get_layer("7").get_weights()[1][targets],
        model(images).numpy()[[0, 1], targets],
        rtol=1e-5,
    )
    expected = np.maximum((maps * slopes).sum(-1), 0)
    np.testing.assert_allclose(grad_cam(model, images, targets), expected, rtol=1e-5, atol=1e-7)
    expected = np.maximum((maps * np.maximum(slopes, 0)).sum(-1), 0)
    np.testing.assert_allclose(layer_cam(model, images, targets), expected, rtol=1e-5, atol=1e-7)
    assert expected.max() > 0.01


def test_grad_cam_plus_is_equation_19(parts):
    model, maps, weights = parts
    expected = []
    for a, w in zip(maps.astype("float64"), weights.astype("float64"), strict=True):
        g = np.broadcast_to(w / a[..., 0].size, a.shape)
        alpha = g**2 / (2 * g**2 + a.sum((0, 1)) * g**3)
        expected.append(np.maximum((a * (alpha * np.maximum(g, 0)).sum((0, 1))).sum(-1), 0))
    np.testing.assert_allclose(grad_cam_plus(model, nets.images(), nets.TARGETS), expected, rtol=1e-4, atol=1e-6)


def test_equal_to_captum():
    found = grad_cam(nets.twin(), nets.images(), nets.TARGETS, layer="4")
    nets.assert_captums(found, "grad_cam")


def test_score_cam_is_its_algorithm(parts):
    model, maps, _ = parts
    images, expected = nets.images(), []
    for image, a, target in zip(images, maps, nets.TARGETS, strict=True):
        scores = []
        for channel in np.moveaxis(a, -1, 0):
            seen = keras.ops.image.resize(channel[..., None], (14, 14)).numpy()
            seen = (seen - seen.min()) / max(np.ptp(seen), 1e-12)
            scores.append(model((image * seen)[None]).numpy()[0, target])
        shares = np.exp(scores) / np.exp(scores).sum()
        expected.append((a * shares).sum(-1))
    for batch_size in (1, 4, 100):
        found = score_cam(model, images, nets.TARGETS, batch_size=batch_size)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ALL)
def test_a_batch_equals_its_images(method):
    model, images = nets.twin(), formula.images((14, 14, 3), 5)
    one_by_one = np.concatenate([method(model, images[at : at + 1]) for at in range(5)])
    np.testing.assert_allclose(method(model, images, batch_size=3), one_by_one, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", [*GRADIENT, score_cam])
def test_any_layer_with_maps_and_no_other(method):
    model, images = nets.twin(), nets.images()
    assert method(model, images, 1, layer="2").shape == (2, 6, 6)
    with pytest.raises(ConfigError, match=r"'5' has no spatial extent.*Layers with maps: 0, 1, 2, 3, 4"):
        method(model, images, 1, layer="5")
    with pytest.raises(UnknownNameError, match="unknown layer 'conv'"):
        method(model, images, 1, layer="conv")


@pytest.mark.parametrize("method", [*GRADIENT, score_cam])
def test_nested_models_are_opened(method):
    twin, inputs = nets.twin(), keras.Input((14, 14, 3))
    outer = keras.Model(inputs, twin(inputs))
    found = method(outer, nets.images(), nets.TARGETS, layer=f"{twin.name}/4")
    np.testing.assert_allclose(found, method(twin, nets.images(), nets.TARGETS), rtol=1e-5, atol=1e-7)


def test_cam_needs_its_ending():
    def net(*ending):
        return keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(3, 3), *ending])

    pool, dense = layers.GlobalAveragePooling2D, layers.Dense
    for good in (
        net(pool(), layers.Dropout(0.5), dense(2, activation="softmax")),
        net(pool(), dense(2), layers.Softmax()),
        net(pool(keepdims=True), layers.Flatten(), dense(2)),
    ):
        assert cam(good, np.ones((1, 8, 8, 1)), 0).shape == (1, 6, 6)
    for bad in (net(layers.Flatten(), dense(2)), net(pool()), net(pool(), dense(4), dense(2)), net(layers.ReLU())):
        with pytest.raises(ConfigError, match="does not end in global average pooling"):
            cam(bad, np.ones((1, 8, 8, 1)), 0)


def test_sanity_check_tells_the_network_from_the_image():
    model, images = nets.twin(), nets.images()
    before = model.get_weights()
    for method in (grad_cam, layer_cam, saliency):
        assert sanity_check(method, model, images, 1).max() < 0.9
    blind = lambda model, images, target: np.abs(images)  # noqa: E731  an edge detector, as in figure 1 of the paper
    np.testing.assert_allclose(sanity_check(blind, model, images, 1), 1)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    shuffled = randomised(model, 1).get_weights()
    assert all(np.array_equal(np.sort(a.ravel()), np.sort(b.ravel())) for a, b in zip(before, shuffled, strict=True))
    assert not np.array_equal(before[0], shuffled[0])


def test_maps_of_another_number_are_not_compared():
    model, images = nets.twin(), nets.images()
    for given in (np.ones((14, 14)), np.ones((1, 14, 14)), np.ones(2)):
        with pytest.raises(ShapeError, match="must give a map for each of 2 images"):
            sanity_check(lambda *_, given=given: given, model, images, 1)
    maps = iter([np.ones((2, 14, 14)), np.ones((2, 7, 7))])
    with pytest.raises(ShapeError, match="alike for both networks"):
        sanity_check(lambda *_: next(maps), model, images, 1)
    with pytest.raises(ConfigError, match="maps must be finite"):
        sanity_check(lambda *_: np.full((2, 14, 14), np.nan), model, images, 1)


def test_the_layer_is_named_where_no_slope_comes():
    nothing = lambda outputs: keras.ops.ones((2,))  # noqa: E731
    with pytest.raises(ConfigError, match="layer '4', the last with maps: no gradient"):
        grad_cam(nets.twin(), nets.images(), nothing)
    for layer in ("3", 3):
        with pytest.raises(ConfigError, match="layer '3': no gradient"):
            grad_cam(nets.twin(), nets.images(), nothing, layer=layer)


def test_the_sanity_check_compares_ranks():
    model, images = nets.twin(), nets.images()
    maps = iter([np.linspace(0, 1, 50).reshape(2, 25), np.linspace(0, 1, 50).reshape(2, 25) ** 9])
    np.testing.assert_allclose(sanity_check(lambda *given: next(maps), model, images, 1), 1)
