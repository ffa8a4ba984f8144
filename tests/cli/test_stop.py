"""Two Ctrl-C, SIGTERM twice, and a program that swallows what it is told."""

import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import sys, time
from kcnn.cli import stop
stop.listen()
word = "ready"
while True:
    try:
        print(word, flush=True)
        time.sleep(60)
    except KeyboardInterrupt as error:  # whoever has read the word finds us inside the try
        word = type(error).__name__
"""


@pytest.fixture
def program():
    process = subprocess.Popen(
        [sys.executable, "-c", f"import signal; signal.signal(2, signal.default_int_handler)\n{PROGRAM}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_ends_a_program_that_does_not_listen(program, first):
    program.send_signal(first)
    assert program.stdout.readline() == {2: "KeyboardInterrupt\n", 15: "Terminated\n"}[first]
    time.sleep(0.5)  # two at once count as one
    program.send_signal(signal.SIGINT)
    assert program.wait(10) == 130


def test_sigterm_may_come_twice(program):
    for _ in range(2):
        program.send_signal(signal.SIGTERM)
        assert program.stdout.readline() == "Terminated\n"
    assert program.poll() is None


def test_an_ignored_signal_stays_ignored():
    code = (
        "import os, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from kcnn.cli import stop\nstop.listen()\nos.kill(os.getpid(), signal.SIGINT)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_lead_nowhere(tmp_path, closed):
    """Else the first file that is opened would be number 1 or 2, and get what is printed."""
    code = (
        "import os, sys\nfrom kcnn.cli.main import _open_streams\n_open_streams()\n"
        "file = open('file', 'w')\nprint('out')\nprint('err', file=sys.stderr)\nos.write(2, b'noise')\n"
        "sys.exit(file.fileno() < 3)"
    )
    done = subprocess.run(
        ["bash", "-c", f'"$@" {closed}', "bash", sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "file").read_bytes() == b""


def test_a_reader_that_leaves_does_not_end_the_work(tmp_path):
    """rich would end the program with exit code 1 at the first line that nobody reads."""
    code = (
        "import sys\nfrom pathlib import Path\nimport kcnn.cli.list\nfrom kcnn.cli.main import main\n"
        "def verb(args, console):\n"
        "    for _ in range(20_000):\n        console.line('a line for nobody')\n"
        "    console.note('still here')\n    Path('done').touch()\n"
        "kcnn.cli.list.run = verb\nmain()\n"
    )
    (tmp_path / "program.py").write_text(code)
    done = subprocess.run(
        ["bash", "-c", '"$@" | head -1; exit ${PIPESTATUS[0]}', "bash", sys.executable, "program.py", "list"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "a line for nobody\n")
    assert "still here" in done.stderr
    assert (tmp_path / "done").exists()
