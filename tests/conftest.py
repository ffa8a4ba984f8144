"""Shared fixtures: the real images, one distribution strategy a process, quiet TensorFlow."""

import gc
import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

GROWTH = 500_000_000  # bytes
_settled = 0


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test images: `KCNN_TEST_DATA`, or `../shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("KCNN_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"real images are not at {folder}; set KCNN_TEST_DATA to their folder")
    return folder


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, so that its fixtures are made once; `spread` files go to all.

    What needs the fixture of an exported bundle is slow.
    """
    for item in items:
        if "bundle" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
        name = item.nodeid if item.get_closest_marker("spread") else str(item.path)
        item.add_marker(pytest.mark.xdist_group(name))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Collect the networks of tests that are done: Python waits for many objects, not for many gigabytes."""
    global _settled
    if _resident() > _settled + GROWTH:
        gc.collect()
        _settled = _resident()


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0  # not Linux
