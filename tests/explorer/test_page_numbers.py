"""The page's numbers are those of kcnn.ops.arithmetic, and those that the lectures give."""

import itertools
import json
import random

import pytest

from kcnn.errors import ConfigError, ShapeError
from kcnn.ops import arithmetic
from kcnn.ops.arithmetic import Window

pytestmark = [pytest.mark.slow]


def settings(count=520):
    """Settings of page 2, some a full grid and the others drawn by chance, forwards and transposed."""
    grid = itertools.product((1, 4, 7), (1, 3), (1, 2, 3), ("valid", "same", "even", "full", 0, 2), (1, 2))
    rows = [(n, k, s, padding, d, False, 0) for n, k, s, padding, d in grid]
    chance = random.Random(0)
    while len(rows) < count:
        n, k, s, d = chance.randint(1, 9), chance.randint(1, 5), chance.randint(1, 4), chance.randint(1, 3)
        transposed = chance.random() < 0.7
        extra = chance.randint(0, s - 1) if transposed else 0
        padding = chance.choice(("valid", "same", "even", "full", chance.randint(0, 4)))
        rows.append((n, k, s, padding, d, transposed, extra))
    return rows


def expected(row):
    n, k, s, padding, d, transposed, extra = row
    window = Window(k, s, padding, d)
    try:
        if transposed:
            return window.transposed(n, None if padding == "same" else extra)
        return window.output(n)
    except ShapeError:
        return None


def address(row):
    n, k, s, padding, d, transposed, extra = row
    pad = f"pad=number&p={padding}" if isinstance(padding, int) else f"pad={padding}"
    return f"sizes?n={n}&k={k}&s={s}&{pad}&d={d}&transposed={int(transposed)}&extra={extra}&step=0"


def test_five_hundred_sizes_equal_the_library(page):
    rows = settings()
    shown = page.run(f"checks.sizes({json.dumps([address(row) for row in rows])})")
    wrong = [(row, got, expected(row)) for row, got in zip(rows, shown, strict=True) if got != expected(row)]
    assert wrong == []
    assert sum(size is None for size in shown) > 10  # empty outputs are among them
    assert sum(row[5] for row in rows) > 150


def test_what_the_stride_leaves_over_equals_the_library(page):
    cases = list(itertools.product(range(1, 12), (1, 2, 3, 5), (1, 2, 3), (0, 1, 2), (1, 2)))
    got = page.run(
        f"{json.dumps(cases)}.map((c) => {{ try {{ return kcnn.arithmetic.leftover(...c) }} catch {{ return null }} }})"
    )
    for (n, k, s, p, d), left in zip(cases, got, strict=True):
        window = Window(k, s, p, d)
        try:
            assert left == window.unused(n), (n, k, s, p, d)
        except ShapeError:
            assert left is None


def test_random_stacks_have_the_receptive_field_of_the_library(page):
    chance = random.Random(1)
    for _ in range(30):
        layers = [
            (chance.randint(1, 7), chance.randint(1, 3), chance.randint(1, 4), chance.randint(0, 3))
            for _ in range(chance.randint(1, 8))
        ]
        stack = ".".join(f"c{k}s{s}d{d}p{p}" for k, s, d, p in layers)
        page.go(f"receptive?stack={stack}")
        shown = page.run(
            "[...document.querySelectorAll('.layers tbody tr')].map((r) => ['reach', 'jump', 'start'].map((c) =>"
            "Number(r.querySelector('.' + c).textContent.replace('−', '-').replaceAll(',', ''))))"
        )
        wanted = arithmetic.receptive_field(Window(k, s, p, d) for k, s, d, p in layers)
        assert shown == [[r.field, r.jump, r.start] for r in wanted]


# Published: Araujo 2019 (Distill, "Computing Receptive Fields"); the others by hand, k + (k - 1) * strides before.
@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Five 3×3", 11),
        ("Three 3×3", 7),
        ("One 7×7", 7),
        ("3×3, stride 2", 7),
        ("Dilated 1, 2, 4, 8", 31),
        ("WaveNet", 1024),
        ("AlexNet, pool5", 195),
        ("VGG-16, pool5", 212),
    ],
)
def test_stacks_of_the_lectures(page, name, field):
    page.go("receptive")
    page.run(f"checks.press({name!r})")
    assert page.run("document.querySelector('[data-result=field]').textContent") == f"{field:,}"


def costs(page, preset):
    page.go("counting")
    page.run(
        f"[...document.querySelectorAll('#page-counting .preset')].find((b) => b.innerText === {preset!r}).click()"
    )
    return {row["name"]: row for row in page.run("checks.costs()")}


def test_dense_layers_of_the_lectures(page):
    assert costs(page, "64×64 gray → 500")["Fully connected"]["weights"] == 2_048_000
    assert costs(page, "64×64 colour → 500")["Fully connected"]["weights"] == 6_144_000
    assert costs(page, "512×512 → 1000")["Fully connected"]["weights"] == 262_144_000
    assert "7,111 times fewer" in (page.go("counting") or page.text(".told"))  # 2,048,000 / 288


def test_convolutions_of_the_lectures(page):
    assert costs(page, "ten 5×5 filters")["Standard"]["params"] == 760
    assert "a bias: 76 parameters" in page.text(".told")
    reduced = costs(page, "1×1 reduction")
    assert reduced["Directly"]["macs"] == 120_422_400
    assert reduced["Through 1 × 1"]["macs"] == 12_443_648
    inception = costs(page, "naive Inception")
    assert inception["Naive module, all branches"]["macs"] == 854_196_224
    assert inception["With 1 × 1 bottlenecks"]["macs"] == 271_351_808
    vgg = costs(page, "VGG-16")
    assert vgg["VGG-16"]["params"] == 138_357_544
    assert vgg["Its three dense layers"]["params"] == 123_642_856
    assert "15,237,608 values" in page.text(".told")
    assert "61 MB in float32" in page.text(".told")


