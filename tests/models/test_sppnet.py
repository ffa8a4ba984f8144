"""SPP-net: maps of the paper's table, one set of weights for every size, in Keras and on LiteRT."""

import keras
import numpy as np
import pytest

import kcnn
from kcnn.errors import ShapeError
from kcnn.export.anatomy import check_built_in
from kcnn.models import sppnet
from kcnn.testing import formula
from kcnn.testing.family import formula_fill


@pytest.mark.parametrize(("side", "maps"), [(224, (55, 27, 13)), (180, (44, 21, 10))])
def test_maps_of_the_table(side, maps):
    # He 2014, table 1, ZF-5: 55, 27 and 13 pixels from 224; section 2.3: conv5 is 13x13 from 224 and 10x10 from 180
    inputs = keras.Input((side, side, 3))
    levels = sppnet.features(inputs, sppnet.SPECS["sppnet_zf5"])
    model = keras.Model(inputs, levels["C4"])
    found = [model.get_layer(name).output.shape[1] for name in ("pool1", "conv2", "conv5")]
    assert tuple(found) == maps
    assert [tuple(levels[level].shape[3:]) for level in ("C1", "C3", "C4")] == [(96,), (256,), (256,)]


def test_pyramid_of_the_paper():
    # section 3.1: 6x6, 3x3, 2x2 and 1x1 bins, 50 in all; 256 maps make 12,800 numbers
    assert sum(n * n for n in sppnet.SPECS["sppnet_zf5"].bins) == 50


@pytest.fixture(scope="module")
def tiny():
    model = kcnn.build("tiny_sppnet", num_classes=3)
    formula_fill(model)
    return model


@pytest.mark.parametrize("size", [(29, 29), (64, 97), (120, 40)])
def test_one_model_for_every_size(tiny, size):
    fixed = kcnn.build("tiny_sppnet", num_classes=3, image_shape=(*size, 3))
    fixed.set_weights(tiny.get_weights())
    images = formula.images((*size, 3))
    found = np.asarray(tiny(images))
    assert np.ptp(found, axis=0).max() > 1e-3
    np.testing.assert_allclose(found, fixed(images), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_one_litert_file_for_every_size(tiny, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    tiny.export(tmp_path / "spp.tflite", format="litert", verbose=False)
    check_built_in(tmp_path / "spp.tflite", "fp32")
    runner = Interpreter(str(tmp_path / "spp.tflite")).get_signature_runner("serving_default")
    for size in ((64, 97), (48, 33)):
        images = formula.images((*size, 3))
        (found,) = runner(images=images).values()
        np.testing.assert_allclose(found, tiny(images), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_trains_on_batches_of_two_sizes(tiny):
    model = keras.models.clone_model(tiny)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = [float(model.train_on_batch(formula.images((s, s, 3)), np.array([0, 2]))) for s in (64, 48, 64, 48)]
    assert np.isfinite(losses).all()


def test_too_small_is_explained():
    with pytest.raises(ShapeError, match="at least 29x29"):
        kcnn.build("tiny_sppnet", image_shape=(28, 64, 3))
