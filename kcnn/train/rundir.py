"""The run folder: where each file lies, and the lock that keeps a second process out."""

import contextlib
import fcntl
import json
import os
import platform
import shutil
import socket
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from kcnn import atomic
from kcnn.errors import ResourceError

_PACKAGES = ("kcnn", "tensorflow", "keras", "numpy", "safetensors")


class RunDir:
    """Paths of one run: `runs/<name>/`. Nothing is created until somebody writes."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.recipe = self.path / "recipe.json"
        self.env = self.path / "env.json"
        self.data_report = self.path / "data_report.json"
        self.log = self.path / "log.csv"
        self.curves = self.path / "curves.png"
        self.samples = self.path / "samples"
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.report = self.path / "report"
        self.weights = self.path / "weights.safetensors"
        self._lock = self.path / "lock"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process, and clear what a killed one left half-written.

        The operating system lets go of the lock when its process ends, however it ends.

        Raises:
            ResourceError: another process holds it; its pid and host are in the message.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self._lock, "a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise ResourceError(
                    f"{self.path} is in use by {holder}. Wait for it, stop it, or train under another --name."
                ) from error
            file.truncate(0)
            file.write(f"pid {os.getpid()} on host {socket.gethostname()}\n")
            file.flush()
            for left in (*self.path.glob("*.tmp-*"), *self.checkpoints.glob("*.tmp-*")):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            try:
                yield
            finally:
                file.truncate(0)

    def write_env(self) -> None:
        """Write env.json: versions, processor, devices and threads of this process, for whoever compares two runs."""
        atomic.write_text(self.env, json.dumps(environment(), indent=2) + "\n")


def environment() -> dict[str, Any]:
    """Return what a result may depend on beside the recipe, as plain values."""
    import tensorflow as tf

    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cpu_count": os.cpu_count(),
        "devices": [device.name for device in tf.config.list_logical_devices()],
        "threads": {
            "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
            "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
        },
        "settings": {k: v for k, v in sorted(os.environ.items()) if k.startswith(("TF_", "KERAS_", "OMP_"))},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        import kcnn

        return kcnn.__version__ if package == "kcnn" else "not installed as a package"


def _cpu() -> dict[str, str]:
    """The model name and instruction sets of the first processor, where the system tells (Linux)."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {"model name": platform.processor()}
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    return {key: facts[key] for key in ("model name", "flags") if key in facts}
