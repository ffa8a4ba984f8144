"""A server without a model, a browser, and a tab of it for each test."""

import threading
from pathlib import Path

import pytest

from kcnn.explorer.model import Opened
from kcnn.explorer.server import Server
from tests.explorer.browser import Browser, find

CHECKS = (Path(__file__).parent / "checks.js").read_text()


def serving(opened: Opened) -> Server:
    """Start a server on a free port."""
    server = Server(0, opened)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="session")
def server():
    server = serving(Opened())
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    program = find()
    if program is None:
        pytest.skip("no Chromium on the path; install Debian's package chromium, or set KCNN_BROWSER to a browser")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def tab(browser, server):
    """A tab that shows the first page."""
    page = browser.page(server.address)
    page.run(CHECKS)
    yield page
    page.close()


@pytest.fixture
def page(tab, server):
    """The tab as if just opened; whatever a test does, no error and no request elsewhere."""
    tab.size(1200, 900)
    tab.media()
    tab.go("kernel")
    tab.errors.clear()
    yield tab
    assert tab.errors == []
    assert [url for url in tab.requests if not url.startswith((server.address, "data:", "blob:"))] == []


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run of LeNet-5 on digits, good enough to read what is drawn."""
    from kcnn.recipe import Data, Model, Preprocess, Recipe, Train
    from tests.export.conftest import trained

    recipe = Recipe(
        name="drawn_digits",
        data=Data(source="digits"),
        preprocess=Preprocess(size=(28, 28), channel_order="gray"),
        model=Model(name="lenet5"),
        train=Train(epochs=4),
    )
    return trained(tmp_path_factory.mktemp("runs") / "drawn_digits", recipe)


@pytest.fixture(scope="session")
def bundle(run, tmp_path_factory):
    """The bundle of `run`, in one format."""
    from kcnn.export.bundle import export
    from kcnn.recipe import Export

    return export(run, tmp_path_factory.mktemp("saved_models"), options=Export(formats=("fp32",)))
