"""The page of a network holds what the methods return."""

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from kcnn.errors import ConfigError
from kcnn.explain import gallery
from kcnn.explain.maximise import Ascent
from tests.explain import nets
from tests.explain.test_patches import planted

NAMES = ["dark", "dark", "bright", "dark", "dark", "bright", "bright"]


def test_an_exhibit_names_what_fires():
    pictures = (planted() * 255).astype("uint8")
    found = gallery.exhibit(nets.blob_net(), pictures, "square", prepare=lambda batch: batch / 255, names=NAMES)
    assert found.layer == "square"
    assert found.field == (4, 4)
    assert [patch.image for patch in found.patches[0][:3]] == [5, 2, 6]
    assert found.fires == {0: "dark (4), bright (3)"}
    assert found.kernels is not None
    with pytest.raises(ConfigError, match="2 names but 7 pictures"):
        gallery.exhibit(nets.blob_net(), pictures, "square", prepare=lambda batch: batch, names=["a", "b"])


def test_an_input_is_what_the_middle_unit_sees():
    pictures = (planted() * 255).astype("uint8")
    how = Ascent(steps=60, rate=0.1, jitter=0, low=0, high=1)
    found = gallery.exhibit(nets.blob_net(), pictures, "square", prepare=lambda batch: batch / 255, ascent=how)
    assert found.inputs[0].shape == (4, 4, 3)
    assert found.inputs[0].min() > 200  # the sum of 4 x 4 pixels is asked to be large


def test_an_input_has_the_colours_of_the_pictures():
    red = keras.Sequential([keras.Input((6, 6, 3)), layers.Conv2D(1, 1, use_bias=False, name="red")])
    red.layers[0].set_weights([np.array([-1.0, -1.0, 1.0]).reshape(1, 1, 3, 1)])  # of blue, green, red
    how = Ascent(steps=60, rate=0.1, jitter=0, low=(0.0, 1.0, 2.0), high=(1.0, 2.0, 3.0))
    pictures = np.zeros((1, 6, 6, 3), "uint8")

    def backwards(batch):
        return batch[..., ::-1] / np.float32(255) + np.arange(3, dtype="float32")

    found = gallery.exhibit(red, pictures, "red", prepare=backwards, ascent=how)
    assert (found.inputs[0][..., 0] > 200).all()
    assert (found.inputs[0][..., 1:] < 55).all()


def test_default_layers_run_from_the_first_to_the_last():
    convs = [layers.Conv2D(2, 3, activation="relu", name=f"conv{index}") for index in range(9)]
    model = keras.Sequential([keras.Input((32, 32, 1)), *convs, layers.GlobalMaxPooling2D()])
    assert gallery.default_layers(model, 3) == ["conv0", "conv4", "conv8"]
    assert gallery.default_layers(nets.twin()) == ["1", "4"]


def test_the_page_stands_alone(tmp_path):
    images = ((nets.images() + 1) * 127.5).astype("uint8")
    exhibits = [
        gallery.exhibit(
            nets.twin(),
            images,
            layer,
            prepare=lambda batch: batch / np.float32(127.5) - 1,
            names=["<cat>", "dog"],
            channels=3,
            ascent=Ascent(steps=3, jitter=1),
        )
        for layer in ("0", "4")
    ]
    page = gallery.write(tmp_path, "A <net>", exhibits).read_text()
    assert "<h1>A &lt;net&gt;</h1>" in page
    assert "&lt;cat&gt;" in page
    assert "http" not in page
    assert page.count("<img") == 1 + 2 * 3 * 2  # kernels of the convolution; patches and inputs of 3 channels
    assert Image.open(tmp_path / "gallery.png").width > 400


def test_a_poster_shows_inputs_beside_the_patches_where_there_are_some():
    pictures = (planted() * 255).astype("uint8")
    how = Ascent(steps=1, jitter=0, low=0, high=1)
    widths = []
    for ascent in (None, how):
        one = gallery.exhibit(nets.blob_net(), pictures, "square", prepare=lambda batch: batch / 255, ascent=ascent)
        assert bool(one.inputs) == bool(ascent)
        widths.append(gallery.poster("A net", [one]).axes[0].images[0].get_array().shape[1])
    assert widths[1] > 1.9 * widths[0]
