"""`kcnn summary` of networks that read sequences, and of exported files; images are in test_main.py."""

import json
import os

import pytest
import tensorflow as tf

from kcnn.cli.main import run


def test_a_network_of_sequences_is_summed_up_at_its_length(capsys):
    assert run(["summary", "tiny_convnet1d", "--image_shape=100,1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["input"] == [100, 1]
    assert found["macs"] == 100 * (8 * 8 + 3 * 8 * 16) + 16 * 10


@pytest.fixture
def nosy(tmp_path):
    """A SavedModel that reads a file whose name it is given."""

    class Nosy(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 8), tf.float32)])
        def serve(self, x):
            return {"y": tf.nn.relu(x) + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)}

    model = Nosy()
    tf.saved_model.save(model, str(tmp_path / "nosy"), signatures={"serving_default": model.serve})
    return tmp_path / "nosy"


def test_what_a_strangers_saved_model_would_do_is_listed_and_refused(nosy, capsys):
    assert run(["summary", str(nosy)]) in (2, 3)
    out, err = capsys.readouterr()
    row = next(line for line in out.splitlines() if "ReadFile" in line)
    assert "takes text, which may name a file" in row
    assert any("Relu" in line and "text" not in line for line in out.splitlines())
    assert "refused before it runs: ReadFile" in err


@pytest.mark.parametrize("kind", ["nothing", "text", "folder", "pipe", "empty folder", "graph file"])
def test_a_path_that_is_no_model_is_named(tmp_path, capsys, kind):
    path = tmp_path / {"empty folder": "some", "graph file": "some.pb"}.get(kind, "some.tflite")
    if kind in ("text", "graph file"):
        path.write_bytes(b"not a model at all")
    elif kind.endswith("folder"):
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    assert run(["summary", str(path)]) in (2, 3)
    said = capsys.readouterr().err
    assert path.name in said
    assert "kcnn list shows" not in said


def test_flags_of_networks_are_refused_for_files(nosy, tmp_path, capsys):
    assert run(["summary", str(nosy), f"--figure={tmp_path / 'f.png'}"]) == 2
    assert "--figure is for networks by name" in capsys.readouterr().err
