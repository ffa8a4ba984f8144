"""VGG: structure, twins of keras.applications, dense layers as convolutions, dilation in place of pooling."""

import keras
import numpy as np
import pytest

import kcnn
from kcnn.errors import ConfigError, ShapeError
from kcnn.models import vgg
from kcnn.ops.cost import ledger, totals
from kcnn.testing import formula
from kcnn.testing.family import formula_fill
from tests.models import twins


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
@pytest.mark.parametrize("suffix", ["", "_bn"])
def test_depth_is_the_one_in_the_name(depth, suffix):
    spec = vgg.SPECS[f"vgg{depth}{suffix}"]
    assert sum(spec.repeats) + 3 == depth
    assert spec.normalise == bool(suffix)


@pytest.mark.slow
def test_vgg16_layer_by_layer():
    # Simonyan 2014, table 1: each block halves the size and all kernels are 3x3; sums of (9 maps + 1) filters over
    # the layers, and for multiply-adds of 9 maps * filters * places
    model = kcnn.build("vgg16")
    pools = [layer.output.shape[1:] for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert pools == [(112, 112, 64), (56, 56, 128), (28, 28, 256), (14, 14, 512), (7, 7, 512)]
    assert {layer.kernel_size for layer in model.layers if isinstance(layer, keras.layers.Conv2D)} == {(3, 3)}
    rows = ledger(model)
    assert totals(rows)["trainable"] == 138_357_544
    assert totals(rows)["macs"] == 15_470_264_320  # 15,346,630,656 in convolutions and 123,633,664 in dense layers
    assert sum(row.trainable for row in rows if row.name in ("fc6", "fc7", "logits")) == 123_642_856


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "twin", "side"), [("vgg16", "VGG16", 224), ("vgg16", "VGG16", 97), ("vgg19", "VGG19", 96)]
)
def test_equals_keras_applications(name, twin, side):
    twins.assert_equals_keras(
        name, getattr(keras.applications, twin)(weights=None, input_shape=(side, side, 3), classifier_activation=None)
    )


@pytest.mark.parametrize("name", ["vgg11", "vgg16_bn"])
def test_names_of_torchvision(name):
    # the first, a middle and the last convolution as torchvision 0.29 lists them
    from kcnn.weights.tables.vgg import torchvision
    from kcnn.weights.transplant import rename

    names = {
        "vgg11": ("features.0", "features.8", "features.18"),
        "vgg16_bn": ("features.0", "features.17", "features.40"),
    }
    layers = {
        "vgg11": ("block1_conv1", "block3_conv2", "block5_conv2"),
        "vgg16_bn": ("block1_conv1", "block3_conv2", "block5_conv3"),
    }
    assert tuple(rename(layer, "kernel", torchvision(name))[0] for layer in layers[name]) == names[name]


@pytest.fixture(scope="module")
def tiny():
    model = kcnn.build("tiny_vgg", num_classes=5)
    formula_fill(model)
    return model


def test_dense_layers_as_convolutions_give_the_same_logits(tiny):
    wide, images = vgg.fully_convolutional(tiny), formula.images((64, 64, 3))
    scores = np.asarray(wide(images))
    assert scores.shape == (2, 1, 1, 5)
    np.testing.assert_allclose(scores[:, 0, 0], tiny(images), rtol=1e-5, atol=1e-5)


def test_convolutional_form_slides_the_dense_network(tiny):
    # scores stand 32 pixels apart; inside, where the window's padding does not matter, they are those of the whole map
    wide = vgg.fully_convolutional(tiny)
    scores = np.asarray(wide(formula.images((160, 128, 3))))
    assert scores.shape == (2, 4, 3, 5)
    last = keras.Model(wide.input, wide.get_layer("block5_pool").output)(formula.images((160, 128, 3)))
    inputs = keras.Input(tiny.get_layer("block5_pool").output.shape[1:])
    x = inputs
    for layer in ("flatten", "fc6", "fc6_relu", "fc7", "fc7_relu", "logits"):
        x = tiny.get_layer(layer)(x)
    head = keras.Model(inputs, x)
    for row, column in np.ndindex(4, 3):
        window = np.asarray(last)[:, row : row + 2, column : column + 2]
        np.testing.assert_allclose(scores[:, row, column], head(window), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_vgg16_as_convolutions_at_its_own_size():
    # Long 2014 (1411.4038), section 3.1: the 7x7 and 1x1 kernels are the dense weights themselves
    keras.utils.set_random_seed(1)
    model = kcnn.build("vgg16", num_classes=3)
    wide, images = vgg.fully_convolutional(model), formula.images((224, 224, 3), count=1)
    assert wide.get_layer("fc6").kernel.shape == (7, 7, 512, 4096)
    twins.assert_close(np.asarray(wide(images)).reshape(3, 1), np.asarray(model(images)).reshape(3, 1), 1e-5)


def test_convolutional_head_keeps_the_size_when_told():
    inputs = keras.Input((64, 96, 3))
    spec = vgg.SPECS["tiny_vgg"]
    head = vgg.convolutional_head(vgg.features(inputs, spec)["C5"], spec, 4, padding="same")
    assert head.shape == (None, 2, 3, 4)


@pytest.mark.parametrize("output_stride", [16, 8])
def test_dilation_keeps_weights_and_values(tiny, output_stride):
    # Chen 2016 (1606.00915), section 3.1: the dense map holds the sparse one at every second (fourth) place
    spec, inputs, images = vgg.SPECS["tiny_vgg"], keras.Input((96, 64, 3)), formula.images((96, 64, 3))
    sparse, dense = (keras.Model(inputs, vgg.features(inputs, spec, stride)["C5"]) for stride in (32, output_stride))
    trunk = [w for layer in tiny.layers if layer.name.startswith("block") for w in layer.get_weights()]
    sparse.set_weights(trunk)
    dense.set_weights(trunk)
    step = 32 // output_stride
    found = np.asarray(dense(images))
    assert found.shape[1:3] == (96 // output_stride, 64 // output_stride)
    np.testing.assert_allclose(found[:, ::step, ::step], sparse(images), rtol=1e-5, atol=1e-5)


def test_three_3x3_see_as_much_as_one_7x7_for_55_percent():
    # Simonyan 2014, section 2.3: 3 * 3 * 3 C^2 = 27 C^2 against 7 * 7 C^2 = 49 C^2 weights
    inputs = keras.Input((32, 32, 16))
    x = inputs
    for _ in range(3):
        x = keras.layers.Conv2D(16, 3, use_bias=False)(x)
    stack = keras.Model(inputs, x)
    one = keras.Model(inputs, keras.layers.Conv2D(16, 7, use_bias=False)(inputs))
    assert stack.output_shape == one.output_shape
    assert stack.count_params() / one.count_params() == pytest.approx(27 / 49)


@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        ("vgg16", {"image_shape": (31, 224, 3)}, ShapeError, "at least 32x32"),
        ("vgg16", {"image_shape": (None, None, 3)}, ShapeError, "flattens"),
        ("tiny_vgg", {"num_classes": -1}, ConfigError, "num_classes is -1"),
    ],
)
def test_bad_arguments_are_explained(name, arguments, error, message):
    with pytest.raises(error, match=message):
        kcnn.build(name, **arguments)


def test_another_network_as_convolutions_is_refused():
    with pytest.raises(ConfigError, match=r"the model is 'lenet5' but must be one of kcnn"):
        vgg.fully_convolutional(kcnn.build("lenet5"))
    with pytest.raises(ConfigError, match="output_stride is 4"):
        vgg.features(keras.Input((64, 64, 3)), vgg.SPECS["tiny_vgg"], 4)
