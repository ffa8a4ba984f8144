"""SqueezeNet: its fire modules, its poolings, its sizes."""

import keras
import numpy as np
import pytest

import kcnn
from kcnn.errors import ConfigError, ShapeError
from kcnn.models.common import ceil_max_pool
from kcnn.ops.cost import ledger
from kcnn.testing import formula


def test_fire_modules():
    # Iandola 2016, table 1: squeezed to 16, 32, 48, 64 maps, expanded to 64 ... 256 of each kernel
    model = kcnn.build("squeezenet1_1")
    squeezed = [layer.filters for layer in model.layers if layer.name.endswith("_squeeze")]
    assert squeezed == [16, 16, 32, 32, 48, 48, 64, 64]
    expanded = [model.get_layer(f"fire{k}").output.shape[-1] for k in range(2, 10)]
    assert expanded == [128, 128, 256, 256, 384, 384, 512, 512]
    assert [model.get_layer(f"fire{k}_expand3").kernel_size for k in (2, 9)] == [(3, 3), (3, 3)]


def test_multiply_adds_of_the_smaller_version():
    # 349 M at 224 for version 1.1, against 837 M for 1.0: 2.4 times fewer, as its authors say
    macs = sum(row.macs for row in ledger(kcnn.build("squeezenet1_1", image_shape=(224, 224, 3))))
    assert macs == pytest.approx(349e6, rel=0.01)


@pytest.mark.parametrize(("side", "after"), [(9, 4), (10, 5), (3, 1), (4, 2)])
def test_pooling_rounds_up(side, after):
    # Caffe and PyTorch's ceil_mode: ceil((side - 3) / 2) + 1 cells
    inputs = keras.Input((side, side, 2))
    model = keras.Model(inputs, ceil_max_pool(inputs, 3, "pool"))
    x = np.abs(formula.images((side, side, 2)))
    expected = np.stack(
        [[x[:, i * 2 : i * 2 + 3, j * 2 : j * 2 + 3].max((1, 2)) for j in range(after)] for i in range(after)]
    )
    assert model.output_shape == (None, after, after, 2)
    np.testing.assert_array_equal(model(x), expected.transpose(2, 0, 1, 3))


def test_the_last_layers_pool_the_class_maps():
    layers = kcnn.build("tiny_squeezenet", num_classes=4).layers
    assert [layer.name for layer in layers[-4:]] == ["dropout", "logits", "logits_relu", "pool"]
    assert layers[-3].kernel_size == (1, 1)


@pytest.mark.parametrize("side", [17, 18, 33])
def test_smallest_sizes(side):
    model = kcnn.build("tiny_squeezenet", num_classes=2)
    assert np.isfinite(model(formula.images((side, side, 3)))).all()


def test_bad_arguments_are_explained():
    with pytest.raises(ShapeError, match="at least 17x17"):
        kcnn.build("squeezenet1_1", image_shape=(16, 17, 3))
    with pytest.raises(ConfigError, match="num_classes is 0"):
        kcnn.build("squeezenet1_1", num_classes=0)
