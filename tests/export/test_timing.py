"""Timing takes turns."""

import time

from kcnn.export.timing import LEAST, WARM_UP, Speed, take_turns


def test_calls_alternate_and_the_slower_one_is_slower():
    order = []
    calls = {"fast": lambda: order.append("f"), "slow": lambda: (order.append("s"), time.sleep(0.002))}
    speed = take_turns(calls, seconds=0.001)
    assert speed["slow"].p50 >= 2 > speed["fast"].p50
    assert speed["slow"].p90 >= speed["slow"].p50
    timed = order[2 * WARM_UP :]
    assert "".join(timed) == "fs" * LEAST


def test_it_stops_after_its_time():
    start = time.perf_counter()
    take_turns({"a": lambda: time.sleep(0.001)}, seconds=0.1)
    assert time.perf_counter() - start < 1


def test_per_second_is_the_inverse_of_the_median():
    assert Speed(p50=4.0, p90=5.0).per_second == 250
