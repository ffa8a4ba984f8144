"""The lock of a run folder, between real processes; env.json."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading

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


def test_a_forked_child_does_not_hold_it_on(tmp_path):
    """A killed trainer may leave children behind, such as a reader's workers."""
    code = (
        "import os, signal, sys, time\n"
        "from kcnn.train.rundir import RunDir\n"
        "with RunDir(sys.argv[1]).lock():\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        time.sleep(60)\n"
        "    print(child, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
    child = int(done.stdout.readline())
    try:
        done.wait()
        with RunDir(tmp_path).lock():
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        done.stdout.close()


def test_whoever_comes_between_lock_and_name_waits_for_the_name(tmp_path):
    """The file still names a process that was killed, and whose pid is free; its new holder is about to write."""
    run = RunDir(tmp_path)
    with open(tmp_path / "lock", "w") as file:
        file.write(f"pid 999999999 on host {socket.gethostname()}\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)

        def write():
            file.truncate(0)
            file.seek(0)
            file.write(f"pid {os.getpid()} on host {socket.gethostname()}\n")
            file.flush()

        later = threading.Timer(0.2, write)
        later.start()
        with pytest.raises(ResourceError, match=f"in use by pid {os.getpid()} on host"), run.lock():
            pass
        later.join()


def test_a_recycled_pid_does_not_block(tmp_path):
    (tmp_path / "lock").write_text(f"pid {os.getpid()} on host {socket.gethostname()}\n")
    with RunDir(tmp_path).lock():
        pass


def test_the_same_object_may_enter_again(tmp_path):
    run = RunDir(tmp_path)
    with run.lock(), run.lock() as inner:
        assert inner is run
    with RunDir(tmp_path).lock():
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="choose another place with --runs"), RunDir(tmp_path / "file" / "x").lock():
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
