"""Runs of the toy task that several tests look at."""

import pytest
import toy
from consoles import Lines

from kcnn.train import train


@pytest.fixture
def lines():
    return Lines()


@pytest.fixture
def run_toy(lines):
    """Train the toy task into a folder; returns the folder."""

    def run(folder, console=None, **settings):
        return train(toy.make_recipe(**settings), folder, source=toy.make_source(), console=console or lines)

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished run: three epochs of ten steps, nothing special."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return train(toy.make_recipe(), folder, source=toy.make_source(), console=Lines())
