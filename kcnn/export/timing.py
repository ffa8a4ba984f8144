"""Milliseconds per call, with the things compared taking turns so that a busy moment hits all of them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

WARM_UP = 3
LEAST, MOST = 10, 1000


@dataclass(frozen=True)
class Speed:
    """Median and 90th percentile of one call, in milliseconds."""

    p50: float
    p90: float

    @property
    def per_second(self) -> float:
        """Calls per second at the median."""
        return 1000 / self.p50


def take_turns(calls: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, Speed]:
    """Time every call in turn, round after round.

    Args:
        calls: name -> function of no arguments.
        seconds: to spend per name, about; at least 10 rounds are run, at most 1000.
    """
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    spent: dict[str, list[float]] = {name: [] for name in calls}
    until = time.perf_counter() + seconds * len(calls)
    for count in range(MOST):
        if count >= LEAST and time.perf_counter() > until:
            break
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            spent[name].append(1000 * (time.perf_counter() - start))
    return {name: Speed(float(np.median(ms)), float(np.percentile(ms, 90))) for name, ms in spent.items()}
