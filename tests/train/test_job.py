"""What is made from a recipe before training."""

import dataclasses

import keras
import numpy as np
import pytest
import toy

from kcnn.data.masks import Coding
from kcnn.data.splits import file_split, mask_split
from kcnn.data.verify import BadExample
from kcnn.errors import UnknownNameError
from kcnn.train import job
from tests.tasks.segmentation import sources


def made(lines, source=None, **settings):
    return job.prepare(toy.make_recipe(**settings), source or toy.make_source(), lines)


def test_steps_and_batches(lines):
    found = made(lines, batch_size=40, epochs=2)
    assert found.steps_per_epoch == 4
    sizes = [len(labels) for _, labels in found.training(0)]
    assert sizes == [40, 40, 40, 30] * 2
    late = [labels.numpy() for _, labels in found.training(5)]
    for one, other in zip(late, [labels.numpy() for _, labels in found.training(0)][5:], strict=True):
        np.testing.assert_array_equal(one, other)
    assert sum(len(labels) for _, labels in found.validation()["validation_data"]) == 40


def test_the_same_seed_makes_the_same_weights(lines):
    first, same, other = made(lines, seed=3), made(lines, seed=3), made(lines, seed=4)
    np.testing.assert_array_equal(first.model.get_weights()[0], same.model.get_weights()[0])
    assert not np.array_equal(first.model.get_weights()[0], other.model.get_weights()[0])


def test_mixed_precision_is_the_models_and_not_the_processes(lines):
    found = made(lines, precision="mixed_bfloat16")
    assert found.model.get_layer("conv").compute_dtype == "bfloat16"
    assert found.model.get_layer("conv").kernel.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_unreadable_images_are_left_out_and_told(lines, monkeypatch):
    bad = [BadExample(i, f"photo{i}.jpg", "truncated") for i in range(10)]
    seen = []
    task = dataclasses.replace(
        toy.TASK,
        dataset=lambda *a, bad, **k: seen.append(bad),
        compile=lambda model, recipe, steps, counts: (
            seen.append(counts),
            toy.compile_model(model, recipe, steps, counts),
        ),
    )
    monkeypatch.setattr(toy, "TASK", task)
    monkeypatch.setattr("kcnn.data.verify.scan", lambda split, share, advance: bad if split.size == 150 else [])
    source = toy.make_source()
    source.splits.update({n: dataclasses.replace(split, arrays=None) for n, split in source.splits.items()})
    found = made(lines, source)
    assert found.bad["train"] == frozenset(range(10))
    assert found.steps_per_epoch == 9  # 140 images in batches of 16
    assert seen[0].tolist() == [35, 35, 35, 35]
    found.training(0)
    assert seen[1] == frozenset(range(10))
    assert found.left_out["train"][0] == {"name": "photo0.jpg", "reason": "truncated"}
    assert lines.warnings[0] == "left out: photo0.jpg: truncated"
    assert "5 more unreadable images" in lines.warnings[-1]


def test_the_fingerprint_follows_labels_and_left_out_images(lines):
    plain = made(lines)
    assert plain.fingerprint() == made(lines).fingerprint()
    other = toy.make_source()
    other.splits["train"].labels[3] += 1
    assert made(lines, other).fingerprint() != plain.fingerprint()
    one = BadExample(1, "photo1.jpg", "truncated")
    fewer = dataclasses.replace(plain, unreadable={**plain.unreadable, "train": (one,)})
    assert (fewer.bad["train"], fewer.left_out["train"]) == (
        frozenset({1}),
        [{"name": "photo1.jpg", "reason": "truncated"}],
    )
    assert fewer.fingerprint() != plain.fingerprint()


def test_the_fingerprint_follows_the_names_of_files_and_not_their_place(lines):
    plain = made(lines)

    def of_files(*files):
        labels = np.array([0, 0, 1], np.int32)
        source = dataclasses.replace(plain.source, splits={"train": file_split(files, labels)})
        return dataclasses.replace(plain, source=source).fingerprint()

    first = of_files("/data/train/a/1.png", "/data/train/a/2.png", "/data/train/b/1.png")
    assert of_files("/moved/a/1.png", "/moved/a/2.png", "/moved/b/1.png") == first
    assert of_files("moved/a/1.png", "moved/a/2.png", "moved/b/1.png") == first
    assert of_files("/data/train/a/1.png", "/data/train/a/3.png", "/data/train/b/1.png") != first
    assert of_files("/data/train/a/2.png", "/data/train/a/1.png", "/data/train/b/1.png") != first
    assert of_files("/data/train/a/\udcff.png", "/data/train/a/2.png", "/data/train/b/1.png") != first  # no UTF-8


def test_defaults_of_the_task_are_filled_in():
    recipe = dataclasses.replace(toy.make_recipe(), config=None)
    assert job.resolve(recipe).config == toy.ToyConfig()
    with pytest.raises(UnknownNameError, match="toyy"):
        job.resolve(dataclasses.replace(recipe, task="toyy"))


def test_the_fingerprint_follows_the_names_of_masks(lines):
    plain = made(lines)

    def of_masks(*masks):
        split = mask_split(["/data/images/1.png", "/data/images/2.png"], masks, Coding.of_ids(2))
        source = dataclasses.replace(plain.source, splits={"train": split})
        return dataclasses.replace(plain, source=source).fingerprint()

    first = of_masks("/data/masks/1.png", "/data/masks/2.png")
    assert of_masks("/data/masks/1.png", "/data/masks/2.png") == first
    assert of_masks("/data/masks/2.png", "/data/masks/1.png") != first


def test_a_class_that_no_pixel_shows_is_told(lines):
    """Masks of 0 and 255, as many tools write them, say "ignore" where they mean class 1."""
    images, masks = sources.scenes(4, classes=2)
    recipe = sources.recipe(class_balance=0.5)
    job.prepare(recipe, sources.source(classes=2), lines)
    assert not lines.warnings
    white = images, np.where(masks == 1, 255, masks).astype("uint8")
    job.prepare(recipe, sources.source(classes=2, train=white), lines)
    assert lines.warnings == ["nothing to learn from shows brick; `kcnn check` counts what there is of each class."]
