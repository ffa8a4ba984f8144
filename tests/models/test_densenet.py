"""DenseNets: the table's arithmetic, dense connections, twins of keras.applications."""

import keras
import numpy as np
import pytest

import kcnn
from kcnn.models import densenet
from kcnn.testing import formula
from kcnn.testing.family import formula_fill
from tests.models import twins


@pytest.mark.parametrize("name", sorted(densenet.SPECS))
def test_parameters_by_arithmetic(name):
    # Huang 2016, section 3: a layer on c maps has 2c + 4kc + 2(4k) + 9(4k)k weights, a transition 2c + c * c/2
    spec = densenet.SPECS[name]
    k, c = spec.growth, spec.stem_width
    total = 7 * 7 * 3 * c + 2 * c
    for stage, repeats in enumerate(spec.repeats):
        if stage:
            total += 2 * c + c * (c // 2)
            c //= 2
        for _ in range(repeats):
            total += 2 * c + 4 * k * c + 8 * k + 36 * k * k
            c += k
    assert spec.params == total + 2 * c + (c + 1) * 1000


@pytest.mark.slow
@pytest.mark.parametrize(("name", "depth"), [("densenet121", 121), ("densenet169", 169), ("densenet161", 161)])
def test_depth_is_the_one_in_the_name(name, depth):
    model = kcnn.build(name)
    assert sum(isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)) for layer in model.layers) == depth
    if name == "densenet121":
        assert model.count_params() == 8_062_504  # with BN statistics, as keras.applications counts


def test_map_counts_are_those_of_the_paper():
    # table 1, k=32: 64 + 6*32 = 256, 128 + 12*32 = 512, 256 + 24*32 = 1024, 512 + 16*32 = 1024
    levels = densenet.features(keras.Input((224, 224, 3)), densenet.SPECS["densenet121"])
    assert {level: tensor.shape[1:] for level, tensor in levels.items()} == {
        "C1": (112, 112, 64), "C2": (56, 56, 256), "C3": (28, 28, 512), "C4": (14, 14, 1024), "C5": (7, 7, 1024),
    }  # fmt: skip


def test_a_layer_keeps_what_it_saw():
    inputs = keras.Input((8, 8, 5))
    model = keras.Model(inputs, densenet.dense_layer(inputs, 3, 1, "layer"))
    formula_fill(model)
    images = formula.images((8, 8, 5))
    found = np.asarray(model(images))
    assert found.shape[-1] == 5 + 3
    np.testing.assert_array_equal(found[..., :5], images)


@pytest.mark.parametrize("output_stride", [16, 8])
def test_strided_maps_are_samples_of_the_dilated_ones(output_stride):
    # an even size: at 65 the unpadded 2x2 average of the strided form drops a row that the dilated one keeps
    twins.assert_dilation_samples(densenet.features, densenet.SPECS["tiny_densenet"], output_stride, side=64)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "twin", "side"),
    [
        ("densenet121", "DenseNet121", 224), ("densenet121", "DenseNet121", 97),
        ("densenet169", "DenseNet169", 96), ("densenet201", "DenseNet201", 97),
    ],
)  # fmt: skip
def test_equals_keras_applications(name, twin, side):
    twins.assert_equals_keras(
        name, getattr(keras.applications, twin)(weights=None, input_shape=(side, side, 3), classifier_activation=None)
    )
