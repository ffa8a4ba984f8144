"""Reading weights from files: safetensors of ours and of PyTorch, HDF5 of keras.applications. Nothing is unpickled."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kcnn.errors import WeightsError
from kcnn.weights.transplant import KerasWeights, TorchWeights

PICKLES = (".pth", ".pt", ".ckpt", ".bin", ".pkl")


def read(path: Path) -> KerasWeights | TorchWeights:
    """Return the weights in `path`.

    Args:
        path: `.safetensors` (names with slashes are Keras', with dots PyTorch's), or `.h5` as keras.applications
            distributes them.

    Raises:
        WeightsError: there is no such file, it is of another kind, or damaged.
    """
    if not path.is_file():
        raise WeightsError(f"there is no weights file {path}. Give a .safetensors or .h5 file, 'imagenet', or hf:REPO.")
    if path.suffix in PICKLES:
        raise WeightsError(
            f"{path} is a pickle, which can run code when it is read. Convert it once: "
            f"python tools/import_weights.py NAME {path.name} {path.stem}.safetensors"
        )
    readers = {".safetensors": _safetensors, ".h5": _hdf5}
    if path.suffix not in readers:
        raise WeightsError(f"{path} ends in {path.suffix!r} but must be a .safetensors or .h5 file.")
    try:
        return readers[path.suffix](path)
    except WeightsError:
        raise
    except Exception as error:  # each library raises its own class for each kind of damage
        raise WeightsError(f"{path} cannot be read as {path.suffix[1:]}: {error}. Download it again.") from error


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
    import safetensors.numpy

    return of_names(safetensors.numpy.load_file(path))


def _hdf5(path: Path) -> KerasWeights:
    import h5py

    with h5py.File(path) as file:
        root = file.get("model_weights", file)
        if "layer_names" not in root.attrs:
            raise WeightsError(
                f"{path} is not in the layout of keras.applications' files (it has no 'layer_names'). For one that "
                "`model.save_weights` wrote, build the model and call `model.load_weights`."
            )
        layers = {}
        for layer in map(_text, root.attrs["layer_names"]):
            names = [_text(name) for name in root[layer].attrs["weight_names"]]
            layers[layer] = {_variable(name): np.asarray(root[layer][name]) for name in names}
    return KerasWeights({layer: variables for layer, variables in layers.items() if variables})


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _variable(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[0]
