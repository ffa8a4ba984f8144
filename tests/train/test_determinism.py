"""Which layers give the same bits twice under `enable_op_determinism`, on several threads: all but NOT_REPEATING.

What does not repeat raises instead of differing, so that it is found at the first step, not at the end of a run.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kcnn.layers

ROOT = Path(__file__).parents[2]
# Layers that kcnn's networks use, and those that users add most: (expression, shape of one input)
LAYERS = {
    "Conv1D": ("L.Conv1D(8, 3)", (64, 8)),
    "Conv2D": ("L.Conv2D(16, 3, strides=2, padding='same')", (33, 33, 8)),
    "Conv2D grouped": ("L.Conv2D(16, 3, groups=4)", (32, 32, 8)),
    "Conv2D dilated": ("L.Conv2D(16, 3, dilation_rate=2)", (32, 32, 8)),
    "Conv2DTranspose": ("L.Conv2DTranspose(8, 4, strides=2)", (16, 16, 8)),
    "DepthwiseConv2D": ("L.DepthwiseConv2D(3)", (32, 32, 16)),
    "SeparableConv2D": ("L.SeparableConv2D(16, 3)", (32, 32, 8)),
    "Dense": ("L.Dense(50)", (300,)),
    "BatchNormalization": ("L.BatchNormalization()", (32, 32, 16)),
    "LayerNormalization": ("L.LayerNormalization()", (32, 32, 16)),
    "GroupNormalization": ("L.GroupNormalization(4)", (32, 32, 16)),
    "MaxPooling2D": ("L.MaxPooling2D(3, 2)", (33, 33, 8)),
    "AveragePooling2D": ("L.AveragePooling2D(3, 2)", (33, 33, 8)),
    "GlobalAveragePooling1D": ("L.GlobalAveragePooling1D()", (64, 16)),
    "AdaptiveAveragePooling2D": ("L.AdaptiveAveragePooling2D(5)", (32, 32, 8)),
    "GlobalAveragePooling2D": ("L.GlobalAveragePooling2D()", (64, 64, 16)),
    "GlobalMaxPooling2D": ("L.GlobalMaxPooling2D()", (64, 64, 16)),
    "Dropout": ("L.Dropout(0.5, seed=1)", (64, 64, 8)),
    "SpatialDropout2D": ("L.SpatialDropout2D(0.5, seed=1)", (64, 64, 8)),
    "UpSampling2D nearest": ("L.UpSampling2D(3)", (16, 16, 8)),
    "UpSampling2D bilinear": ("L.UpSampling2D(3, interpolation='bilinear')", (16, 16, 8)),
    "Resizing": ("L.Resizing(40, 24)", (32, 32, 8)),
    "Embedding": ("(lambda e: lambda x: e(ops.cast(ops.abs(x), 'int32') % 20))(L.Embedding(20, 8))", (200,)),
    "MultiHeadAttention": ("(lambda a: lambda x: a(x, x))(L.MultiHeadAttention(2, 8))", (50, 16)),
    "GRU": ("L.GRU(8)", (20, 8)),
    "LSTM": ("L.LSTM(8)", (20, 8)),
    "kcnn SpatialPyramidPooling": ("K.SpatialPyramidPooling()", (32, 32, 8)),
    "kcnn LocalResponseNormalization": ("K.LocalResponseNormalization()", (32, 32, 8)),
    "kcnn TrainableSubsampling": ("K.TrainableSubsampling()", (32, 32, 8)),
    "kcnn SparseConv2D": ("K.SparseConv2D([[0, 1, 2], [3, 4], [5, 6, 7]], 3)", (32, 32, 8)),
    "kcnn RadialBasisOutput": ("K.RadialBasisOutput(10)", (84,)),
    "kcnn ResizeLike": ("lambda x: K.ResizeLike()([x, ops.zeros((16, 45, 70, 1))])", (16, 24, 8)),
    "kcnn CropLike": ("lambda x: K.CropLike()([x, ops.zeros((16, 9, 20, 1))])", (32, 32, 8)),
    "kcnn PadToMultiple": ("K.PadToMultiple(16)", (30, 33, 8)),
    "kcnn BedOfNailsUnpooling": ("K.BedOfNailsUnpooling()", (16, 16, 8)),
    "kcnn MaxUnpooling": ("lambda x: K.MaxUnpooling()(K.MaxPoolingWithPositions()(x))", (32, 32, 8)),
    "gather": ("lambda x: ops.take(x, [0, 3, 3, 3, 5, 3], axis=1)", (64, 8)),
    "segment sum": ("lambda x: ops.segment_sum(x, ops.arange(16) % 3, 3)", (64, 8)),
    "cross-entropy": (
        "lambda x: keras.losses.SparseCategoricalCrossentropy(from_logits=True)(ops.arange(16) % 50, x)", (50,),
    ),
    "Dice": ("lambda x: keras.losses.Dice()(ops.one_hot(ops.arange(16) % 50, 50), ops.softmax(x))", (50,)),
    "crop and resize": (
        "lambda x: tf.image.crop_and_resize(x, [[0.0, 0.0, 1.0, 0.7]] * 16, list(range(16)), (9, 9))", (32, 32, 8),
    ),
}  # fmt: skip
NOT_REPEATING: dict[str, str] = {}
# Stock layers that move numbers or combine them one by one, so that no order of sums can differ
ONE_BY_ONE = {
    "Activation", "Add", "Average", "Concatenate", "Cropping2D", "Flatten", "Maximum", "Multiply", "ReLU", "Rescaling",
    "Reshape", "ZeroPadding2D",
}  # fmt: skip

PROGRAM = """
import hashlib, json, os, sys
import keras, numpy as np, tensorflow as tf
import kcnn.layers as K
from keras import layers as L, ops
tf.config.threading.set_intra_op_parallelism_threads(4)
tf.config.experimental.enable_op_determinism()
rng = np.random.default_rng(0)
outcome = {}
for name, (expression, shape) in json.loads(sys.argv[1]).items():
    scale = 1e3 ** rng.uniform(-1, 1, (16, *shape))  # sums in another order round otherwise
    inputs = tf.constant(rng.normal(size=(16, *shape)) * scale, tf.float32)
    hashes = set()
    try:
        for _ in range(5):
            keras.utils.set_random_seed(0)
            layer = eval(expression)
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(inputs)
                outputs = layer(inputs, **({"training": True} if "ropout" in name else {}))
                loss = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 2)
            weights = list(tape.watched_variables())
            found = [loss, *tape.gradient(loss, [inputs, *weights])]
            text = b"".join(tf.convert_to_tensor(g).numpy().tobytes() for g in found if g is not None)
            hashes.add(hashlib.sha256(text).hexdigest())
        outcome[name] = "repeats" if len(hashes) == 1 else f"{len(hashes)} results of 5"
    except Exception as error:
        outcome[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
print("OUTCOME" + json.dumps(outcome))
"""


@pytest.mark.slow
def test_every_layer_gives_the_same_bits_or_is_listed():
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-c", PROGRAM, json.dumps(LAYERS)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    outcome = json.loads(run.stdout.partition("OUTCOME")[2])
    assert outcome.keys() == LAYERS.keys()
    differing = {name: what for name, what in outcome.items() if what != "repeats"}
    assert {name: NOT_REPEATING.get(name, "") in what for name, what in differing.items()} == dict.fromkeys(
        NOT_REPEATING, True
    ), differing


def test_the_document_says_how_many_and_which():
    said = " ".join((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").split())
    assert f"runs {len(LAYERS)} layers, losses and operations" in said
    assert ("the list of exceptions in that file is empty" in said) == (not NOT_REPEATING)


def test_no_layer_of_kcnn_is_missing():
    classes = {name for name in kcnn.layers.__all__ if isinstance(getattr(kcnn.layers, name), type)}
    layers = classes - {"BilinearKernel"}  # an initialiser
    assert layers <= set(re.findall(r"K\.(\w+)", " ".join(expression for expression, _ in LAYERS.values())))


def test_no_stock_layer_of_a_network_is_missing():
    """Looked up in the source, so that no network is built."""
    used = set()
    for file in (ROOT / "kcnn" / "models").glob("*.py"):
        used |= set(re.findall(r"\blayers\.([A-Z]\w+)\(", file.read_text(encoding="utf-8")))
    assert {"Conv2D", "BatchNormalization"} <= used
    tested = set(re.findall(r"L\.(\w+)", " ".join(expression for expression, _ in LAYERS.values())))
    assert used <= tested | ONE_BY_ONE, used - tested - ONE_BY_ONE
