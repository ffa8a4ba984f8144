"""One strategy a process, and how batches are dealt out to two replicas (in a process with two logical CPUs)."""

import json
import subprocess
import sys

import pytest
import tensorflow as tf

from kcnn.errors import ConfigError
from kcnn.train import strategy

DEAL = """
import json, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from kcnn.train import strategy

mirrored = strategy.get("mirrored")
assert strategy.get("mirrored") is mirrored
assert mirrored.num_replicas_in_sync == 2
batches = tf.data.Dataset.range(7).batch(4).concatenate(tf.data.Dataset.range(10, 11).batch(4))
pairs = batches.map(lambda x: (tf.cast(x, tf.float32)[:, None], x))
found = {}
for equal in (True, False):
    dealt = []
    for images, labels in strategy.spread(mirrored, pairs, equal=equal):
        parts = [part.numpy().tolist() for part in mirrored.experimental_local_results(labels)]
        assert [part.numpy()[:, 0].tolist() for part in mirrored.experimental_local_results(images)] == parts
        dealt.append(parts)
    found[equal] = dealt
arguments = strategy.validation(mirrored, pairs, 3)
assert arguments["validation_steps"] == 3
passes = iter(arguments["validation_data"])  # the second one begins where the first ends
both = [[part.numpy().tolist() for part in mirrored.experimental_local_results(next(passes)[1])] for _ in range(6)]
assert both == 2 * found[False], both
print(json.dumps([found[True], found[False]]))
"""


@pytest.mark.slow
def test_dealing_out_to_two_replicas():
    """Batches [0 1 2 3], [4 5 6] and [10]: in training a short one is filled up, in evaluation only a single one is."""
    run = subprocess.run([sys.executable, "-c", DEAL], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    training, evaluation = json.loads(run.stdout.splitlines()[-1])
    assert training == [[[0, 1], [2, 3]], [[4, 5], [6, 4]], [[10], [10]]]
    assert evaluation == [[[0, 1], [2, 3]], [[4], [5, 6]], [[10], [10]]]


def test_one_device_deals_nothing_out():
    one = strategy.get("one")
    assert one.num_replicas_in_sync == 1
    batches = tf.data.Dataset.range(3).batch(2)
    assert strategy.spread(one, batches, equal=True) is batches
    assert strategy.validation(one, batches, 2) == {"validation_data": batches}  # `fit` counts the steps itself


def test_auto_is_one_device_without_several_gpus():
    if len(tf.config.list_logical_devices("GPU")) > 1:
        pytest.skip("several GPUs here")
    assert strategy.get("auto").num_replicas_in_sync == 1


def test_an_unknown_name():
    with pytest.raises(ConfigError, match="'tpu' but must be"):
        strategy.get("tpu")