def test_kinds_of_convolution_cost_what_the_library_says(page):
    for n, c, k, f, p in [(14, 512, 3, 512, 1), (32, 3, 5, 10, 2), (7, 6, 1, 9, 0), (9, 4, 4, 2, 1)]:
        page.go(f"counting?show=kinds&n={n}&c={c}&k={k}&f={f}&p={p}")
        rows = {row["name"]: row for row in page.run("checks.costs()")}
        out = arithmetic.output_shape((n, n), k, padding=p)
        for name, cost in {
            "Standard": arithmetic.convolution(out, k, c, f),
            "Depthwise separable": arithmetic.separable(out, k, c, f),
            "… its depthwise part": arithmetic.depthwise(out, k, c),
            "1 × 1": arithmetic.convolution((n, n), 1, c, f),
        }.items():
            assert (rows[name]["params"], rows[name]["macs"]) == (cost.params, cost.macs), (name, n, c, k, f)


def maps(page, hash):
    """Return the input, map and rectified map that page 1 shows, as lists of texts."""
    page.go(hash)
    return page.run("[...document.querySelectorAll('#page-kernel .grid')].map(checks.numbers)")


def test_the_maps_of_the_lectures(page):
    _, step, _ = maps(page, "kernel?input=step&kernel=edge&all=1")
    assert step == ["0", "765", "765", "0"] * 4
    _, crossed, _ = maps(page, "kernel?input=binary&kernel=cross&all=1")
    assert crossed == ["4", "3", "4", "2", "4", "3", "2", "3", "4"]
    _, sobel, after = maps(page, "kernel?input=nine&kernel=sobel_x&all=1")
    assert (sobel, after) == (["8"], ["8"])
    assert "sum of the positive products only" in page.text("#page-kernel .notes")
    assert maps(page, "kernel?input=nine&kernel=laplacian&all=1")[1] == ["0"]
    assert "9 multiplications and 8 additions" in page.text("#page-kernel .notes")


def test_convolution_turns_the_kernel_and_relu_cuts(page):
    _, plain, after = maps(page, "kernel?input=diagonal&kernel=sobel_x&all=1")
    _, turned, turned_after = maps(page, "kernel?input=diagonal&kernel=sobel_x&mode=convolution&all=1")
    opposite = {"−": "", "0": ""}
    assert turned == [opposite.get(text[0], "−") + text.lstrip("−") for text in plain]
    assert "−" in "".join(turned)
    assert [after, turned_after] == [["0" if text[0] == "−" else text for text in texts] for texts in (plain, turned)]
    blurred = "kernel?input=seven&kernel=gauss&all=1"
    assert maps(page, blurred)[1] == maps(page, f"{blurred}&mode=convolution")[1]


def test_every_window_is_filled_in_one_step_each(page):
    page.go("kernel?input=binary&kernel=cross&step=3")
    shown = page.run("[...document.querySelectorAll('#page-kernel .grid.out')][0].textContent")
    assert shown == "4342"  # steps A to D
    assert page.text("#page-kernel .readout") == "position 1,0"
    assert page.text("[data-result=sum]") == "2"


def test_links_of_one_unit(page):
    def links(hash):
        page.go(f"receptive?show=links&n=7&{hash}")
        return page.run("[...document.querySelectorAll('[data-result=links]')].map((e) => Number(e.textContent))")

    assert links("unit=4&from=below") == [3, 7]  # x4 touches three outputs, or all seven
    assert links("unit=4&from=above") == [3, 7]
    assert links("unit=1&from=above") == [2, 7]
    assert links("from=sharing") == [7, 1]  # the middle weight everywhere; a dense weight once


def test_yolo_nms_and_pooling(page):
    page.go("boxes?show=yolo")
    assert page.text("[data-result=values]") == "1,470"  # 7 x 7 x (5 * 2 + 20), Redmon 2016, section 2
    page.go("boxes?show=nms&step=9")
    assert page.run("document.querySelector('.scene-box[data-kept]').dataset.kept") == "4"
    page.go("boxes?show=nms&step=9&threshold=0.9")
    assert page.run("document.querySelector('.scene-box[data-kept]').dataset.kept") == "8"
    page.go("boxes?show=iou&ax=0&ay=0&aw=2&ah=2&bx=1&by=0&bw=2&bh=2")
    assert page.text("[data-result=iou]") == "0.333"  # 2 shared of 6
    page.go("pooling?n=8&size=2&s=2")
    assert page.text("#page-pooling [data-result=size]") == str(arithmetic.pooling(2).output(8))


def test_transposed_patches_add_up(page):
    page.go("pooling?show=overlap&inputs=2&k=3&stride=2&step=1&seed=3")
    shown = "[...document.querySelectorAll('#page-pooling .grid')].filter((g) => g.checkVisibility())"
    grids = page.run(f"{shown}.map(checks.numbers)")
    (a, b), kernel, _, total = [[int(t) for t in grid if t] for grid in grids]
    assert kernel == [1, 2, 1]
    assert total == [a, 2 * a, a + b, 2 * b, b]


def test_settings_refused_here_are_refused_there():
    with pytest.raises(ConfigError, match="below the stride"):
        Window(3, 2, 1).transposed(3, 2)
