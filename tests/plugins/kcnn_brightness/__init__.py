"""A task of somebody else's: how bright is this image? kcnn finds it through its entry point."""

from kcnn_brightness.task import TASK

__all__ = ["TASK"]
