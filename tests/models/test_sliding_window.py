"""Patch classifier: the paper's layers, patch by patch and all at once, and what each way costs."""

import keras
import numpy as np
import pytest

import kcnn
from kcnn.errors import ConfigError, ShapeError
from kcnn.models import sliding_window as sliding
from kcnn.testing import formula
from kcnn.testing.family import formula_fill


def test_layers_of_the_paper():
    # Ciresan 2012, table of N4: 92, 46, 42, 21, 18, 9, 6, 3 a side, 48 maps
    patch = sliding.patch_classifier(kcnn.build("sliding_window", num_classes=2))
    kinds = (keras.layers.Conv2D, keras.layers.MaxPooling2D)
    sides = [layer.output.shape[1] for layer in patch.layers if isinstance(layer, kinds)]
    assert sides == [92, 46, 42, 21, 18, 9, 6, 3, 1, 1]
    assert patch.output_shape == (None, 2)


@pytest.mark.parametrize(("height", "width"), [(9, 14), (1, 20)])
def test_all_pixels_at_once_equal_patch_by_patch(height, width):
    model = kcnn.build("tiny_sliding_window", num_classes=4)
    formula_fill(model)
    image = formula.images((height, width, 3))
    found = sliding.slide(sliding.patch_classifier(model), image[0])
    assert found.shape == (height, width, 4)
    np.testing.assert_allclose(found, np.asarray(model(image))[0], rtol=1e-4, atol=1e-5)


def test_the_papers_network_at_once_and_patch_by_patch():
    model = kcnn.build("sliding_window", num_classes=3)
    formula_fill(model)
    image = formula.images((3, 4, 3))
    np.testing.assert_allclose(
        sliding.slide(sliding.patch_classifier(model), image[0]), np.asarray(model(image))[0], rtol=1e-4, atol=1e-4
    )


def test_costs_by_hand():
    # a patch of 15: conv 4x4 gives 12x12x4, 3x3 gives 4x4x8, dense 2x2x8 to 16, 16 to 21
    patch = 12 * 12 * 4 * 48 + 4 * 4 * 8 * 36 + 32 * 16 + 16 * 21
    # 6x5 pixels and 7 around them: 17x16x4, then 12x11x8 (16x15 pooled, taps 2 apart), then one of each for a pixel
    whole = 17 * 16 * 4 * 48 + 12 * 11 * 8 * 36 + 30 * (32 * 16 + 16 * 21)
    assert sliding.costs("tiny_sliding_window", 6, 5) == {"patches": 30 * patch, "whole": whole}


def test_a_patch_sees_no_further_than_its_side():
    from kcnn.ops.receptive_field import ledger

    for name, spec in sliding.SPECS.items():
        assert ledger(kcnn.build(name, image_shape=(20, 20, 3)))[-1].size == (spec.side, spec.side)


def test_bad_input_is_explained():
    patch = sliding.patch_classifier(kcnn.build("tiny_sliding_window"))
    with pytest.raises(ShapeError, match="patches are 15x15x3; the image must be"):
        sliding.slide(patch, np.zeros((9, 9, 1), "float32"))
    with pytest.raises(ConfigError, match="'lenet5' but must be one of"):
        sliding.patch_classifier(kcnn.build("lenet5"))
