"""The lock of a run folder, between real processes; env.json."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from kcnn.errors import ResourceError
from kcnn.train.rundir import RunDir

HOLD = """
import sys, time
from kcnn.train.rundir import RunDir
with RunDir(sys.argv[1]).lock():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "run"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_told_who_holds_it(tmp_path, holder):
    with pytest.raises(ResourceError) as caught, RunDir(tmp_path / "run").lock():
        pass
    assert f"pid {holder.pid} on host {socket.gethostname()}" in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_killed_holder_holds_no_longer(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    run = RunDir(tmp_path / "run")
    with run.lock():
        assert (run.path / "lock").read_text() == f"pid {os.getpid()} on host {socket.gethostname()}\n"
    with run.lock():
        pass


def test_the_lock_clears_what_a_killed_process_left(tmp_path):
    run = RunDir(tmp_path)
    (run.checkpoints / "000000010.tmp-123").mkdir(parents=True)
    (run.checkpoints / "000000010").mkdir()
    (tmp_path / "log.csv.tmp-123").write_text("half")
    with run.lock():
        assert sorted(p.name for p in run.checkpoints.iterdir()) == ["000000010"]
        assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoints", "lock"]


def test_env_tells_versions_and_processor(tmp_path):
    import keras

    RunDir(tmp_path).write_env()
    env = json.loads((tmp_path / "env.json").read_text())
    assert env["packages"]["keras"] == keras.__version__
    assert env["cpu_count"] == os.cpu_count()
    assert env["devices"]
    assert set(env["threads"]) == {"intra_op", "inter_op"}
