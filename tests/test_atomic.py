"""Files and folders appear whole or not at all: every system call of a write is made to fail, and to be the last."""

import ast
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults.calls import count, failing, killed

from kcnn import atomic
from kcnn.errors import ResourceError


def write_file(place):
    atomic.write_text(place / "file", "new")


def write_folder(place):
    with atomic.folder(place / "new") as aside:
        (aside / "a").write_bytes(b"a" * 1000)
        (aside / "sub").mkdir()
        (aside / "sub" / "b").write_text("b")


def state(place):
    return {p.relative_to(place).as_posix(): p.read_bytes() for p in place.rglob("*") if p.is_file()}


FILE_BEFORE, FILE_AFTER = {"file": b"old"}, {"file": b"new"}
FOLDER_AFTER = {"file": b"old", "new/a": b"a" * 1000, "new/sub/b": b"b"}
CASES = [(write_file, FILE_AFTER), (write_folder, FOLDER_AFTER)]


def calls_of(write, place):
    place.mkdir()
    (place / "file").write_text("old")
    return len(count(lambda: write(place)))


@pytest.mark.parametrize(("write", "after"), CASES)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_failing_call_leaves_the_old_state_and_no_rest(tmp_path, write, after, number):
    total = calls_of(write, tmp_path / "count")
    assert total >= 5  # open, fsync of file and folder, rename at least
    for at in range(1, total + 1):
        place = tmp_path / f"at{at}"
        place.mkdir()
        (place / "file").write_text("old")
        error = None
        with failing(at, number):
            try:
                write(place)
            except ResourceError as caught:
                error = caught
        assert not list(place.glob("*.tmp-*")), f"call {at} left a temporary file"
        if error is None:  # making a folder that is there may fail
            assert state(place) == after, f"call {at}"
            continue
        assert state(place) in (FILE_BEFORE, after), f"call {at}"
        assert str(place) in str(error)
        if state(place) == FILE_BEFORE:
            write(place)
        assert state(place) == after, f"a later write after call {at}"


@pytest.mark.slow
@pytest.mark.parametrize(("write", "after"), CASES)
def test_a_kill_at_any_call_leaves_old_or_new(tmp_path, write, after):
    total = calls_of(write, tmp_path / "count")
    seen = set()
    for at in range(1, total + 1):
        place = tmp_path / f"at{at}"
        place.mkdir()
        (place / "file").write_text("old")
        assert killed(lambda place=place: write(place), at)
        visible = {name: content for name, content in state(place).items() if ".tmp-" not in name}
        assert visible in (FILE_BEFORE, after), f"call {at}"
        seen.add(visible == after)
    assert seen == {False, True}  # the last call, the sync of the parent, comes after the rename


def test_everything_is_synced_before_the_rename(tmp_path, monkeypatch):
    order = []
    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr(
        os, "fsync", lambda fd: (order.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name), fsync(fd))
    )
    monkeypatch.setattr(os, "rename", lambda *a: (order.append("rename"), rename(*a)))
    write_folder(tmp_path)
    assert order == ["a", "sub", "b", f"new.tmp-{os.getpid()}", "rename", tmp_path.name]


def test_a_folder_that_is_there_is_not_replaced(tmp_path):
    (tmp_path / "new").mkdir()
    with pytest.raises(FileExistsError):
        write_folder(tmp_path)
    assert state(tmp_path) == {}


def test_an_error_in_the_block_removes_the_folder(tmp_path):
    with pytest.raises(KeyError), atomic.folder(tmp_path / "new") as aside:  # noqa: PT012
        (aside / "a").write_text("a")
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_a_real_limit_on_file_size(tmp_path):
    """RLIMIT_FSIZE in a process of its own: the old file stays, the process is told."""
    program = (
        "import resource, signal, sys; from pathlib import Path; from kcnn import atomic, errors\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: atomic.write_bytes(Path(sys.argv[1]), b'x' * 5000)\n"
        "except errors.ResourceError as error: print(error)\n"
    )
    target = tmp_path / "file"
    target.write_text("old")
    run = subprocess.run([sys.executable, "-c", program, target], capture_output=True, text=True, check=True)
    assert "would exceed the largest file allowed" in run.stdout
    assert state(tmp_path) == {"file": b"old"}


def test_leftovers_of_dead_processes_are_cleared(tmp_path):
    import subprocess
    import sys

    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (tmp_path / f"1.tmp-{dead}").mkdir()
    (tmp_path / "2.tmp-1").mkdir()  # process 1 always lives
    (tmp_path / "notes.tmp-mine").mkdir()
    with atomic.folder(tmp_path / "3"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.tmp-1", "3", "notes.tmp-mine"]


WRITES = {"write_text", "write_bytes", "savez", "savez_compressed", "save_file", "savefig", "imsave"}
PACKAGE = Path(atomic.__file__).parent
NOT_ATOMIC = {  # file -> why what it writes by itself need not be
    "atomic.py": "does it",
    "cli/console.py": "what libraries print, kept as it comes",
    "cli/predict.py": "answers as they come, into the file that --output names",
    "export/answers.py": "a folder of pictures as they come, for --format=pictures",
    "export/bundle.py": "into the folder that is renamed",
    "export/convert.py": "into the folder that is renamed",
    "export/litert.py": "into the folder that is renamed",
    "export/saved_model.py": "into the folder that is renamed",
    "testing/family.py": "into a temporary folder",
    "train/checkpoint.py": "into the folder that is renamed",
    "train/rundir.py": "the lock, which is of the process that holds it",
}


def writes(source):
    """Return the lines of calls that write a file by themselves: not through `kcnn.atomic`, nor into a buffer."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name, owner = getattr(node.func, "attr", getattr(node.func, "id", "")), getattr(node.func, "value", None)
        modes = [a.value for a in (*node.args, *(k.value for k in node.keywords)) if isinstance(a, ast.Constant)]
        first = ast.unparse(node.args[0]) if node.args else ""
        by_mode = name == "open" and any(isinstance(m, str) and m and set(m) <= set("wax+bt") for m in modes)
        if by_mode or (
            name in WRITES and ast.unparse(owner or ast.Name("")) != "atomic" and first not in ("content", "buffer")
        ):
            found.append(node.lineno)
    return found


def test_nothing_else_writes_files_by_itself():
    own = {p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py") if writes(p.read_text(encoding="utf-8"))}
    assert own == set(NOT_ATOMIC)


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("Path('x').write_text('y')", 1),
        ("open(path, 'w')", 1),
        ("path.open(mode='ab')", 1),
        ("np.savez_compressed(path, a=a)", 1),
        ("np.savez_compressed(content, a=a); atomic.write_bytes(path, content.getvalue())", 0),
        ("open(path, 'rb'); open(path); path.open()", 0),
    ],
)
def test_a_write_is_seen(code, count):
    assert len(writes(code)) == count
