"""Files to answers: every kind of file, the same pixels everywhere, one bad file at a time."""

import io
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kcnn.data.pipeline import read_batch
from kcnn.export.predict import BATCH, find_files, predict_files, reader
from kcnn.export.runner import open_model
from kcnn.tasks import TASKS

ODD = [
    "cmyk.jpg",
    "exif6.jpg",
    "palette.png",
    "palette_alpha.png",
    "sixteen.png",
    "gray_alpha.png",
    "moving.gif",
    "p.bmp",
]


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """One picture, red to blue across and dark to light down, saved in the ways that trip decoders."""
    folder = tmp_path_factory.mktemp("odd")
    across, down = np.meshgrid(np.arange(60), np.arange(50))
    rgb = Image.fromarray(np.stack([across * 4, down * 5, 240 - across * 4], -1).astype(np.uint8))
    rgb.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb.save(folder / "exif6.jpg", exif=exif, quality=95)
    rgb.convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "palette.png")
    rgb.convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "palette_alpha.png", transparency=0)
    Image.fromarray((down * 1300).astype(np.uint16)).save(folder / "sixteen.png")
    rgb.convert("LA").save(folder / "gray_alpha.png")
    rgb.save(folder / "moving.gif", save_all=True, append_images=[rgb.rotate(90)], duration=50)
    rgb.save(folder / "p.bmp")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_the_same_pixels_in_training_predict_and_both_exports(odd, flowers, name):
    """What `predict` makes of the file is what training reads, and what serve_bytes sees; LiteRT takes the same."""
    from kcnn.data.splits import file_split

    path = str(odd / name)
    runner = open_model(flowers)
    prediction, pixels = reader(runner)(path)
    assert prediction.error is None
    assert prediction.image.shape == ((60, 50, 3) if name == "exif6.jpg" else (50, 60, 3))
    trained, _ = read_batch(file_split([path], np.zeros(1, np.int32)), runner.preprocess, tf.constant([0], tf.int64))
    np.testing.assert_array_equal(pixels, trained[0])

    expected = open_model(flowers, format="keras").predict(pixels[None])["probabilities"]
    signatures = tf.saved_model.load(str(flowers / "saved_model")).signatures
    served = signatures["serve_bytes"](contents=tf.constant([(odd / name).read_bytes()]))["probabilities"]
    np.testing.assert_allclose(served, expected, atol=1e-6)
    unresized = signatures["serving_default"](images=tf.constant(prediction.image[None]))["probabilities"]
    np.testing.assert_allclose(unresized, expected, atol=1e-6)
    lite = open_model(flowers, format="fp32").predict(pixels[None])["probabilities"]
    np.testing.assert_allclose(lite, expected, atol=1e-5)


def test_one_bad_file_does_not_stop_the_rest(odd, bundle, tmp_path):
    """More files than a batch holds; the bad ones keep their places."""
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "cut.png").write_bytes((odd / "palette.png").read_bytes()[:200])
    (tmp_path / "empty.gif").touch()
    (tmp_path / "folder").mkdir()
    good = [str(odd / name) for name in ODD]
    bad = [str(tmp_path / name) for name in ("text.jpg", "cut.png", "empty.gif", "folder", "nowhere.png")]
    files = [bad[0], *good, *bad[1:], *good, *bad]
    assert len(files) > BATCH
    runner = open_model(bundle / "model_int8.tflite")
    answers = list(predict_files(runner, TASKS.get("classification"), files))
    assert [answer.file for answer in answers] == files
    for answer in answers:
        assert (answer.error is None) == (answer.file in good)
        assert (answer.values is None) == (answer.file in bad)
    reasons = {answer.file: answer.error for answer in answers}
    assert reasons[bad[0]].startswith("it is text, not an image")
    assert reasons[bad[1]].startswith("PNG cut short")
    assert "0 bytes" in reasons[bad[2]]
    assert reasons[bad[3]] == "folder without an image"
    assert reasons[bad[4]] == "No such file or directory"
    assert all("\n" not in reasons[name] and "{{" not in reasons[name] for name in bad)


def test_every_row_gets_its_own_answer(bundle, digits, tmp_path):
    runner = open_model(bundle)
    expected = runner.predict(digits["image"][:20])["probabilities"].argmax(-1)
    files = []
    for index, image in enumerate(digits["image"][:20]):
        files.append(str(tmp_path / f"{index:02d}.png"))
        Image.fromarray(image[..., 0]).save(files[-1])
    answers = list(predict_files(runner, TASKS.get("classification"), find_files([str(tmp_path)])))
    assert [answer.file for answer in answers] == files
    assert [answer.values["class_id"] for answer in answers] == expected.tolist()
    assert len(set(expected)) > 3


def test_find_files(tmp_path):
    for name in ("b.PNG", "a.jpg", "sub/c.bmp", "notes.txt", "odd[1].png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "none").mkdir()

    def names(*given):
        return [path.removeprefix(f"{tmp_path}/") for path in find_files(str(tmp_path / name) for name in given)]

    assert names("") == ["a.jpg", "b.PNG", "odd[1].png", "sub/c.bmp"]
    assert names("*.jpg", "**/*.bmp") == ["a.jpg", "sub/c.bmp"]
    assert names("notes.txt", "none", "*.tif") == ["notes.txt", "none", "*.tif"]
    assert names("odd[1].png") == ["odd[1].png"]


def test_a_bomb_is_refused_from_its_header(bundle, tmp_path):
    """A PNG of a few bytes that claims 60,000 x 60,000 pixels."""
    small = io.BytesIO()
    Image.new("L", (1, 1)).save(small, "PNG")
    content = bytearray(small.getvalue())
    content[16:24] = (60000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(content)
    prediction, pixels = reader(open_model(bundle / "model_int8.tflite"))(str(tmp_path / "bomb.png"))
    assert pixels is None
    assert "60,000 x 60,000 pixels" in prediction.error


def test_hidden_entries_are_passed_over_in_folders(tmp_path):
    for name in ("a.jpe", ".hidden/b.jpg", "__MACOSX/c.jpg", "deep/d.PNG", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(find_files([str(tmp_path)])) == [str(tmp_path / "a.jpe"), str(tmp_path / "deep" / "d.PNG")]


def test_an_answer_that_is_not_finite_is_an_error_of_its_file(bundle, tmp_path):
    import dataclasses

    runner = open_model(bundle)
    broken = dataclasses.replace(runner, _call=lambda images: {"probabilities": np.full((len(images), 10), np.nan)})
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    (answer,) = predict_files(broken, TASKS.get("classification"), [str(tmp_path / "a.png")])
    assert "not finite" in answer.error
