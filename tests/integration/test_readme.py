"""What the README shows is what happens."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_opens_with_the_two_commands():
    first = re.search(r"```sh\n(.*?)```", README, re.DOTALL).group(1)
    assert [line.split()[0] for line in first.strip().splitlines()] == ["./tools/demo", "./tools/test"]


@pytest.mark.slow
def test_its_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, *_ = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(compile(first, "README.md", "exec"), names)  # noqa: S102
    # five epochs of Adam on 1,442 digits: far above guessing (0.1), below what the recipe reaches (0.99)
    assert names["model"].evaluate(names["test"], verbose=0, return_dict=True)["accuracy"] > 0.85


@pytest.mark.slow
def test_its_transfer_learning_runs(tmp_path, monkeypatch):
    import keras
    import numpy as np
    import safetensors.numpy
    from PIL import Image

    import kcnn

    monkeypatch.chdir(tmp_path)
    _, *blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    code = "".join(blocks).replace('"imagenet"', '"trunk.safetensors"')
    assert "trunk.safetensors" in code
    assert "fit_head" in code
    trunk = kcnn.build("efficientnet_lite0")
    safetensors.numpy.save_file({w.path: np.asarray(w) for w in trunk.weights}, "trunk.safetensors")
    for label in range(5):
        Path("photos", f"class{label}").mkdir(parents=True)
        for place in range(2):
            pixels = np.full((40, 50, 3), 50 * label + place, "uint8")
            Image.fromarray(pixels).save(Path("photos", f"class{label}", f"{place}.png"))
    names = {"kcnn": kcnn, "keras": keras}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102
    assert (names["first"].output(227), names["first"].fits(227), names["first"].fits(224)) == (55, True, False)
    assert names["model"].output_shape == (None, 5)
    assert names["pixels"].size == (224, 224)


def test_every_command_it_shows_parses():
    from kcnn.cli.main import parse

    lines = [line.partition("#")[0].split() for line in README.splitlines() if line.startswith("kcnn ")]
    assert len(lines) >= 7
    for words in lines:
        assert parse(words[1:]).verb == words[1]


def test_every_file_it_links_is_there():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_it_names_every_verb():
    from kcnn.cli import VERBS

    assert [verb for verb in VERBS if f"`{verb}`" not in README] == []
