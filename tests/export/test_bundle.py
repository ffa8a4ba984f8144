"""The bundle: complete, checked, versioned, whole or not at all."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kcnn import atomic
from kcnn.errors import CheckpointError, ExportError, ResourceError
from kcnn.export import bundle as bundles
from kcnn.export import metadata, parity
from kcnn.export.bundle import export, verify
from kcnn.recipe import Export

# design.md, "Bundle"
CONTENTS = {
    "README.md",
    "labels.txt",
    "manifest.json",
    "model.json",
    "model_dynamic.tflite",
    "model_fp16.tflite",
    "model_fp32.tflite",
    "model_int8.tflite",
    "preprocess.json",
    "recipe.json",
    "report.json",
    "saved_model",
    "weights.safetensors",
}
QUICK = Export(formats=(), check_images=20)


def test_contents_are_those_of_the_design(bundle):
    assert {path.name for path in bundle.iterdir()} == CONTENTS
    assert bundle.name == "1"
    assert bundle.parent.name == "tiny_digits"


def test_manifest_holds_the_hash_and_size_of_every_file(bundle):
    listed = json.loads((bundle / "manifest.json").read_text())["files"]
    there = {p.relative_to(bundle).as_posix(): p for p in bundle.rglob("*") if p.is_file()}
    assert set(listed) == set(there) - {"manifest.json"}
    for name, entry in listed.items():
        content = there[name].read_bytes()
        assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_report_has_the_figures_of_every_format(bundle):
    report = json.loads((bundle / "report.json").read_text())
    assert report["images"] == 100
    assert report["split"] == "test"
    assert list(report["formats"]) == ["keras", "saved_model", "fp32", "fp16", "dynamic", "int8"]
    for name, entry in report["formats"].items():
        assert {"bytes", "ms", "difference", "agreement", "accuracy"} <= set(entry)
        assert entry["ms"] > 0
        assert ("ops" in entry) == (name not in ("keras", "saved_model"))
    assert report["formats"]["keras"]["difference"] == 0
    assert report["formats"]["keras"]["accuracy"] > 0.8  # three epochs give about 0.93; chance is 0.1
    assert report["formats"]["int8"]["bytes"] == (bundle / "model_int8.tflite").stat().st_size
    assert report["formats"]["int8"]["ops"]["CONV_2D"] == 2  # LeNet-5 has two convolutions


def test_verify_accepts_the_bundle_and_names_a_changed_file(bundle, tmp_path):
    verify(bundle)
    copy = shutil.copytree(bundle, tmp_path / "1")
    with open(copy / "labels.txt", "a") as labels:
        labels.write("eleven\n")
    with pytest.raises(ExportError, match=r"labels\.txt is missing or was changed"):
        verify(copy)
    (copy / "manifest.json").write_text("{")
    with pytest.raises(ExportError, match="is not a bundle"):
        verify(copy)


@pytest.mark.slow
def test_versions_count_up(run, tmp_path):
    (tmp_path / "tiny_digits" / "notes").mkdir(parents=True)
    (tmp_path / "tiny_digits" / "9").mkdir()
    assert export(run, tmp_path, options=QUICK).name == "10"
    assert export(run, tmp_path, options=QUICK).name == "11"
    verify(tmp_path / "tiny_digits" / "11")


def test_a_format_that_disagrees_is_named_and_nothing_is_published(run, tmp_path, monkeypatch):
    """One format is made wrong: its parity is replaced by one below the threshold."""
    compare = parity.compare

    def wrong(signature, keras, other, examples):
        result = compare(signature, keras, other, examples)
        return result if other is keras else dataclasses.replace(result, agreement=0.5)

    monkeypatch.setattr(parity, "compare", wrong)
    with pytest.raises(ExportError, match=r"saved_model \(50\.00 %\)"):
        export(run, tmp_path / "out", options=QUICK)
    assert not list((tmp_path / "out").rglob("*"))


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is not a run"):
        export(tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (bundles, "_write_json"),
        (bundles, "_manifest"),
        (bundles, "_write_formats"),
        pytest.param(metadata, "attach", marks=pytest.mark.slow),
    ],
)
def test_no_disk_space_leaves_nothing(run, tmp_path, monkeypatch, module, name):
    """Each stage fails as a full disk makes it fail, after the stages before it have written their files."""

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, name, full)
    options = dataclasses.replace(QUICK, formats=("fp32",) if module is metadata else ())
    with pytest.raises(ResourceError, match="no space is left") as caught:
        export(run, tmp_path / "out", options=options)
    assert caught.value.exit_code == 3
    assert not list((tmp_path / "out").rglob("*"))


def test_a_full_disk_reported_by_tensorflow_is_the_same_error(run, tmp_path, monkeypatch):
    import tensorflow as tf

    def full(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "variables.data; No space left on device")

    monkeypatch.setattr(bundles, "_write_formats", full)
    with pytest.raises(ResourceError, match="no space is left"):
        export(run, tmp_path / "out", options=QUICK)
    assert not list((tmp_path / "out").rglob("*"))


@pytest.mark.slow
def test_two_exports_at_once_do_not_mix(run, tmp_path, monkeypatch):
    """The other export publishes its version 1 while this one still writes."""
    manifest = bundles._manifest

    def late(folder, name, version):
        (tmp_path / "tiny_digits" / "1").mkdir()
        return manifest(folder, name, version)

    monkeypatch.setattr(bundles, "_manifest", late)
    with pytest.raises(ResourceError, match="another export has just published"):
        export(run, tmp_path, options=QUICK)
    assert [p.name for p in (tmp_path / "tiny_digits").iterdir()] == ["1"]


@pytest.mark.slow
@pytest.mark.parametrize("kibibytes", [16, 64, 300, 420])
def test_a_disk_that_is_really_full(run, tmp_path, kibibytes):
    """A tmpfs of a few KiB in a mount namespace of its own: weights, SavedModel or conversion hit its end."""
    script = f"""
