"""Names to objects: built-ins, entry points found on the path, and what goes wrong with other people's packages."""

import sys
import warnings
from pathlib import Path

import pytest

from kcnn.errors import ConfigError, KcnnError, UnknownNameError
from kcnn.registry import Entry, Registry

GROUP = "kcnn.things"
BUILTINS = {"square": Entry("math:sqrt", "a root"), "tau": Entry("math:tau", "a number")}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that lays an installed package's metadata and module on the path."""

    def lay(owner: str, points: dict[str, str], code: str = "THING = 'thing'") -> None:
        folder = tmp_path / owner
        metadata = folder / f"{owner}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {owner}\nVersion: 1.0\n")
        lines = [f"{name} = {target}" for name, target in points.items()]
        (metadata / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]) + "\n")
        (folder / f"{owner}_code.py").write_text(code)
        monkeypatch.syspath_prepend(str(folder))

    yield lay
    for name in [name for name in sys.modules if name.endswith("_code")]:
        del sys.modules[name]


def registry():
    return Registry("thing", GROUP, BUILTINS)


def test_builtins_are_found_and_listed():
    assert registry().get("square")(9) == 3
    assert registry().names() == ["square", "tau"]
    assert registry().entries()["tau"].summary == "a number"


def test_listing_imports_no_builtin():
    table = Registry("thing", GROUP, {"absent": Entry("no_such_module:x")})
    assert table.names() == ["absent"]
    with pytest.raises(ModuleNotFoundError):  # a broken built-in is our fault and stays a traceback
        table.get("absent")


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown thing 'sqare'\. Did you mean 'square'\?") as caught:
        registry().get("sqare")
    assert caught.value.nearest == ["square"]
    assert isinstance(caught.value, LookupError)
    assert isinstance(caught.value, KcnnError)
    with pytest.raises(UnknownNameError, match=r"unknown thing 'zzz'\. Known: square, tau\."):
        registry().get("zzz")


def test_the_known_names_may_be_any_iterable():
    error = UnknownNameError("thing", "sqare", (name for name in ("tau", "square")))
    assert "Did you mean 'square'" in str(error)
    assert "Known: square, tau" in str(error)


def test_a_package_adds_a_name_by_its_entry_point(package):
    package("acme", {"wheel": "acme_code:THING", "odd": "acme_code : THING.upper [extra]"})
    table = registry()
    assert table.names() == ["odd", "square", "tau", "wheel"]
    assert table.get("wheel") == "thing"
    assert table.get("odd")() == "THING"
    assert table.entries()["wheel"].owner == "acme"


def test_a_package_of_another_group_is_not_seen(package):
    package("acme", {"wheel": "acme_code:THING"})
    assert "wheel" not in Registry("thing", "kcnn.other", BUILTINS).names()


def test_refresh_finds_what_was_installed_since(package):
    table = registry()
    table.names()
    package("acme", {"wheel": "acme_code:THING"})
    assert "wheel" not in table.names()
    table.refresh()
    assert "wheel" in table.names()


@pytest.mark.parametrize("first", ["kcnn", "acme"])
def test_a_duplicate_names_both_owners(package, first):
    if first == "acme":
        package("acme", {"wheel": "acme_code:THING"})
    name = "wheel" if first == "acme" else "square"
    package("zenith", {name: "zenith_code:THING"})
    with pytest.raises(ConfigError, match=f"thing '{name}' is claimed twice") as caught:
        registry().entries()
    assert f"'{first}'" in str(caught.value)
    assert "'zenith'" in str(caught.value)


@pytest.mark.parametrize(
    ("target", "code", "reason"),
    [
        ("acme_code:THING", "import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("acme_code:THING", "raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("acme_code:MISSING", "", "has no attribute 'MISSING'"),
        ("acme_code", "", "must be 'module:attribute'"),
    ],
)
def test_a_broken_plugin_warns_in_names_and_raises_in_get(package, target, code, reason):
    package("acme", {"wheel": target}, code)
    table = registry()
    with pytest.warns(UserWarning, match="package 'acme' cannot be loaded") as caught:
        assert table.names() == ["square", "tau"]
    assert reason in str(caught[0].message)
    with pytest.raises(ConfigError, match="package 'acme' cannot be loaded") as raised:
        table.get("wheel")
    assert reason in str(raised.value)
    assert table.get("square")(4) == 2  # the rest goes on working


def test_a_name_added_by_hand():
    table = registry()
    table.add("pi", "math:pi", owner="a notebook")
    assert 3.14 < table.get("pi") < 3.15
    with pytest.raises(ConfigError, match="'pi' is claimed twice, by 'a notebook' and by 'this process'"):
        table.add("pi", "math:tau")
    with pytest.raises(ConfigError, match="claimed twice, by 'kcnn'"):
        table.add("square", "math:tau")


@pytest.mark.parametrize("target", ["math", "math:", ":pi", ""])
def test_a_target_without_both_parts_is_refused(target):
    with pytest.raises(ConfigError, match="must be 'module:attribute'"):
        registry().add("pi", target)


def test_the_toy_task_is_found_without_an_install(monkeypatch):
    from kcnn.tasks import TASKS

    before = TASKS.names()
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "plugins"))
    TASKS.refresh()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert TASKS.names() == sorted(["brightness", *before])
        assert TASKS.entries()["brightness"].owner == "kcnn-brightness"
        assert TASKS.get("brightness").name == "brightness"
    finally:
        monkeypatch.undo()
        TASKS.refresh()
