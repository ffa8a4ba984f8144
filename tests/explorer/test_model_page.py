"""Page 7 in a browser: draw a digit, read the prediction; drop a photo; see maps, kernels and evidence."""

import numpy as np
import pytest
from PIL import Image

from kcnn.explain.methods import METHODS
from kcnn.explorer.model import Opened
from tests.explorer.conftest import CHECKS, serving
from tests.explorer.test_server import png

pytestmark = [pytest.mark.slow]
LABEL = "document.querySelector('[data-result=label]')"


@pytest.fixture(scope="module")
def page(browser, bundle):
    """Page 7 with the bundle that was exported."""
    opened = Opened(bundle)
    server = serving(opened)
    page = browser.page(f"{server.address}#model")
    page.until("document.querySelector('#page-model [data-state=loading]')")
    opened.load()
    page.until("document.querySelector('#page-model [data-state=ready] .drawing')")
    page.run(CHECKS)
    yield page
    page.close()
    server.shutdown()
    server.server_close()
    assert [line for line in page.errors if "422" not in line] == []  # the refused photo, and CAM
    assert [url for url in page.requests if not url.startswith((server.address, "data:", "blob:"))] == []


def test_a_drawn_digit_is_read(page):
    page.drag(".drawing", [(0.5, 0.15), (0.5, 0.3), (0.5, 0.5), (0.5, 0.7), (0.5, 0.85)])
    page.until(f"{LABEL}?.textContent === '1'")
    assert "%" in page.text(".verdict .headline")
    page.run("document.querySelector('#page-model button').click()")


@pytest.mark.parametrize("digit", ["0", "2", "3", "4", "7"])
def test_digits_drawn_by_the_page_are_read(page, digit):
    page.go(f"model?digit={digit}")
    page.until(f"{LABEL}?.textContent === {digit!r}")


def test_maps_kernels_and_evidence_are_shown(page):
    page.go("model?digit=3")
    page.until("document.querySelectorAll('.strip').length === 7 && document.querySelector('.heat canvas')")
    page.click(".strip[data-layer=c3]")
    page.until("document.querySelectorAll('.maps canvas').length === 16")
    assert page.run("document.querySelectorAll('.kernels canvas').length") == 16 * 6
    page.until("location.hash.includes('layer=c3')")
    page.go("model?digit=3&layer=f6")
    page.until("document.querySelectorAll('.maps canvas').length === 1")
    assert "lowers the probability of 3" in page.text(".heat")


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("cam", "occlusion")])
def test_evidence_by_every_method(page, method):
    page.go(f"model?digit=3&about=8&layer=s4&method={method}")
    page.until(f"document.querySelector('[data-result=method]')?.textContent === {method!r}")
    told = page.text(".heat")
    assert ("goes back to" if METHODS[method].kind == "signed" else "speaks for") in told
    assert "8" in told
    assert page.run("getComputedStyle(document.querySelector('#page-model .segments:has([value=gray])')).display") == (
        "none"
    )
    about = page.text("#page-model .card:has(.heat) .hint")
    assert ("The layer is s4" in about) == METHODS[method].takes_layer


def test_a_method_that_does_not_suit_the_network_says_so(page):
    page.go("model?digit=3&method=cam")
    page.until("document.querySelector('#page-model [data-state] > .notice').innerText.includes('use grad_cam')")
    page.go("model?digit=3&method=saliency")
    page.until("document.querySelector('#page-model [data-state] > .notice').hidden")


def test_a_slider_fools_the_network(page):
    page.go("model?digit=3&eps=0")
    page.until("document.querySelector('[data-result=fooled]')?.dataset.eps === '0'")
    assert page.text(".fooled .headline").startswith("It is still 3")
    assert "no change" in page.text(".fooled")
    page.type("#page-model .typed", "120")
    page.until("document.querySelector('[data-result=fooled]').dataset.eps === '120'")
    assert page.text(".fooled .headline").startswith("3 becomes ")
    assert page.run("document.querySelectorAll('.fooled canvas').length") == 3
    page.go("model?digit=3&eps=120&attack=pgd")
    page.until("document.querySelector('.fooled .headline').innerText.startsWith('3 becomes ')")
    assert "by up to 120" in page.text(".fooled")


def test_it_looks_right_for_everybody(page):
    page.go("model?digit=3&layer=c3")
    page.until("document.querySelectorAll('.maps canvas').length === 16 && document.querySelector('.heat canvas')")
    for width in (360, 800, 1400):
        page.size(width, 900)
        assert page.run("checks.wide()") == []
    for theme in ("light", "dark"):
        page.media(prefers_color_scheme=theme, prefers_reduced_motion="reduce")
        assert page.run("checks.faint()") == []
        assert page.run("checks.unnamed()") == []


def test_photos_are_taken_and_bad_ones_explained(page, tmp_path):
    page.go("model?input=photo")
    Image.fromarray(np.full((90, 60, 3), 200, np.uint8)).save(tmp_path / "photo.jpg")
    (tmp_path / "huge.png").write_bytes(png(20_000, 20_000))
    page.give("#page-model input[type=file]", tmp_path / "huge.png")
    page.until("document.querySelector('#page-model [data-state] > .notice').innerText.includes('20,000 x 20,000')")
    page.give("#page-model input[type=file]", tmp_path / "photo.jpg")
    page.until("document.querySelector('#page-model [data-state] > .notice').hidden")
    assert page.run(f"{LABEL}.textContent") in set("0123456789")
