"""A run trained for seconds and its bundle, made once for all tests of `kcnn.export`."""

import dataclasses
from pathlib import Path

import pytest

from kcnn.recipe import Data, Export, Model, Preprocess, Recipe, Train


def trained(folder: Path, recipe: Recipe) -> Path:
    """Train `recipe` with plain `fit` and write the run's five files into `folder`."""
    import keras
    import numpy as np

    from kcnn.data import open_source
    from kcnn.data.pipeline import steps_per_epoch
    from kcnn.tasks import TASKS
    from kcnn.train.weights import save_model

    keras.utils.set_random_seed(0)
    task = TASKS.get(recipe.task)
    recipe = dataclasses.replace(recipe, config=task.config())
    source = open_source(recipe.data)
    training = source.split("train")
    steps = steps_per_epoch(training.size, recipe.train.batch_size)
    model = task.model(recipe, source.info)
    task.compile(model, recipe, steps, np.bincount(training.labels))
    model.fit(
        task.dataset(recipe, source, "train", training=True),
        steps_per_epoch=steps,
        epochs=recipe.train.epochs,
        verbose=0,
    )
    save_model(folder, model, recipe, source.info)
    return folder


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """A run of tiny_lenet5 on digits, good enough that its answers are not ties."""
    recipe = Recipe(
        name="tiny_digits",
        data=Data(source="digits"),
        preprocess=Preprocess(size=(28, 28), channel_order="gray"),
        model=Model(name="tiny_lenet5"),
        train=Train(epochs=3),
        export=Export(calibration=50, check_images=100, min_agreement=0.95),
    )
    return trained(tmp_path_factory.mktemp("runs") / "tiny_digits", recipe)


@pytest.fixture(scope="session")
def bundle(run, tmp_path_factory) -> Path:
    """The bundle of `run` with all four LiteRT formats."""
    from kcnn.export.bundle import export

    return export(run, tmp_path_factory.mktemp("saved_models"))


@pytest.fixture(scope="session")
def flowers(shared_data, tmp_path_factory) -> Path:
    """The bundle of a colour model trained for seconds on real photos, 48x40 pixels to tell width from height."""
    from kcnn.export.bundle import export

    recipe = Recipe(
        name="tiny_flowers",
        data=Data(source=str(shared_data / "flowers_mini")),
        preprocess=Preprocess(size=(48, 40), mean=(0.48, 0.45, 0.41), std=(0.23, 0.22, 0.22)),
        model=Model(name="tiny_mobilenet_v2"),
        train=Train(epochs=8),
        export=Export(calibration=50, check_images=50, min_agreement=0.6),
    )
    folder = tmp_path_factory.mktemp("flowers")
    return export(trained(folder / "run", recipe), folder / "saved_models")


@pytest.fixture(scope="session")
def digits():
    """One hundred test digits as resized uint8 images with their labels."""
    from kcnn.data import open_source
    from kcnn.export.samples import sample

    record = Preprocess(size=(28, 28), channel_order="gray")
    return sample(open_source("digits").split("test"), record, 100)


def without_metadata(file: Path, target: Path) -> Path:
    """Write the LiteRT model `file` to `target` as the converter would leave it, without metadata and archive."""
    from kcnn.export import flatbuffer
    from kcnn.export.metadata import BUFFER

    model = flatbuffer.read_model(file)
    for item in model.metadata:
        if item.name == BUFFER.encode():
            model.buffers[item.buffer].data = None
    model.metadata = [item for item in model.metadata if item.name != BUFFER.encode()]
    target.write_bytes(flatbuffer.pack_model(model))
    return target
