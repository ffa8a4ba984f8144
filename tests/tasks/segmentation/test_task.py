"""The task as a whole: the contract, learning, resuming in mid-epoch, two replicas, what it refuses."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from kcnn.errors import ConfigError, ShapeError
from kcnn.recipe import override
from kcnn.tasks.segmentation.task import TASK
from kcnn.testing import check_task
from kcnn.train import train

from .sources import recipe, source

EVERYTHING = {
    "scale": (0.5, 2.0), "flip": True, "colour": 0.3, "class_balance": 0.5, "focal": 0.5, "dice": 1.0,
    "inference": "tiles", "scales": (0.75, 1.0), "mirror": True,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("config", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_it_keeps_the_contract(config):
    check_task(TASK, recipe(**config), source())


@pytest.mark.slow
def test_it_keeps_the_contract_with_16_bits():
    check_task(TASK, override(recipe(**EVERYTHING), ["preprocess.bit_depth=16"]), source())


def log(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_it_learns_and_a_run_stopped_in_mid_epoch_goes_on_with_its_sums(tmp_path):
    """The time is up after the first step; the run that goes on ends with the log of the unbroken one, metrics too."""
    whole = recipe(epochs=6, class_balance=0.5)
    data = source()
    train(whole, tmp_path / "whole", source=data)
    train(override(whole, ["train.max_minutes=1e-6"]), tmp_path / "broken", source=data)
    file = tmp_path / "broken" / "log.csv"
    assert not file.is_file() or not log(file.parent)  # no epoch is done
    train(whole, tmp_path / "broken", source=data)
    assert log(tmp_path / "broken") == log(tmp_path / "whole")
    rows = log(tmp_path / "whole")
    assert float(rows[-1]["val_mean_iou"]) > float(rows[0]["val_mean_iou"]) + 0.1
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


PROGRAM = """
import csv, json, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path.insert(0, sys.argv[2])
from segmentation.sources import recipe, source
from kcnn.recipe import override
from kcnn.train import train

found = []
for name in ("one", "mirrored"):
    still = override(recipe(epochs=1, batch_size=4, dice=1.0), [f"train.strategy={name}", "train.learning_rate=1e-9"])
    train(still, f"{sys.argv[1]}/{name}", source=source())
    with open(f"{sys.argv[1]}/{name}/log.csv") as file:
        found.append(next(csv.DictReader(file)))
print(json.dumps(found))
"""


@pytest.mark.slow
def test_two_replicas_equal_one_device(tmp_path):
    """Images with few labelled pixels too: the loss of each counts alike, wherever it is computed."""
    folder = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = ({k: float(v) for k, v in row.items()} for row in json.loads(done.stdout.splitlines()[-1]))
    assert two == pytest.approx(one, rel=1e-4)
    assert {"mean_iou", "pixel_accuracy", "val_mean_iou"} <= set(one)


def test_a_model_without_a_score_for_each_pixel():
    with pytest.raises(ConfigError, match=r"tiny_resnet.*scores for each pixel"):
        TASK.model(recipe(model="tiny_resnet"), source().info)


def test_images_too_small_for_the_model():
    with pytest.raises(ShapeError, match="at least"):
        TASK.model(recipe(size=(2, 2)), source().info)
