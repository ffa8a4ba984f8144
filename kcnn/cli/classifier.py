"""What the verbs that ask a classifier share: opening its run, and reading a class from the command line."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kcnn.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    import keras

    from kcnn.data.source import Info
    from kcnn.recipe import Recipe


def open_classifier(name: str, work: str) -> tuple[Path, "keras.Model", "Recipe", "Info"]:
    """Open a run or a bundle, or the newest run of a folder.

    Args:
        name: the folder.
        work: what is to be done with it, for the message, as in "attacks".

    Returns: the folder it lies in, its network, recipe and facts of the source.

    Raises:
        ConfigError: it is of another task than classification.
        KcnnError: as `kcnn.train.weights.load_run`.
    """
    from kcnn.export.runner import newest
    from kcnn.train.weights import load_run

    folder = newest(Path(name))
    model, recipe, info = load_run(folder)
    if recipe.task != "classification":
        raise ConfigError(f"{name} is a run of {recipe.task}, but {work} need one of classification.")
    return folder, model, recipe, info


def class_id(text: str, labels: Sequence[str]) -> int:
    """Return the class of a --target, its name or its number.

    Raises:
        UnknownNameError: no class of that name.
        ConfigError: no class of that number.
    """
    if text in labels:
        return labels.index(text)
    if not (text.isascii() and text.isdigit()):
        raise UnknownNameError("class", text, labels)
    if int(text) >= len(labels):
        raise ConfigError(f"--target is {text} but there are {len(labels)} classes, 0 to {len(labels) - 1}.")
    return int(text)


def check_folder(output: Path, files: Iterable[str]) -> None:
    """Keep pictures from being written over the images they are made of.

    Raises:
        ConfigError: `output` is no folder, or the one in which an image lies.
    """
    if output.exists() and not output.is_dir():
        raise ConfigError(f"--output={output} is a file, but pictures need a folder.")
    if output.resolve() in {Path(file).resolve().parent for file in files}:
        raise ConfigError(f"--output={output} is the folder of the images, which pictures could replace; name another.")
