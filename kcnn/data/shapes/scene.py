"""Scenes: what lies where, before any pixel is drawn; a function of (seed, stream, index), the same on every machine.

All lengths are shares of the picture's shorter side, so one scene can be drawn at any size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Colour = tuple[int, int, int]

KINDS = ("circle", "square", "triangle", "star", "ring", "cross", "crescent", "arrow")
COLOURS: dict[str, Colour] = {
    "red": (214, 62, 62),
    "orange": (240, 140, 50),
    "yellow": (245, 205, 75),
    "green": (80, 165, 90),
    "teal": (45, 160, 165),
    "blue": (65, 105, 205),
    "purple": (140, 85, 185),
    "pink": (235, 130, 170),
    "white": (245, 243, 238),
    "black": (52, 52, 60),
}
SIZES = ((0.105, "small"), (0.165, ""), (1.0, "large"))  # radius up to -> word
BACKDROPS = ("plain", "cloudy", "striped", "chequered", "dotted")
_GROUNDS: tuple[tuple[Colour, Colour], ...] = (  # pairs of muted colours that all of COLOURS stand out from
    ((206, 214, 220), (180, 192, 202)),
    ((222, 212, 192), (203, 189, 163)),
    ((190, 207, 188), (165, 187, 165)),
    ((216, 197, 202), (194, 171, 179)),
    ((124, 137, 152), (104, 116, 133)),
    ((160, 149, 135), (139, 127, 114)),
    ((136, 158, 146), (116, 139, 128)),
)
LEAST_RADIUS, LARGEST_RADIUS = 0.075, 0.25
_MOST_THINGS = 6
_TRIES = 40


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One shape.

    Attributes:
        kind: of `KINDS`. colour: a name of `COLOURS`, and `rgb`, a shade of it, 0..255.
        x, y: centre, from the picture's upper left corner. radius: of the circle around it.
        turn: (cosine, sine) of how far it is turned clockwise.
    """

    kind: str
    colour: str
    rgb: Colour
    x: float
    y: float
    radius: float
    turn: tuple[float, float]

    @property
    def words(self) -> str:
        """What it is, as in "large red star"."""
        size = next(word for most, word in SIZES if self.radius <= most)
        return f"{size} {self.colour} {self.kind}".strip()


@dataclass(frozen=True, kw_only=True)
class Backdrop:
    """What lies behind all things.

    Attributes:
        pattern: of `BACKDROPS`. colours: the two that it goes between.
        period: length after which it repeats. turn: (cosine, sine) of its direction. seed: of its clouds and grain.
    """

    pattern: str
    colours: tuple[Colour, Colour]
    period: float
    turn: tuple[float, float]
    seed: int


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A picture before it is drawn: height and width in units of the shorter side, and things from back to front."""

    extent: tuple[float, float]
    backdrop: Backdrop
    things: tuple[Thing, ...]

    @property
    def captions(self) -> tuple[str, ...]:
        """One sentence of all things, the largest first, and one of how the two largest lie to each other."""
        order = sorted(self.things, key=lambda thing: -thing.radius)
        named = [f"{_article(thing.words)} {thing.words}" for thing in order]
        ground = f"{_article(self.backdrop.pattern)} {self.backdrop.pattern} background"
        first = f"{_listed(named)} on {ground}."
        if len(order) < 2:
            return (_capital(first),)
        return _capital(first), _capital(f"{named[0]} is {_relation(order[0], order[1])} {named[1]}.")


class Draws:
    """Random numbers that depend on their key alone (SplitMix64: Steele 2014, doi 10.1145/2660193.2660195)."""

    def __init__(self, *key: int):
        self._state = 0
        for part in key:
            self._state = mix(self._state + part)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a number in low..high, `high` left out."""
        self._state = (self._state + 0x9E3779B97F4A7C15) % 2**64
        return low + (high - low) * ((mix(self._state) >> 11) * 2.0**-53)

    def below(self, count: int) -> int:
        """Return a whole number in 0..count-1."""
        return int(self.uniform() * count)

    def turn(self) -> tuple[float, float]:
        """Return (cosine, sine) of an angle; by halving a square, as sine and cosine differ between machines."""
        while True:
            x, y = self.uniform(-1, 1), self.uniform(-1, 1)
            length = x * x + y * y
            if 0.01 < length <= 1:
                return x / length**0.5, y / length**0.5


def mix(value: int) -> int:
    """Return the finaliser of SplitMix64, 0 <= result < 2**64."""
    value %= 2**64
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
    return value ^ value >> 31


def compose(seed: int, stream: int, index: int, extent: tuple[float, float] = (1.0, 1.0)) -> Scene:
    """Return scene `index` of a stream: 1 to 6 things that may cover each other in part, never whole.

    Args:
        seed: of the data set. stream: of the split. index: of the example, 0 or more.
        extent: height and width in units of the shorter side.
    """
    draws = Draws(seed, stream, index)
    ground = _GROUNDS[draws.below(len(_GROUNDS))]
    backdrop = Backdrop(
        pattern=BACKDROPS[draws.below(len(BACKDROPS))],
        colours=ground if draws.uniform() < 0.5 else ground[::-1],
        period=draws.uniform(0.12, 0.3),
        turn=draws.turn(),
        seed=draws.below(2**31),
    )
    things: list[Thing] = []
    wanted = 1 + draws.below(_MOST_THINGS)
    for _ in range(_TRIES):
        if len(things) == wanted:
            break
        thing = _thing(draws, extent)
        if all(_apart(thing, other) for other in things):
            things.append(thing)
    return Scene(extent=extent, backdrop=backdrop, things=tuple(things))


def _thing(draws: Draws, extent: tuple[float, float]) -> Thing:
    colour = list(COLOURS)[draws.below(len(COLOURS))]
    radius = LEAST_RADIUS + (LARGEST_RADIUS - LEAST_RADIUS) * draws.uniform() ** 2  # more small ones than large ones
    margin = 0.85 * radius  # a rim may be cut off
    shade = draws.uniform(-12, 12)
    return Thing(
        kind=KINDS[draws.below(len(KINDS))],
        colour=colour,
        rgb=tuple(min(255, max(0, round(part + shade))) for part in COLOURS[colour]),
        x=draws.uniform(margin, extent[1] - margin),
        y=draws.uniform(margin, extent[0] - margin),
        radius=radius,
        turn=draws.turn(),
    )


def _apart(one: Thing, other: Thing) -> bool:
    """Tell whether both keep most of themselves, whichever lies in front."""
    low, high = sorted((one.radius, other.radius))
    reach = 0.95 * high + 0.35 * low
    return (one.x - other.x) ** 2 + (one.y - other.y) ** 2 >= reach * reach


def _relation(one: Thing, other: Thing) -> str:
    right, down = one.x - other.x, one.y - other.y
    if abs(right) >= abs(down):
        return "to the right of" if right > 0 else "to the left of"
    return "below" if down > 0 else "above"


def _article(words: str) -> str:
    return "an" if words[0] in "aeiou" else "a"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
