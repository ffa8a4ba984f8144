"""Reading a PyTorch file of the older layout without PyTorch, by an unpickler that builds tensors and nothing else."""

import collections
import pickle
import struct
from pathlib import Path

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class Tensors(pickle.Unpickler):
    """Knows storages and how tensors look into them; every other name is refused."""

    def __init__(self, file):
        super().__init__(file)
        self.storages: dict[str, np.ndarray] = {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch" and name in TYPES:
            return name
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *parts: parts[:4]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")

    def persistent_load(self, pid):
        _, kind, key, _, count, _ = pid
        self.storages[key] = np.empty(count, TYPES[kind])
        return key


def read(path: Path) -> dict[str, np.ndarray]:
    """Return name -> array of a state dictionary."""
    with open(path, "rb") as file:
        if Tensors(file).load() != MAGIC:
            raise ValueError(f"{path} is not of the older layout")
        Tensors(file).load(), Tensors(file).load()
        state = Tensors(file)
        tensors = state.load()
        for key in Tensors(file).load():
            (count,) = struct.unpack("<q", file.read(8))
            storage = state.storages[key]
            assert count == storage.size
            storage[:] = np.frombuffer(file.read(storage.nbytes), storage.dtype)
    return {name: view(state.storages[key], *where) for name, (key, *where) in tensors.items()}


def view(storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> np.ndarray:
    """Return the tensor that looks into `storage` with these strides, counted in elements."""
    steps = [step * storage.itemsize for step in stride]
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(storage[offset:], size, steps))
