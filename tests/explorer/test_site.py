"""The page's files, and the page as one file."""

import re

import pytest

from kcnn.cli.main import run
from kcnn.errors import ConfigError
from kcnn.explorer import site
from tests.explorer.views import VIEWS


def test_the_page_is_small_and_knows_no_other_place():
    assert sum(len(text.encode()) for text in site.files().values()) < 300_000
    assert len(site.single_page().encode()) < 300_000
    links = set(re.findall(r"https?://[^\s\"'`<>]+", site.single_page()))
    assert links == {"http://www.w3.org/2000/svg"}  # a name, not a place


def test_only_files_of_the_page_are_listed():
    assert {"index.html", "main.js", "style.css"} < set(site.files())
    assert all(re.fullmatch(r"\w+\.(html|css|js)", name) for name in site.files())


def test_nothing_is_left_to_load():
    page = site.single_page()
    assert not re.search(r"^(import|export)\b", page, re.M)
    assert "src=" not in page
    assert 'rel="stylesheet"' not in page
    assert page.count("</script>") == 1


def test_each_module_comes_once_and_after_what_it_imports():
    bundle = site.bundle()
    order = re.findall(r"^modules\['(.+?)'\] = ", bundle, re.M)
    assert sorted(order) == sorted(name for name in site.files() if name.endswith(".js"))
    for name in order:
        for other in re.findall(r'from "\./(.+?)"', site.files()[name]):
            assert order.index(other) < order.index(name)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"main.js": 'import { a } from "./a.js";\n', "a.js": 'import { b } from "./main.js";\n'},
            "in a circle: main.js",
        ),
        ({"main.js": "export default 3;\n"}, "form that the single page cannot take in"),
        ({"main.js": 'import x from "./x.js";\n'}, "form that the single page cannot take in"),
    ],
)
def test_modules_in_another_form_are_refused(monkeypatch, files, said):
    monkeypatch.setattr(site, "files", lambda: files)
    with pytest.raises(ConfigError, match=said):
        site.bundle()


def test_export_writes_one_file_and_says_how_large(tmp_path, capsys):
    assert run(["explore", f"--export={tmp_path / 'site'}"]) == 0
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["index.html"]
    assert (tmp_path / "site/index.html").read_text() == site.single_page()
    assert "KiB" in capsys.readouterr().out


def test_export_does_not_write_over_a_file_and_takes_no_model(tmp_path, capsys):
    (tmp_path / "site").write_text("mine")
    assert run(["explore", f"--export={tmp_path / 'site'}"]) == 2
    assert "is a file" in capsys.readouterr().err
    assert (tmp_path / "site").read_text() == "mine"
    assert run(["explore", str(tmp_path), "--export=there"]) == 2
    assert "leave out MODEL" in capsys.readouterr().err


@pytest.mark.slow
def test_the_single_file_works_by_a_double_click(browser, tmp_path):
    file = site.export(tmp_path / "site")
    page = browser.page(file.as_uri())
    for view in VIEWS:
        page.go(view)
        assert page.run("document.querySelector('article:not([hidden]) h1').checkVisibility()")
    page.go("sizes?n=5&p=0")
    assert page.text("[data-result=size]") == "3"
    page.go("model")
    assert "kcnn explore saved_models/digits_lenet5" in page.text("#page-model .code")
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith((file.as_uri(), "data:", "blob:"))] == []
    page.close()
