"""Kill -9, Ctrl-C and SIGTERM of a real process in mid-epoch: the same command then ends as an unbroken run does."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.numpy

from kcnn.train import checkpoint

PROGRAM = Path(__file__).with_name("toy.py")
# dropout and batch normalisation are in the toy net; average, cosine with warm-up and early stopping are set here
EVERYTHING = {
    "epochs": 8, "optimizer": "adamw", "weight_decay": 0.1, "warmup_epochs": 0.5, "ema": 0.9, "patience": 3,
    "monitor": "val_loss", "learning_rate": 0.02, "checkpoint_steps": 3,
}  # fmt: skip

pytestmark = pytest.mark.slow


def start(folder, train, **options):
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM.parents[2])}
    command = [sys.executable, PROGRAM, folder, json.dumps({"train": train, **options})]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def finish(process):
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return out


def stop_at(process, step, number):
    """Send the signal once the program has said that this step is done; return its exit code and last words."""
    for line in process.stdout:
        if line == f"step {step}\n":
            process.send_signal(number)
            break
    out, error = process.communicate(timeout=300)
    return process.returncode, out, error


def newest(folder):
    tensors, state = checkpoint.newest(folder / "checkpoints", print)
    return tensors, state


def assert_equal_runs(one, other):
    assert (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()
    assert (one / "log.csv").read_bytes() == (other / "log.csv").read_bytes()
    (tensors, state), (others, expected) = newest(one), newest(other)
    assert safetensors.numpy.save(tensors) == safetensors.numpy.save(others)
    assert state["history"] == expected["history"]
    assert state["step"] == expected["step"]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    finish(start(folder, EVERYTHING))
    assert newest(folder)[1]["step"] > 30
    return folder


def test_killed_interrupted_and_terminated_it_ends_bit_identical(tmp_path, unbroken):
    folder = tmp_path / "run"
    code, _, _ = stop_at(start(folder, EVERYTHING, slow=0.03), 7, signal.SIGKILL)
    assert code == -signal.SIGKILL
    begun = newest(folder)[1]["step"]
    assert 3 <= begun <= 9

    code, out, error = stop_at(start(folder, EVERYTHING, slow=0.03), 16, signal.SIGINT)
    assert code == 130
    last = int(out.split()[-1])
    assert last <= 18  # the boundary of the step under way
    assert newest(folder)[1]["step"] == last  # nothing is lost
    assert f"stopped at step {last}" in error
    assert "Traceback" not in error

    code, out, _ = stop_at(start(folder, EVERYTHING, slow=0.03), 27, signal.SIGTERM)
    assert code == 143
    assert newest(folder)[1]["step"] == int(out.split()[-1])

    finish(start(folder, EVERYTHING))
    assert_equal_runs(folder, unbroken)


def test_a_second_process_on_the_same_run_is_sent_away(tmp_path):
    holder = start(tmp_path / "run", {"epochs": 50}, slow=0.2)
    try:
        assert holder.stdout.readline() == "step 1\n"
        second = start(tmp_path / "run", {"epochs": 50})
        _, error = second.communicate(timeout=120)
    finally:
        holder.kill()
        holder.communicate()
    assert second.returncode == 3
    assert f"in use by pid {holder.pid} on host" in error


def test_two_replicas_equal_one_device(tmp_path):
    """Without dropout, whose masks differ by replica; the loss is scaled and the statistics shared over replicas.

    1e-5 is the project's bar; 18 steps an epoch of 8 or 6 examples, so that every cut is even.
    """
    train = {"epochs": 2, "batch_size": 8, "learning_rate": 0.05}
    one = start(tmp_path / "one", train, cpus=2, set=["config.dropout=0.0", "train.strategy=one"])
    finish(one)
    two = start(tmp_path / "two", train, cpus=2, set=["config.dropout=0.0", "train.strategy=mirrored"])
    _, error = two.communicate(timeout=300)
    assert two.returncode == 0, error
    assert "on 2 replicas" in error
    here, there = (safetensors.numpy.load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    assert here.keys() == there.keys()
    for path, value in here.items():
        assert abs(value - there[path]).max() <= 1e-5, path
    history = [newest(tmp_path / name)[1]["history"] for name in ("one", "two")]
    for row, other in zip(*history, strict=True):
        assert row == pytest.approx(other, abs=1e-4)


def test_two_replicas_resume_bit_identical(tmp_path):
    """150 examples in batches of 20 and a last one of 10; batches of 7 leave odd cuts and a last one of 3."""
    train = {"epochs": 2, "batch_size": 7, "checkpoint_steps": 5, "strategy": "mirrored", "ema": 0.8}
    finish(start(tmp_path / "whole", train, cpus=2))
    code, _, _ = stop_at(start(tmp_path / "broken", train, cpus=2, slow=0.02), 28, signal.SIGKILL)
    assert code == -signal.SIGKILL
    finish(start(tmp_path / "broken", train, cpus=2))
    assert_equal_runs(tmp_path / "broken", tmp_path / "whole")
