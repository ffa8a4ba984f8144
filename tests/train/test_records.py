"""log.csv and curves.png."""

import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from kcnn.train.records import draw_curves, write_log

HISTORY = [
    {"epoch": i, "step": 10 * i, "learning_rate": 0.1 / i, "loss": 1 / i, "accuracy": 1 - 1 / i, "val_loss": 1.2 / i}
    for i in range(1, 6)
]


def test_the_log_is_exact(tmp_path):
    write_log(tmp_path / "log.csv", HISTORY[:2])
    assert (tmp_path / "log.csv").read_bytes() == (
        b"epoch,step,learning_rate,accuracy,loss,val_loss\n1,10,0.1,0.0,1.0,1.2\n2,20,0.05,0.5,0.5,0.6\n"
    )


def test_numbers_that_come_late_have_a_column(tmp_path):
    write_log(tmp_path / "log.csv", [HISTORY[0], {**HISTORY[1], "extra": 3}])
    assert (tmp_path / "log.csv").read_text().splitlines()[1:] == ["1,10,0.1,0.0,,1.0,1.2", "2,20,0.05,0.5,3,0.5,0.6"]


def pixels(path):
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB")).astype(int)


def count(image, colour):
    return int((np.abs(image - np.array(colour)).sum(-1) < 30).sum())


def test_curves_show_training_validation_and_the_kept_epoch(tmp_path):
    draw_curves(tmp_path / "plain.png", HISTORY, "run")
    draw_curves(tmp_path / "best.png", HISTORY, "run", best=HISTORY[2])
    plain, best = pixels(tmp_path / "plain.png"), pixels(tmp_path / "best.png")
    assert plain.shape == (396, 1386, 3)  # loss, accuracy, learning rate
    gray, blue, red = (0x9A, 0xA5, 0xB1), (0x1F, 0x6F, 0xEB), (0xD1, 0x24, 0x2F)
    assert count(plain, gray) > 200
    assert count(plain, blue) > 200
    assert count(plain, red) == 0
    assert count(best, red) > 20


def test_one_epoch_is_visible_and_none_draws_nothing(tmp_path):
    draw_curves(tmp_path / "one.png", HISTORY[:1], "run")
    assert count(pixels(tmp_path / "one.png"), (0x1F, 0x6F, 0xEB)) > 10
    draw_curves(tmp_path / "none.png", [], "run")
    assert not (tmp_path / "none.png").exists()


def test_the_learning_rate_is_drawn_from_zero(tmp_path, monkeypatch):
    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **how: drawn.append(self) or save(self, *args, **how))
    draw_curves(tmp_path / "curves.png", HISTORY, "run")
    (figure,) = drawn
    assert figure.axes[-1].get_title(loc="left") == "learning rate"
    assert figure.axes[-1].get_ylim()[0] == 0
