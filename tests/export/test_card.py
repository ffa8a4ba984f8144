"""The model card's example is a program that runs."""

import os
import re
import subprocess
import sys

import numpy as np
from PIL import Image

from kcnn.export.card import measured_on, resized
from kcnn.export.runner import open_model


def test_the_ten_lines_run_without_kcnn_and_give_the_right_name(bundle, digits, tmp_path):
    text = (bundle / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert len(code.splitlines()) == 10
    scores = open_model(bundle, format="int8").predict(digits["image"])["probabilities"]
    sure = int(scores.max(axis=-1).argmax())
    for name in ("labels.txt", "model_int8.tflite"):
        os.symlink(bundle / name, tmp_path / name)
    Image.fromarray(digits["image"][sure, :, :, 0]).save(tmp_path / "photo.jpg", quality=100)
    smallest = re.search(r"model_(\w+)\.tflite\"", code)[1]
    assert smallest == "int8"
    program = f"import sys\nsys.modules['kcnn'] = sys.modules['tensorflow'] = None\n{code}"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(np.argmax(scores[sure]))


def test_it_states_data_numbers_limits_and_licence(bundle):
    text = (bundle / "README.md").read_text()
    for heading in ("Data and training", "Metrics", "Run it", "Limits", "Licence"):
        assert f"## {heading}" in text
    assert "CC BY 4.0" in text
    assert "`digits`" in text
    assert text.count("| LiteRT") == 4
    assert "`probabilities`, float32 (N, classes)" in text


def test_scores_say_what_they_are_measured_on():
    report = {"images": 16, "split_images": 200, "split": "test", "resized": [48, 64]}
    assert measured_on(report) == "16 of the 200 images of 'test'"
    assert "have 64x48 pixels here" in resized(report)
    plain = {"images": 16, "split": "test"}  # a bundle of an earlier version
    assert measured_on(plain) == measured_on({**plain, "split_images": 16}) == "16 images of 'test'"
    assert resized(plain) == resized({**plain, "resized": None}) == ""
