"""Checkpoints: whole or not there, checked before use, the newest valid one wins. No TensorFlow here."""

import contextlib
import json
import os
import shutil

import numpy as np
import pytest
from faults.calls import count, failing, killed

from kcnn.errors import CheckpointError, ResourceError
from kcnn.train import checkpoint

TENSORS = {
    "model/0000": np.arange(12, dtype=np.float32).reshape(3, 4),
    "model/0001": np.array([1, 2], np.uint32),
    "optimizer/0000": np.array(7, np.int64),
}


def tensors_at(step):
    return {name: np.asarray(tensor + tensor.dtype.type(step)) for name, tensor in TENSORS.items()}


def save(folder, step):
    return checkpoint.save(folder, tensors_at(step), {"step": step, "epoch": step // 10, "history": [{"loss": 0.1}]})


def assert_is(found, step):
    tensors, state = found
    assert state["step"] == step
    for name, tensor in tensors_at(step).items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].shape == tensor.shape
        np.testing.assert_array_equal(tensors[name], tensor)


def never(message):
    raise AssertionError(message)


def test_what_is_saved_comes_back(tmp_path):
    place = save(tmp_path / "checkpoints", 20)
    assert sorted(p.name for p in place.iterdir()) == ["manifest.json", "state.json", "state.safetensors"]
    manifest = json.loads((place / "manifest.json").read_text())
    assert (manifest["schema"], manifest["step"], manifest["epoch"]) == (1, 20, 2)
    assert manifest["files"]["state.json"]["bytes"] == (place / "state.json").stat().st_size
    assert_is(checkpoint.newest(tmp_path / "checkpoints", never), 20)


def test_none_yet(tmp_path):
    assert checkpoint.newest(tmp_path / "checkpoints", never) is None


def test_steps_are_ordered_as_numbers(tmp_path):
    for step in (9, 1_000_000_000, 10):  # ten digits do not fit the nine-digit names, and still sort
        save(tmp_path, step)
    assert checkpoint.steps(tmp_path) == [1_000_000_000, 10, 9]
    assert_is(checkpoint.newest(tmp_path, never), 1_000_000_000)


def damages(place):
    for path in sorted(place.iterdir()):
        size = path.stat().st_size
        for offset in {0, size // 3, size // 2, size - 2, size - 1}:
            yield f"flip a bit of byte {offset} of {path.name}", path, "flip", offset
        for length in {0, 1, size // 2, size - 1}:
            yield f"cut {path.name} to {length}", path, "cut", length
        yield f"delete {path.name}", path, "delete", 0
        yield f"lengthen {path.name}", path, "lengthen", 0


def hurt(path, how, where):
    content = bytearray(path.read_bytes())
    if how == "flip":
        content[where] ^= 1
    elif how == "cut":
        content = content[:where]
    elif how == "lengthen":
        content += b"\0"
    else:
        path.unlink()
        return
    path.write_bytes(content)


def test_every_damage_is_found_named_and_skipped(tmp_path):
    whole = tmp_path / "whole"
    save(whole, 10)
    save(whole, 20)
    cases = list(damages(whole / "000000020"))
    assert len(cases) >= 30
    for number, (what, path, how, where) in enumerate(cases):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        hurt(folder / "000000020" / path.name, how, where)
        told = []
        assert_is(checkpoint.newest(folder, told.append), 10)
        assert len(told) == 1, what
        assert str(folder / "000000020") in told[0], what
        assert checkpoint.steps(folder) == [10], what


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("state.safetensors", "flip", "state.safetensors differs from its sha256"),
        ("state.safetensors", "delete", "state.safetensors"),
        ("state.json", "delete", "state.json"),
        ("manifest.json", "delete", "manifest.json"),
    ],
)
def test_the_damaged_file_is_named(tmp_path, name, how, message):
    hurt(save(tmp_path, 5) / name, how, 100)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(tmp_path, 5)


def test_one_under_the_name_of_another_is_no_checkpoint(tmp_path):
    """Else training would begin the last epoch again and again."""
    save(tmp_path, 10).rename(tmp_path / "999999999")
    save(tmp_path, 10)
    told = []
    assert checkpoint.newest(tmp_path, told.append)[1]["step"] == 10
    assert "999999999 is damaged (it is one of step 10)" in told[0]


def test_one_that_is_not_there_is_not_called_damaged(tmp_path):
    save(tmp_path, 5)
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*000000006"):
        checkpoint.load(tmp_path, 6)


def test_a_damaged_one_never_pushes_out_a_valid_one(tmp_path):
    for step in (10, 20, 30):
        save(tmp_path, step)
    for step in (20, 30):
        hurt(tmp_path / f"{step:09d}" / "state.json", "flip", 3)
    assert_is(checkpoint.newest(tmp_path, lambda text: None), 10)
    save(tmp_path, 11)
    checkpoint.prune(tmp_path, 2)
    assert checkpoint.steps(tmp_path) == [11, 10]


def test_all_damaged_is_an_error_each_time(tmp_path):
    hurt(save(tmp_path, 10) / "manifest.json", "cut", 4)
    for _ in range(2):  # the second start must not begin from nothing
        with pytest.raises(CheckpointError, match="all 1 checkpoints"):
            checkpoint.newest(tmp_path, never)
    assert CheckpointError.exit_code == 3


def test_another_schema_is_refused(tmp_path, monkeypatch):
    save(tmp_path, 10)
    monkeypatch.setattr(checkpoint, "SCHEMA", 2)
    with pytest.raises(CheckpointError, match="schema 1, this version reads 2"):
        checkpoint.load(tmp_path, 10)


def test_prune_keeps_the_newest_and_the_best(tmp_path):
    for step in (10, 20, 30, 40):
        save(tmp_path, step)
    checkpoint.prune(tmp_path, 2, {10})
    assert checkpoint.steps(tmp_path) == [40, 30, 10]


def count_calls(folder):
    save(folder, 10)
    return len(count(lambda: save(folder, 20)))


@pytest.mark.slow
def test_a_kill_at_any_call_of_a_save_leaves_the_old_or_the_new(tmp_path):
    total = count_calls(tmp_path / "count")
    outcomes = []
    for at in range(1, total + 1):
        folder = tmp_path / f"at{at}"
        save(folder, 10)
        assert killed(lambda folder=folder: save(folder, 20), at)
        newest = checkpoint.steps(folder)[0]
        assert_is(checkpoint.newest(folder, never), newest)
        outcomes.append(newest)
        save(folder, 20)  # the next process, over whatever the killed one left
        assert_is(checkpoint.newest(folder, never), 20)
    assert sorted(set(outcomes)) == [10, 20]
    print(f"{total} calls, each the last one once")


def test_a_full_disk_keeps_the_last_good_one(tmp_path):
    total = count_calls(tmp_path / "count")
    for at in range(1, total + 1):
        folder = tmp_path / f"at{at}"
        save(folder, 10)
        with failing(at, 28), contextlib.suppress(ResourceError):  # to make a folder that is there may fail
            save(folder, 20)
        assert not list(folder.glob("*.tmp-*"))
        assert_is(checkpoint.newest(folder, never), checkpoint.steps(folder)[0])
        save(folder, 20)
        assert_is(checkpoint.newest(folder, never), 20)


def test_a_valid_one_of_the_same_step_is_never_lost(tmp_path, monkeypatch):
    place = save(tmp_path, 10)

    def full(source, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", full)
        with contextlib.suppress(ResourceError):
            save(tmp_path, 10)
    assert_is(checkpoint.newest(tmp_path, never), 10)
    hurt(place / "state.json", "flip", 3)
    save(tmp_path, 10)  # a damaged one makes room
    assert_is(checkpoint.newest(tmp_path, never), 10)


def test_writer_saves_behind_and_keeps_two(tmp_path):
    with checkpoint.Writer(tmp_path) as writer:
        for step in (1, 2, 3, 4):
            writer.save(tensors_at(step), {"step": step, "epoch": 0}, {2})
        writer.wait()
        assert checkpoint.steps(tmp_path) == [4, 3, 2]
    assert_is(checkpoint.newest(tmp_path, never), 4)


def test_writer_tells_what_went_wrong(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    writer = checkpoint.Writer(tmp_path)
    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(ResourceError, match="no space is left"), writer:
        writer.save(tensors_at(1), {"step": 1, "epoch": 0})
    assert checkpoint.steps(tmp_path) == []


def test_a_tolerant_writer_warns_and_saves_the_next(tmp_path):
    told = []
    with checkpoint.Writer(tmp_path, told.append) as writer:
        with failing(1, 28, tmp_path, lasting=True):
            writer.save(tensors_at(1), {"step": 1, "epoch": 0})
            writer.save(tensors_at(2), {"step": 2, "epoch": 0})
            with pytest.raises(ResourceError, match="000000002"):  # `wait` promises what is on the disk
                writer.wait()
        writer.save(tensors_at(3), {"step": 3, "epoch": 0})
    assert len(told) == 1
    assert "000000001" in told[0]
    assert "Training goes on" in told[0]
    assert checkpoint.steps(tmp_path) == [3]
