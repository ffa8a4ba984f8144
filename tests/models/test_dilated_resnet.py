"""DRN: published counts, the place of dilation, no shortcuts at the end."""

import keras
import pytest

import kcnn
from kcnn.models import dilated_resnet


@pytest.mark.parametrize(("name", "published"), [("drn_c_26", 21_126_584), ("drn_c_42", 31_234_744)])
def test_counts_are_those_of_the_authors_classifier(name, published):
    # Yu 2017, table 1, prints 21.1 and 31.2 M; 1000 classes in place of 21 on 512 maps
    assert dilated_resnet.SPECS[name].params + 513 * (1000 - 21) == published


def test_levels_stride_and_dilation():
    # Yu 2017, figure 5 (c): stride 8, dilation 2 and 4, then 2 and 1 without shortcuts
    model = kcnn.build("drn_c_26", image_shape=(64, 64, 3))
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    depth = [layer for layer in convolutions if not layer.name.endswith("_shortcut")]
    assert len(depth) == 26  # the stem, 24 in twelve blocks, the scores
    dilations = {layer.name.partition("_")[0]: layer.dilation_rate[0] for layer in depth if layer.kernel_size == (3, 3)}
    assert list(dilations.values()) == [1, 1, 1, 1, 2, 4, 2, 1]
    assert {layer.name.partition("_")[0] for layer in depth if layer.strides == (2, 2)} == {
        "level2",
        "level3",
        "level4",
    }
    adds = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert len(adds) == 10
    assert not [name for name in adds if name.startswith(("level7", "level8"))]
    assert model.get_layer("logits").input.shape == (None, 8, 8, 512)
