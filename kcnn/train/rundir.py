"""The run folder: where each file lies, and the lock that keeps a second process out."""

import contextlib
import fcntl
import json
import os
import platform
import shutil
import socket
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import IO, Any, Self

from kcnn import atomic
from kcnn.errors import ResourceError

_PACKAGES = ("kcnn", "tensorflow", "keras", "numpy", "safetensors")
_PATIENCE = 1.0  # seconds that a process which has just taken the lock may need to write its name into it
_REST = 0.02


class RunDir:
    """Paths of one run: `runs/<name>/`. Nothing is created until somebody writes."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.recipe = self.path / "recipe.json"
        self.env = self.path / "env.json"
        self.data_report = self.path / "data_report.json"
        self.log = self.path / "log.csv"
        self.curves = self.path / "curves.png"
        self.nan = self.path / "nan"
        self.samples = self.path / "samples"
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.report = self.path / "report"
        self.weights = self.path / "weights.safetensors"
        self._lock = self.path / "lock"
        self._held = False

    @contextlib.contextmanager
    def lock(self) -> Iterator[Self]:
        """Hold the folder for this process, and clear what a killed one left half-written.

        The lock is the operating system's (`flock`), which lets go of it when the process ends, however it ends: a
        lock file that is left behind blocks nobody, whoever has its pid by then. Entering again is allowed to the same
        object.

        Raises:
            ResourceError: another process holds it, its pid and host are in the message; or nothing can be written.
        """
        if self._held:
            yield self
            return
        with self._opened() as file:
            self._take(file)
            file.truncate(0)
            file.write(f"pid {os.getpid()} on host {socket.gethostname()}\n")
            file.flush()
            _locks.add(file)
            for left in (*self.path.glob("*.tmp-*"), *self.checkpoints.glob("*.tmp-*")):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            self._held = True
            try:
                yield self
            finally:
                self._held = False
                _locks.discard(file)
                file.truncate(0)

    def _opened(self) -> IO[str]:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            return open(self._lock, "a+", encoding="utf-8")
        except OSError as error:
            raise ResourceError(
                f"cannot write into the run folder {self.path}: {error.strerror}. "
                "Make it writable, or choose another place with --runs."
            ) from error

    def _take(self, file: IO[str]) -> None:
        """Lock `file`, or name who has it: its holder may be about to write its name, or to leave."""
        begun = time.monotonic()
        while True:
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                holder = file.read().strip()
                if not _gone(holder) or time.monotonic() - begun > _PATIENCE:
                    raise ResourceError(
                        f"{self.path} is in use by {holder or 'another process'}. "
                        "Wait for it, stop it, or train under another --name."
                    ) from error
                time.sleep(_REST)
            except OSError as error:
                raise ResourceError(
                    f"cannot lock the run folder {self.path}: {error.strerror}. Its file system may have no locks; "
                    "choose another place with --runs."
                ) from error

    def write_env(self) -> None:
        """Write env.json: versions, processor, devices and threads of this process, for whoever compares two runs."""
        atomic.write_text(self.env, json.dumps(environment(), indent=2) + "\n")


_locks: set[IO[str]] = set()


def _let_go() -> None:
    """Close the locks in a forked child: else it would go on to hold them when this process has been killed."""
    while _locks:
        _locks.pop().close()


os.register_at_fork(after_in_child=_let_go)


def _gone(holder: str) -> bool:
    """Whether nobody is named, or a process of this host that has ended."""
    words = holder.split()
    if len(words) != 5 or not words[1].isdigit():
        return not holder
    return words[4] == socket.gethostname() and not Path("/proc", words[1]).exists() and Path("/proc/self").exists()


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
