"""Reading weights from files: safetensors of ours and of PyTorch, HDF5 and `.keras` of Keras. Nothing is unpickled."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kcnn import guard
from kcnn.errors import KcnnError, WeightsError
from kcnn.weights.transplant import KerasWeights, TorchWeights

PICKLES = (".pth", ".pt", ".ckpt", ".bin", ".pkl")


def read(path: Path) -> KerasWeights | TorchWeights:
    """Return the weights in `path`.

    Args:
        path: `.safetensors` (names with slashes are Keras', with dots PyTorch's), or `.h5` as keras.applications
            distributes them or `model.save` writes them, or `.keras`.

    Raises:
        WeightsError: there is no such file, it is of another kind, damaged, or made to do harm.
    """
    if not path.is_file():
        raise WeightsError(
            f"there is no weights file {path}. Give a .safetensors, .h5 or .keras file, 'imagenet', or hf:REPO."
        )
    if path.suffix in PICKLES:
        raise WeightsError(
            f"{path} is a pickle, which can run code when it is read. Convert it once: "
            f"python tools/import_weights.py NAME {path.name} {path.stem}.safetensors"
        )
    readers = {".safetensors": _safetensors, ".h5": _hdf5, ".hdf5": _hdf5, ".keras": _keras}
    if path.suffix not in readers:
        raise WeightsError(f"{path} ends in {path.suffix!r} but must be a .safetensors, .h5 or .keras file.")
    try:
        return readers[path.suffix](path)
    except WeightsError:
        raise
    except Exception as error:  # each library raises its own class for each kind of damage
        raise WeightsError(f"{path} cannot be read as {path.suffix[1:]}: {error}. Download it again.") from error


def check_recorded(path: Path, record: Any, error: type[KcnnError]) -> None:
    """Hold weights against model.json beside them.

    Args:
        path: weights.safetensors of a run or bundle.
        record: what model.json holds: the hash of these weights, and while a run is trained anew of those before.

    Raises:
        error: the file is another one, or damaged.
    """
    found = hashlib.sha256(guard.read_bytes(path, error)).hexdigest()
    listed = record if isinstance(record, Mapping) else {}
    if found not in (listed.get("weights_sha256"), listed.get("replaced_sha256")):
        raise error(
            f"{path} was changed or damaged: its sha256 differs from that in model.json. Train or export again, or "
            "restore it from a backup."
        )


def of_names(tensors: Mapping[str, np.ndarray]) -> KerasWeights | TorchWeights:
    """Return weights by "layer/variable" as Keras', by "module.name" as PyTorch's."""
    if any("/" not in name for name in tensors):
        return TorchWeights(tensors)
    layers: dict[str, dict[str, np.ndarray]] = {}
    for name, values in tensors.items():
        layer, _, variable = name.rpartition("/")
        layers.setdefault(layer, {})[variable] = values
    return KerasWeights(layers)


def _safetensors(path: Path) -> KerasWeights | TorchWeights:
    return of_names(tensors(path, WeightsError))


def tensors(path: Path, error: type[KcnnError]) -> dict[str, np.ndarray]:
    """Return name -> array of a safetensors file, which cannot hold more than it weighs.

    Raises:
        error: it is no plain file, or its header is longer than a network's can be.
        Exception: what safetensors raises for damage, such as offsets that overlap.
    """
    import safetensors.numpy

    guard.check_file(path, error)
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > guard.MOST_TEXT:
        raise error(
            f"{path} is not safetensors, or not of a network: its header would have {length:,} bytes, "
            f"but at most {guard.MOST_TEXT:,} are read. Train, export or download it again."
        )
    return safetensors.numpy.load_file(path)


def _hdf5(path: Path) -> KerasWeights:
    from kcnn.weights.foreign import read_applications

    return KerasWeights(read_applications(path))


def _keras(path: Path) -> KerasWeights:
    from kcnn.weights.foreign import read_keras

    return KerasWeights(read_keras(path))
