"""Harnesses that our own families and tasks and outside plug-ins all pass; loaded when asked for."""

import importlib
from typing import Any

_LAZY = {"check_family": "kcnn.testing.family", "check_task": "kcnn.testing.task"}
__all__ = ["check_family", "check_task"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'kcnn.testing' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_LAZY[name]), name)
