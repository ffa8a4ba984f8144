"""Honest models that hostile files are made of, and that every door must still open."""

from pathlib import Path

import numpy as np


def write_bundle(folder: Path) -> Path:
    """Write a run of tiny_lenet5 as it was born to `folder`/run, and its bundle beside it; return the bundle."""
    from kcnn.data import open_source
    from kcnn.export.bundle import export
    from kcnn.recipe import Data, Export, Model, Preprocess, Recipe
    from kcnn.tasks import TASKS
    from kcnn.train.weights import save_model

    task = TASKS.get("classification")
    recipe = Recipe(
        name="honest",
        data=Data(source="digits", limit=64),
        preprocess=Preprocess(size=(28, 28), channel_order="gray"),
        model=Model(name="tiny_lenet5"),
        export=Export(formats=("fp32",), calibration=4, check_images=8, min_agreement=0.0),
        config=task.config(),
    )
    info = open_source(recipe.data).info
    save_model(folder / "run", task.model(recipe, info), recipe, info)
    return export(folder / "run", folder)


def write_keras(file: Path, name: str) -> None:
    """Write the network `name` as Keras saves it, and beside it a picture and arrays to read."""
    import keras

    import kcnn

    keras.utils.set_random_seed(1)
    kcnn.build(name).save(file)
    pixels = np.random.default_rng(0).integers(0, 256, (400, 28, 28), np.uint8)
    np.savez(file.with_suffix(".npz"), images=pixels, labels=np.arange(400) % 10)
    keras.utils.save_img(str(file.parent / "image.png"), pixels[0][..., None], scale=False)


def write_voc(folder: Path, image: Path) -> None:
    """Write a data set of one annotated picture in VOC's layout."""
    corners = "<xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax>"
    for name in ("Annotations", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    (folder / "JPEGImages" / "a.png").write_bytes(image.read_bytes())
    (folder / "Annotations" / "a.xml").write_text(
        f"<annotation><filename>a.png</filename><object><name>cat</name><bndbox>{corners}</bndbox></object></annotation>"
    )