import sys
from kcnn.errors import ResourceError
from kcnn.export.bundle import export
try:
    export({str(run)!r}, "full/out")
except ResourceError as error:
    print("REFUSED", error)
"""
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size={kibibytes}k none full"
    (tmp_path / "full").mkdir()
    probe = subprocess.run([*namespace, mount], cwd=tmp_path, capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"no mount namespaces here: {probe.stderr.decode().strip()}")
    (tmp_path / "try.py").write_text(script)
    package = str(Path(bundles.__file__).parents[2])
    done = subprocess.run(
        [*namespace, f"{mount} && {sys.executable} try.py && find full -mindepth 2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": package, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "no space is left" in done.stdout
    assert done.stdout.count("\n") == 1, done.stdout  # `find` lists nothing below full/out


@pytest.mark.slow
def test_a_killed_export_leaves_no_version(run, tmp_path):
    """SIGKILL while the formats are written: what is left is no version, and the next export gets number 1."""
    script = f"""
import os, signal
from kcnn.export import bundle
bundle._check = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
bundle.export({str(run)!r}, {str(tmp_path)!r}, options=__import__("kcnn.recipe").recipe.Export(formats=()))
"""
    package = str(Path(bundles.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": package}, check=False)
    assert done.returncode == -9
    assert list((tmp_path / "tiny_digits").iterdir())  # the unfinished folder is there, aside
    assert export(run, tmp_path, options=QUICK).name == "1"


def test_size_of_a_folder_is_the_sum_of_its_files(tmp_path):
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b").write_bytes(b"45")
    assert bundles.size_of(tmp_path) == 5
    assert bundles.size_of(tmp_path / "a") == 3


@pytest.mark.slow
def test_atomic_folder_is_what_export_uses(run, tmp_path, monkeypatch):
    """The version appears by one rename, after its files were synced."""
    seen = []
    rename = os.rename

    def spy(source, target):
        if Path(target).name == "1":
            seen.append((Path(source) / "manifest.json").is_file())
        rename(source, target)

    monkeypatch.setattr(atomic.os, "rename", spy)
    export(run, tmp_path, options=QUICK)
    assert seen == [True]
    assert np.isfinite(json.loads((tmp_path / "tiny_digits/1/report.json").read_text())["formats"]["keras"]["ms"])
