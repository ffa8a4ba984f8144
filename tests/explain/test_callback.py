"""Grad-CAM of fixed images lands in TensorBoard's files, epoch by epoch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from kcnn.errors import ConfigError, ShapeError
from kcnn.explain.callback import ExplainCallback
from tests.explain import nets


def pictures_in(folder):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return [
        (event.step, tf.io.decode_png(event.tensor_proto.string_val[2]).numpy())
        for event in events.Tensors("explain/grad_cam")
    ]


def test_a_picture_every_second_epoch(tmp_path):
    model, images = nets.twin(), nets.images()
    pictures = ((images + 1) * 127.5).astype("uint8")
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=False)
    shown = ExplainCallback(tmp_path, images, pictures, nets.TARGETS, layer="3", every=2)
    model.fit(images, np.array(nets.TARGETS), epochs=4, verbose=0, callbacks=[shown])
    found = pictures_in(tmp_path)
    assert [step for step, _ in found] == [1, 3]
    sheet = found[0][1]
    assert sheet.shape == (2 * (14 + 4), 2 * 14 + 6, 3)
    np.testing.assert_array_equal(sheet[2:16, 2:16], pictures[0])
    assert not np.array_equal(sheet[20:34, 2:16], pictures[0])
    assert not np.array_equal(found[0][1], found[1][1])


def test_mistakes():
    images = nets.images()
    with pytest.raises(ShapeError, match="same images twice"):
        ExplainCallback("x", images, np.zeros((1, 14, 14, 3)))
    with pytest.raises(ConfigError, match=r"0\.\.255"):
        ExplainCallback("x", images, images)
    with pytest.raises(ConfigError, match="every is 0"):
        ExplainCallback("x", images, np.zeros((2, 14, 14, 3)), every=0)
