"""What the verbs that ask a classifier share: opening its run, and reading a class from the command line."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kcnn.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    import keras

    from kcnn.export.runner import Runner

SUFFIXES = (".tflite", ".keras", ".h5", ".hdf5", ".safetensors", ".zip", ".pb")  # of files that may be taken for models


def open_classifier(name: str, work: str) -> tuple["Runner", "keras.Model"]:
    """Open a run or a bundle, or the newest run of a folder.

    Args:
        name: the folder.
        work: what is to be done with it, for the message, as in "attacks".

    Returns: how it runs, with the facts about it, and its network.

    Raises:
        ConfigError: nothing is there, or it is of another task than classification.
        KcnnError: as `kcnn.train.weights.load_run`.
    """
    from kcnn.export.runner import open_network
    from kcnn.versions import newest

    check_there(name)
    runner, model = open_network(newest(Path(name)))
    if runner.facts.task != "classification":
        raise ConfigError(f"{name} is a run of {runner.facts.task}, but {work} need one of classification.")
    return runner, model


def reads_as_path(name: str) -> bool:
    """Return whether a name cannot be that of a network, but of a file or folder."""
    return "/" in name or os.sep in name or name.startswith((".", "~")) or Path(name).suffix in SUFFIXES


def check_there(name: str) -> None:
    """Check that a path leads somewhere.

    Raises:
        ConfigError: it does not.
    """
    if not Path(name).exists():
        raise ConfigError(f"there is no file or folder {name}; check the path.")


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
