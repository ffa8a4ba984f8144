"""The faults themselves: what is counted, what a failing or last call leaves behind."""

import errno
import os
import shutil

import pytest

from faults.calls import Faults, count, failing, killed


def act(folder):
    """Two folders, a file written in two pieces, renamed and removed."""
    (folder / "sub").mkdir()
    with open(folder / "sub" / "file", "wb") as file:
        file.write(b"0123456789")
        file.flush()
        os.fsync(file.fileno())
        file.write(b"x" * 6)
    os.rename(folder / "sub" / "file", folder / "sub" / "other")
    (folder / "sub" / "other").read_bytes()
    shutil.rmtree(folder / "sub")


def test_every_call_is_counted_in_order(tmp_path):
    calls = ["mkdir", "open", "write", "fsync", "write", "rename", "read", "read", "unlink", "rmdir"]
    assert count(lambda: act(tmp_path)) == calls


def test_nothing_else_is_counted_or_stays_behind(tmp_path):
    before = os.open, open
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    assert count(lambda: (tmp_path / "there" / "file").write_text("x"), tmp_path / "here") == []
    assert before == (os.open, open)


@pytest.mark.parametrize(("at", "left"), [(3, b"01234"), (5, b"0123456789xxx")])
def test_a_failing_write_has_written_half(tmp_path, at, left):
    with pytest.raises(OSError, match="No space left") as caught, failing(at, errno.ENOSPC):
        act(tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert (tmp_path / "sub" / "file").read_bytes()[: len(left)] == left


def test_a_kill_ends_the_process_there(tmp_path):
    assert killed(lambda: act(tmp_path), 3)
    assert (tmp_path / "sub" / "file").read_bytes() == b"01234"
    shutil.rmtree(tmp_path / "sub")
    assert not killed(lambda: act(tmp_path), 99)
    assert not list(tmp_path.iterdir())


def test_a_lasting_fault_hits_what_needs_room_and_nothing_else(tmp_path):
    with Faults(2, errno.ENOSPC, tmp_path, lasting=True):
        (tmp_path / "one").mkdir()
        with pytest.raises(OSError, match="No space"):
            (tmp_path / "two").mkdir()
        with pytest.raises(OSError, match="No space"):
            (tmp_path / "three").write_text("x")
        (tmp_path / "one").rmdir()
    assert not list(tmp_path.iterdir())
