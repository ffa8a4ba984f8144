"""Images written as small networks of functions of the place, CPPNs, which draw regular patterns (Stanley 2007)."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kcnn.adversarial.fooling import polynomial

FUNCTIONS: dict[
    str, Callable[[np.ndarray], np.ndarray]
] = {  # those of Nguyen 2015, section 2.2: sine, sigmoid, Gaussian, linear
    "sine": np.sin,
    "sigmoid": lambda x: 2 / (1 + np.exp(-np.clip(x, -60, 60))) - 1,
    "gaussian": lambda x: np.exp(-np.square(np.clip(x, -20, 20))),
    "linear": lambda x: x,
}
NAMES = tuple(FUNCTIONS)
INPUTS = 4  # x, y, distance from the middle, 1
REACH = 3.0  # weights lie in -3..3


@dataclass(frozen=True)
class Network:
    """A genome: nodes in the order in which they are computed, inputs first and outputs last.

    Attributes:
        functions: name of the function of each node behind the inputs.
        links: (from node, to node, weight), each from an earlier node to a later one.
    """

    functions: tuple[str, ...]
    links: tuple[tuple[int, int, float], ...]


@dataclass(frozen=True)
class Cppn:
    """The encoding: topology and weights both evolve, from an input layer linked to the outputs.

    Attributes:
        image_shape: (H, W, C); one output node a channel, its value -1..1 drawn as 0..255. Colour comes out as
            RGB; the paper's networks put out HSV.
        most: hidden nodes at most.
    """

    image_shape: tuple[int, int, int]
    most: int = 24

    def first(self, random: np.random.Generator) -> Network:
        """Return a network without hidden nodes."""
        outputs = range(INPUTS, INPUTS + self.image_shape[2])
        links = tuple((a, b, float(random.uniform(-REACH, REACH))) for a in range(INPUTS) for b in outputs)
        return Network(tuple(random.choice(NAMES) for _ in outputs), links)

    def mutated(self, genome: Network, random: np.random.Generator, generation: int) -> Network:
        """Return a copy with other weights, and now and then another function, a new node or a new link."""
        del generation
        if random.uniform() < 0.2:
            genome = self._with_node(genome, random)
        if random.uniform() < 0.2:
            genome = self._with_link(genome, random)
        functions = tuple(random.choice(NAMES) if random.uniform() < 0.05 else name for name in genome.functions)
        changes = np.where(
            random.uniform(size=len(genome.links)) < 0.3, 2 * REACH * polynomial(random, (len(genome.links),)), 0
        )
        links = tuple(
            (a, b, float(np.clip(weight + change, -REACH, REACH)))
            for (a, b, weight), change in zip(genome.links, changes, strict=True)
        )
        return Network(functions, links)

    def drawn(self, genome: Network) -> np.ndarray:
        """Compute the picture, uint8 (H, W, C)."""
        height, width, channels = self.image_shape
        y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
        values = [x, y, np.hypot(x, y) * np.sqrt(2), np.ones_like(x)]
        values += [np.zeros_like(x) for _ in genome.functions]
        arriving: dict[int, list[tuple[int, float]]] = {}
        for a, b, weight in genome.links:
            arriving.setdefault(b, []).append((a, weight))
        for node, name in enumerate(genome.functions, INPUTS):
            total = sum((weight * values[a] for a, weight in arriving.get(node, [])), np.zeros_like(x))
            values[node] = np.clip(FUNCTIONS[name](total), -1e3, 1e3)
        picture = np.stack(values[-channels:], axis=-1)
        return np.rint(127.5 * (1 + np.clip(picture, -1, 1))).astype("uint8")

    def _with_node(self, genome: Network, random: np.random.Generator) -> Network:
        """Put a node of a random function into a random link; it keeps the link's weight behind it."""
        hidden = len(genome.functions) - self.image_shape[2]
        if hidden >= self.most:
            return genome
        a, b, weight = genome.links[random.integers(len(genome.links))]
        outputs = INPUTS + hidden  # the first output node
        place = int(random.integers(max(a + 1, INPUTS), min(b, outputs) + 1))

        def moved(node: int) -> int:
            return node + 1 if node >= place else node

        kept = [(moved(s), moved(t), w) for s, t, w in genome.links if (s, t, w) != (a, b, weight)]
        added = [(a, place, 1.0), (place, moved(b), weight)]
        at = place - INPUTS
        functions = (*genome.functions[:at], str(random.choice(NAMES)), *genome.functions[at:])
        return Network(functions, (*kept, *added))

    def _with_link(self, genome: Network, random: np.random.Generator) -> Network:
        """Link two random nodes that are not linked yet; outputs feed nothing."""
        first_output = INPUTS + len(genome.functions) - self.image_shape[2]
        b = int(random.integers(INPUTS, INPUTS + len(genome.functions)))
        a = int(random.integers(0, min(b, first_output)))
        if any((s, t) == (a, b) for s, t, _ in genome.links):
            return genome
        return dataclasses.replace(genome, links=(*genome.links, (a, b, float(random.uniform(-REACH, REACH)))))
