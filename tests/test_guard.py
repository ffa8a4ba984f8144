"""Files of strangers: what is refused before it is read, and what honest files may do."""

import gzip
import json
import os
import stat
import struct
import zipfile

import pytest

from kcnn import guard
from kcnn.errors import DataError

MIB = 1 << 20


def archive(tmp_path, *members, packing=zipfile.ZIP_STORED):
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w") as out:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr, info.compress_type = 3, mode << 16, packing
            out.writestr(info, content)
    return file


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("../x", b"", 0)], "leads out"),
        ([("a/../../x", b"", 0)], "leads out"),
        ([("/etc/x", b"", 0)], "leads out"),
        ([("..\\x", b"", 0)], "leads out"),
        ([("C:x", b"", 0)], "leads out"),
        ([("x", b"y", stat.S_IFLNK | 0o777)], "a link or a device"),
        ([("x", b"", stat.S_IFCHR | 0o666)], "a link or a device"),
        ([("x", b"1", 0), ("x", b"2", 0)], "twice"),
        ([("x", b"1", 0), ("X", b"2", 0)], "twice"),
        ([(str(i), b"", 0) for i in range(guard.MOST_MEMBERS + 1)], "members but at most"),
    ],
)
def test_wicked_members(tmp_path, members, words):
    with pytest.raises(DataError, match=words):
        guard.check_zip(archive(tmp_path, *members), DataError)


def test_honest_archives_pass(tmp_path):
    members = guard.check_zip(archive(tmp_path, ("a/b", b"1", stat.S_IFREG | 0o644), ("a..b", b"2", 0)), DataError)
    assert [member.filename for member in members] == ["a/b", "a..b"]


def test_an_archive_may_unpack_to_so_much_and_no_more(tmp_path):
    """65 MiB of zeros pack to 64 KiB: within `SPARE` it is fine, beyond it the ratio counts."""
    guard.check_zip(archive(tmp_path, ("x", bytes(63 * MIB), 0), packing=zipfile.ZIP_DEFLATED), DataError)
    bomb = archive(tmp_path, ("x", bytes(66 * MIB), 0), packing=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="would unpack to 69,206,016, more than 8 times"):
        guard.check_zip(bomb, DataError)
    guard.check_zip(bomb, DataError, ratio=1000)


def test_a_long_list_of_members_is_refused_before_it_is_read(tmp_path):
    file = tmp_path / "a.zip"
    file.write_bytes(bytes(100) + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0, 0, guard.DIRECTORY + 1, 0, 0))
    with pytest.raises(DataError, match="lists too many members"):
        guard.check_zip(file, DataError)
    file.write_bytes(b"PK\6\7" + bytes(16) + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0, 0, 10, 0, 0))
    with pytest.raises(DataError, match="lists too many members"):
        guard.check_zip(file, DataError)


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\5\6", os.urandom(1000)])
def test_no_archive(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match="is not a zip archive"):
        guard.check_zip(tmp_path / "a.zip", DataError)


def test_json_is_neither_deep_nor_long():
    deep = "[" * guard.DEEPEST + "]" * guard.DEEPEST
    assert guard.parse_json(deep, "x", DataError)
    for text, words in (
        (f"[{deep}]", "deeper than 64"),
        ("[" * 100_000 + "]" * 100_000, "x is not JSON"),
        ('{"a": ' * 70 + "1" + "}" * 70, "deeper than 64"),
        ("{", "may be truncated"),
        (" " * (guard.MOST_TEXT + 1), "characters but at most"),
    ):
        with pytest.raises(DataError, match=words):
            guard.parse_json(text, "x", DataError)


def test_pipes_holes_and_long_files(tmp_path):
    pipe, hole, long = tmp_path / "pipe", tmp_path / "hole", tmp_path / "long"
    os.mkfifo(pipe)
    hole.write_bytes(b"x" * 1000)
    os.truncate(hole, 1 << 34)
    long.write_bytes(bytes(11))
    for path, words in ((pipe, "a plain file"), (hole, "were ever written"), (long, "at most 10 are read")):
        with pytest.raises(DataError, match=words):
            guard.read_bytes(path, DataError, 10 if path == long else None)
    with pytest.raises(DataError, match="No such file"):
        guard.read_bytes(tmp_path / "none", DataError)
    dense = tmp_path / "dense"
    dense.write_bytes(bytes(70 * MIB))  # zeros, but written
    assert guard.check_file(dense, DataError) == 70 * MIB


def test_links_may_stay_but_not_leave(tmp_path):
    folder, other = tmp_path / "run", tmp_path / "runner"
    folder.mkdir(), other.mkdir()
    (folder / "a").write_text("a")
    (folder / "b").symlink_to("a")
    guard.check_links(folder, DataError)
    (folder / "c").symlink_to(other / "secret")  # a neighbour whose name begins alike
    guard.check_links(folder, DataError, ("a", "b"))
    for names in ((), ("c",)):
        with pytest.raises(DataError, match="outside its folder"):
            guard.check_links(folder, DataError, names)


def test_gzip(tmp_path):
    where, content = tmp_path / "x.gz", json.dumps(list(range(1000))).encode()
    assert guard.gunzip(gzip.compress(content), where, DataError) == content
    bomb = gzip.compress(bytes(80 * MIB), 1)
    for packed, words in (
        (bomb[:-4] + struct.pack("<I", 100), "promises 100 bytes|damaged"),
        (gzip.compress(content)[:-20], "damaged"),
        (gzip.compress(bytes(300 * MIB), 9), "would unpack to"),
    ):
        with pytest.raises(DataError, match=words):
            guard.gunzip(packed, where, DataError)


def test_no_more_numbers_than_promised_become_variables():
    import keras

    def build(units):
        return keras.Sequential([keras.Input((10,)), keras.layers.Dense(units)])

    with guard.variables_within(110, "asks for {asked}", DataError):
        assert build(10).count_params() == 110
    with (
        pytest.raises(DataError, match="asks for 10,000,000,000"),
        guard.variables_within(110, "asks for {asked}", DataError),
    ):
        build(1_000_000_000)
