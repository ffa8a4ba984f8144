"""Dataclasses of plain values: what `--set` and JSON accept, and the sentence for everything else."""

import dataclasses
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcnn.errors import ConfigError, KcnnError, UnknownNameError
from kcnn.plain import coerce, from_dict, override


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    sides: tuple[int, int] = (2, 3)
    kinds: tuple[Literal["a", "b"], ...] = ("a",)


@dataclasses.dataclass(frozen=True)
class Outer:
    name: str
    count: int = 1
    on: bool = False
    maybe: int | None = None
    inner: Inner = dataclasses.field(default_factory=Inner)
    table: dict[str, int] = dataclasses.field(default_factory=dict)
    free: Any = None


BASE = Outer("base")


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("count=3", Outer("base", count=3)),
        (" count = 3 ", Outer("base", count=3)),
        ("name=7", Outer("7")),
        ("name=a=b", Outer("a=b")),
        ("on=true", Outer("base", on=True)),
        ("on=False", Outer("base", on=False)),
        ("maybe=4", Outer("base", maybe=4)),
        ("maybe=none", Outer("base", maybe=None)),
        ("inner.rate=1", Outer("base", inner=Inner(rate=1.0))),
        ("inner.rate=1e-3", Outer("base", inner=Inner(rate=0.001))),
        ("inner.sides=4,5", Outer("base", inner=Inner(sides=(4, 5)))),
        ("inner.sides=(4, 5)", Outer("base", inner=Inner(sides=(4, 5)))),
        ("inner.sides=[4, 5]", Outer("base", inner=Inner(sides=(4, 5)))),
        ("inner.kinds=b,a", Outer("base", inner=Inner(kinds=("b", "a")))),
        ("inner.kinds=b", Outer("base", inner=Inner(kinds=("b",)))),
        ("inner.kinds=", Outer("base", inner=Inner(kinds=()))),
        ("table={'x': 1}", Outer("base", table={"x": 1})),
    ],
)
def test_override(assignment, expected):
    assert override(BASE, [assignment]) == expected
    assert type(override(BASE, [assignment]).inner.rate) is float


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("count", "'count' but expects section.key=value"),
        ("count=three", "count is 'three' but must be a whole number"),
        ("count=1.0", "count is 1.0 but must be a whole number"),
        ("count=true", "count is True but must be a whole number"),
        ("count=", "count is '' but must be a whole number"),
        ("on=1", "on is 1 but must be true or false"),
        ("on=yes", "on is 'yes' but must be true or false"),
        ("maybe=x", "maybe is 'x' but must be a whole number or none"),
        ("inner.rate=fast", "inner.rate is 'fast' but must be a finite number"),
        ("inner.rate=nan", "must be a finite number"),
        ("inner.rate=1e999", "must be a finite number"),
        ("inner.rate=1" + "0" * 400, "must be a finite number"),
        ("inner.rate={[]: 1}", "must be a finite number"),
        ("inner.rate=__import__('os')", "must be a finite number"),
        ("inner.sides=4", "must be 2 entries: a whole number, a whole number"),
        ("inner.sides=4,x", "inner.sides is 'x' but must be a whole number"),
        ("inner.kinds=c", "inner.kinds is 'c' but must be one of 'a', 'b'"),
        ("inner.kinds=7", "must be one of 'a', 'b'"),
        ("inner=3", "'inner' is a section; set one of inner.rate, inner.sides, inner.kinds"),
        ("free=3", "does not say what its 'free' is made of"),
        ("free.key=3", "does not say what its 'free' is made of"),
    ],
)
def test_override_explains_a_bad_value(assignment, message):
    with pytest.raises(ConfigError) as caught:
        override(BASE, [assignment])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("cuont", "count"),
        ("inner.rte", "inner.rate"),
        ("iner.rate", "inner.rate"),
        ("count.rate", "count"),
        ("inner.rate.x", "inner.rate"),
        ("inner.", "inner.rate"),
    ],
)
def test_override_names_the_nearest_key(path, nearest):
    with pytest.raises(UnknownNameError, match="unknown recipe key") as caught:
        override(BASE, [f"{path}=1"])
    assert nearest in str(caught.value)


def test_the_order_of_overrides_does_not_matter():
    @dataclasses.dataclass(frozen=True)
    class Range:
        low: int = 0
        high: int = 1

        def __post_init__(self):
            if self.low > self.high:
                raise ConfigError("low above high")

    assert override(Range(), ["low=5", "high=9"]) == override(Range(), ["high=9", "low=5"]) == Range(5, 9)
    assert override(Range(), ["high=3", "high=4"]).high == 4
    with pytest.raises(ConfigError, match="low above high"):
        override(Range(), ["low=5"])


@given(
    st.text(max_size=30), st.sampled_from(["count", "on", "maybe", "inner.rate", "inner.sides", "inner.kinds", "table"])
)
def test_no_text_makes_override_fail_in_another_way(text, path):
    try:
        changed = override(BASE, [f"{path}={text}"])
    except KcnnError:
        return
    assert isinstance(changed, Outer)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (1, float, 1.0),
        ([1, 2], tuple[int, int], (1, 2)),
        ([[1, 2], [3, 4]], tuple[tuple[int, int], ...], ((1, 2), (3, 4))),
        ({"rate": 1}, Inner, Inner(rate=1.0)),
        (None, int | None, None),
        ({"a": [1]}, Any, {"a": [1]}),
    ],
)
def test_coerce(value, kind, expected):
    result = coerce(value, kind, "here")
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(True, int), (True, float), ("1", int), (1, str), (None, str), (float("inf"), float), ("ab", tuple[str, ...]),
     ({"a": "x"}, dict[str, int]), (1, Literal[True]), ([1], Inner)],
)  # fmt: skip
def test_coerce_refuses(value, kind):
    with pytest.raises(ConfigError, match="here"):
        coerce(value, kind, "here")


def test_from_dict():
    assert from_dict(Outer, {"name": "base", "inner": {"sides": [2, 3]}}) == BASE
    assert from_dict(Outer, BASE) is BASE
    with pytest.raises(ConfigError, match="name is missing and has no default"):
        from_dict(Outer, {})
    with pytest.raises(ConfigError, match=r"inner is \[\] but must be a table"):
        from_dict(Outer, {"name": "base", "inner": []})
    with pytest.raises(UnknownNameError, match=r"'inner\.rats'\. Did you mean 'inner\.rate'"):
        from_dict(Outer, {"name": "base", "inner": {"rats": 1}})
