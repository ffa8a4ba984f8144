"""Harnesses that our own families and tasks and outside plug-ins all pass."""
