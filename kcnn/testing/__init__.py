"""Harnesses that our own families and tasks and outside plug-ins all pass."""

from kcnn.testing.family import check_family
from kcnn.testing.task import check_task

__all__ = ["check_family", "check_task"]
