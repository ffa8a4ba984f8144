"""tools/import_weights.py: a file of another library becomes one of ours, or is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import kcnn
from kcnn.testing import formula
from tests.models import twins

TOOL = Path(__file__).parents[1] / "tools" / "import_weights.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_torch_names_become_ours(tmp_path):
    state = twins.formula_state(kcnn.build("resnet20"), twins.table("resnet20", "torchvision"))
    safetensors.numpy.save_file(state, tmp_path / "theirs.safetensors")
    done = run("resnet20", tmp_path / "theirs.safetensors", tmp_path / "ours.safetensors")
    assert done.returncode == 0, done.stderr
    first = kcnn.build("resnet20", weights=tmp_path / "theirs.safetensors")
    again = kcnn.build("resnet20", weights=tmp_path / "ours.safetensors")
    images = formula.images((32, 32, 3))
    np.testing.assert_array_equal(np.asarray(first(images)), np.asarray(again(images)))
    refused = run("resnet56", tmp_path / "theirs.safetensors", tmp_path / "x.safetensors")
    assert refused.returncode == 2
    assert "weights are not in the file" in refused.stderr
    assert not (tmp_path / "x.safetensors").exists()
