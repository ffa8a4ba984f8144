"""A real TensorBoard on loopback, asked over its HTTP interface what it sees of a run."""

import contextlib
import io
import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest
import toy
from consoles import Lines
from PIL import Image

from kcnn.train import callbacks, train
from kcnn.train.tensorboard import log_report

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def serving(folder):
    """Start `tensorboard` on a free port; give a function that asks it for a path."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--host", "127.0.0.1", "--port", "0"]
    process = subprocess.Popen([*command, "--load_fast", "false"], stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        else:
            raise AssertionError("tensorboard did not start")

        def ask(path, **query):
            url = f"{found[0]}/data/{path}?{urllib.parse.urlencode(query)}"
            with urllib.request.urlopen(url, timeout=30) as answer:
                return answer.read()

        yield ask
    finally:
        process.kill()
        process.communicate()


def until(ask, ready, path):
    """Ask until the answer is ready: tensorboard reads the files in the background."""
    for _ in range(120):
        if ready(answer := json.loads(ask(path))):
            return answer
        time.sleep(0.5)
    raise AssertionError(f"{path} says {answer}")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board") / "run"
    train(toy.make_recipe(epochs=2), folder, source=toy.make_source(), console=Lines())
    report = folder / "report"
    report.mkdir()
    Image.fromarray(np.full((6, 9, 3), (10, 200, 30), np.uint8)).save(report / "confusion.png")
    log_report(folder / "tensorboard", report, step=20)
    return folder


def test_tags_and_pictures_over_http(run):
    with serving(run / "tensorboard") as ask:
        scalars = until(ask, lambda tags: {"train", "validation"} <= set(tags), "plugin/scalars/tags")
        keras_tags = {"epoch_loss", "epoch_accuracy", "epoch_learning_rate"}
        assert set(scalars["train"]) >= keras_tags | {"epoch_images_per_second"}
        assert set(scalars["validation"]) >= {"epoch_loss", "epoch_accuracy"}

        points = json.loads(ask("plugin/scalars/scalars", run="train", tag="epoch_loss"))
        log = (run / "log.csv").read_text().splitlines()
        column = log[0].split(",").index("loss")
        assert [point[1] for point in points] == [0, 1]
        assert [point[2] for point in points] == pytest.approx([float(row.split(",")[column]) for row in log[1:]])
        speed = json.loads(ask("plugin/scalars/scalars", run="train", tag="epoch_images_per_second"))
        assert all(point[2] > 100 for point in speed)

        images = until(ask, lambda tags: len(tags.get("pictures", [])) == 2, "plugin/images/tags")
        assert set(images["pictures"]) == {"samples/train", "report/confusion"}
        listed = json.loads(ask("plugin/images/images", run="pictures", tag="report/confusion", sample=0))
        assert listed[0]["step"] == 20
        query = dict(urllib.parse.parse_qsl(listed[0]["query"]))
        picture = Image.open(io.BytesIO(ask("plugin/images/individualImage", **query)))
        assert picture.size == (9, 6)
        assert picture.convert("RGB").getpixel((4, 3)) == (10, 200, 30)

        until(ask, lambda plugins: plugins["hparams"]["enabled"], "plugins_listing")
        experiment = json.loads(ask("plugin/hparams/experiment", request=json.dumps({"experimentName": ""})))
        names = {info["name"] for info in experiment["hparamInfos"]}
        assert names >= {"model", "learning_rate", "batch_size", "optimizer", "dropout"}


def test_writing_costs_nothing_per_step(tmp_path, run_toy, monkeypatch):
    """Keras' own callback builds one summary operation per metric and step, even where it writes none."""
    import tensorflow as tf

    calls = []
    scalar = tf.summary.scalar
    monkeypatch.setattr(tf.summary, "scalar", lambda *a, **k: (calls.append(a), scalar(*a, **k)))
    steps = []
    original = callbacks.Keeper.on_train_batch_end
    monkeypatch.setattr(
        callbacks.Keeper, "on_train_batch_end", lambda *a, **k: (steps.append(len(calls)), original(*a, **k))
    )
    run_toy(tmp_path / "run", epochs=1)
    assert steps == [0] * 10
    assert len(calls) > 0
