"""The SavedModel alone: loaded in a process that cannot import kcnn, it says what Keras says."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from kcnn.export.facts import from_json
from kcnn.export.runner import open_model

STRANGER = """
import sys
sys.modules["kcnn"] = None          # any import of kcnn fails
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
given = np.load(sys.argv[2])
found = {}
for name in given.files:
    signature = "serve_bytes" if name.startswith("bytes") else "serving_default"
    value = tf.constant(given[name])
    key = "contents" if signature == "serve_bytes" else "images"
    found[name] = model.signatures[signature](**{key: value})["probabilities"].numpy()
np.savez(sys.argv[3], **found)
"""


def run_stranger(folder, tmp_path, **given):
    """Return the probabilities that a process without kcnn gets for each array."""
    np.savez(tmp_path / "given.npz", **given)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, str(folder), str(tmp_path / "given.npz"), str(tmp_path / "found.npz")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(np.load(tmp_path / "found.npz"))


@pytest.mark.slow
def test_without_kcnn_it_equals_keras_on_images_of_any_size_and_on_photo_bytes(flowers, shared_data, tmp_path):
    """Real photos as pixels, as JPEG and as PNG bytes; other sizes are resized inside as `prepare` does it."""
    import tensorflow as tf

    from kcnn.data.decode import decode
    from kcnn.data.preprocess import prepare

    keras = open_model(flowers, format="keras")
    photos = sorted((shared_data / "flowers_mini" / "test").glob("*/*.jpg"))[::17]
    photos += sorted((shared_data / "imagenet_samples" / "images").glob("*"))[:4]  # sides 116-1600
    contents = [photo.read_bytes() for photo in photos]
    pixels = [decode(tf.constant(content), 3) for content in contents]
    resized = np.stack([prepare(image, keras.preprocess).numpy() for image in pixels])
    expected = keras.predict(resized)["probabilities"]
    found = run_stranger(
        flowers / "saved_model",
        tmp_path,
        resized=resized,
        large=np.stack([image.numpy() for image in pixels[:3]]),
        odd=pixels[-1].numpy()[None],
        bytes_jpeg=np.array(contents, dtype=object).astype("S"),
        bytes_png=np.array([tf.io.encode_png(pixels[0]).numpy()], dtype=object).astype("S"),
    )
    assert pixels[0].shape != pixels[-1].shape
    np.testing.assert_allclose(found["resized"], expected, atol=1e-6)
    np.testing.assert_allclose(found["large"], expected[:3], atol=1e-6)
    np.testing.assert_allclose(found["odd"], expected[-1:], atol=1e-6)
    np.testing.assert_allclose(found["bytes_jpeg"], expected, atol=1e-6)
    np.testing.assert_allclose(found["bytes_png"], expected[:1], atol=1e-6)
    assert np.ptp(expected, axis=0).max() > 0.1  # the answers differ from photo to photo


def test_its_record_says_what_it_is(bundle):
    facts = from_json((bundle / "saved_model" / "assets.extra" / "kcnn.json").read_text(), "kcnn.json")
    assert facts.name == "tiny_digits"
    assert facts.labels == tuple("0123456789")
    assert json.loads((bundle / "preprocess.json").read_text())["size"] == list(facts.preprocess.size)


def test_gray_model_takes_gray_images_and_colour_bytes(bundle, digits):
    """A gray picture saved as a colour PNG is the same picture."""
    import tensorflow as tf

    model = tf.saved_model.load(str(bundle / "saved_model"))
    images = digits["image"][:3]
    expected = open_model(bundle, format="keras").predict(images)["probabilities"]
    direct = model.signatures["serving_default"](images=tf.constant(images))["probabilities"]
    colour = [tf.io.encode_png(np.repeat(image, 3, axis=-1)).numpy() for image in images]
    encoded = model.signatures["serve_bytes"](contents=tf.constant(colour))["probabilities"]
    np.testing.assert_allclose(direct, expected, atol=1e-6)
    np.testing.assert_allclose(encoded, expected, atol=1e-6)


def test_bgr_models_take_rgb_images(tmp_path):
    """A model that averages each channel: red comes out last, where a blue-first model has it."""
    import keras
    import tensorflow as tf

    from kcnn.export.facts import Facts
    from kcnn.export.saved_model import write
    from kcnn.recipe import Preprocess
    from kcnn.tasks.task import Signature

    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    labels = ("blue", "green", "red")
    signature = Signature(outputs=("p",), finish=lambda y: {"p": y}, answers=None, truth=None)
    record = Preprocess(size=(4, 4), scale=1.0, mean=(0.0,), std=(1.0,), channel_order="bgr")
    write(model, Facts(name="n", task="t", preprocess=record, labels=labels), signature, tmp_path / "m")
    red = np.full((1, 6, 5, 3), (200, 0, 0), np.uint8)
    found = tf.saved_model.load(str(tmp_path / "m")).signatures["serving_default"](images=tf.constant(red))
    assert found["p"].numpy().tolist() == [[0, 0, 200]]
