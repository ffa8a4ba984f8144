"""A SavedModel that takes images as they are: resizing, normalisation and decoding are part of its graph."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kcnn.data.decode import decode
from kcnn.data.preprocess import normalise, resize
from kcnn.export import facts as facts_file
from kcnn.export.facts import Facts
from kcnn.tasks.task import Signature

Endpoint = tuple[Callable[[tf.Tensor], dict[str, tf.Tensor]], tf.TensorSpec]


def write(model: keras.Model, facts: Facts, signature: Signature, folder: Path) -> None:
    """Write `model` as a SavedModel that any TensorFlow program can load, without kcnn or Keras.

    Signatures, both for a batch of any size and with the names of `signature.outputs`:
        serving_default: `images`, uint8 (N, H, W, C) of any height and width, C channels as in `facts.preprocess`
            (RGB order, also when the model wants BGR); float32 0..255 where that keeps 16 bits.
        serve_bytes: `contents`, string (N,) of encoded JPEG, PNG, GIF or BMP files.

    Args:
        model: from normalised (N, H, W, C) float images to raw outputs.
        facts: written to assets.extra/kcnn.json.
        signature: of the task; `finish` becomes part of the graph.
        folder: created.
    """
    record = facts.preprocess

    def serving_default(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return finished(model, signature, normalise(resize(images, record), record))

    def serve_bytes(contents: tf.Tensor) -> dict[str, tf.Tensor]:
        def image(content: tf.Tensor) -> tf.Tensor:
            pixels = decode(content, record.channels, record.bit_depth)
            return tf.ensure_shape(resize(pixels, record), record.image_shape)

        images = tf.map_fn(image, contents, fn_output_signature=tf.TensorSpec(record.image_shape, record.dtype))
        return finished(model, signature, normalise(images, record))

    write_endpoints(
        model,
        {
            "serving_default": (
                serving_default,
                tf.TensorSpec((None, None, None, record.channels), record.dtype, name="images"),
            ),
            "serve_bytes": (serve_bytes, tf.TensorSpec((None,), tf.string, name="contents")),
        },
        folder,
    )
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / facts_file.FILE).write_text(facts_file.to_json(facts), encoding="utf-8")


def write_endpoints(model: keras.Model, endpoints: dict[str, Endpoint], folder: Path) -> None:
    """Write `model` as a SavedModel with one signature per name of `endpoints`: (function, input spec)."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (function, spec) in endpoints.items():
        plain = tf.autograph.experimental.do_not_convert(function)
        archive.add_endpoint(name, plain, input_signature=[spec])
    archive.write_out(str(folder), verbose=False)


def finished(model: keras.Model, signature: Signature, inputs: Any) -> dict[str, tf.Tensor]:
    """Return the outputs of `signature` for normalised `inputs` (N, H, W, C), as graph operations."""
    return signature.finish(model(inputs, training=False))
