"""Fooling images: pictures of nothing that a network is sure about (Nguyen 2015, 1412.1897)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from kcnn.adversarial.aim import softmax
from kcnn.adversarial.victim import Victim, check_victim, cross_entropy
from kcnn.errors import ConfigError
from kcnn.ops.arithmetic import is_real, whole

SURE = 0.99  # the paper's mark, section 3


@dataclass(frozen=True, eq=False)
class Fooled:
    """One image a class.

    Attributes:
        images: uint8 (classes, H, W, C).
        confidences: (classes,) probability that the network gives each image for its class.
        rounds: steps or generations done.
    """

    images: np.ndarray
    confidences: np.ndarray
    rounds: int

    @property
    def sure(self) -> np.ndarray:
        """Bool (classes,): the confidence is at least `SURE`."""
        return self.confidences >= SURE


class Encoding(Protocol):
    """How an image of `image_shape`, (H, W, C), is written down as something that can mutate."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The shape of the images."""
        ...

    def first(self, random: np.random.Generator) -> Any:
        """Return a random genome."""
        ...

    def mutated(self, genome: Any, random: np.random.Generator, generation: int) -> Any:
        """Return a changed copy."""
        ...

    def drawn(self, genome: Any) -> np.ndarray:
        """Return its image, uint8 (H, W, C)."""
        ...


def gradient_ascent(victim: Victim, *, steps: int = 200, step: float = 8.0, decay: float = 0.01) -> Fooled:
    """Climb the log-probability of each class from one noise image, with an L2 penalty (section 3, figure 13).

    Args:
        victim: the network.
        steps: at most; it stops when every image is sure.
        step: length of each step, as the root mean square over the values, in pixels.
        decay: share by which the distance from mid-gray shrinks at each step, 0..1.

    Raises:
        ConfigError: a setting is out of its range; no finite gradient reaches the pixels.
    """
    victim = check_victim(victim)
    whole("steps", steps, 1)
    if not (is_real(step) and is_real(decay) and step > 0 and 0 <= decay < 1):
        raise ConfigError(f"step is {step!r} and decay {decay!r} but step must be positive and decay lie in 0..1.")
    wanted = np.arange(victim.classes)
    shape = (victim.classes, *victim.preprocess.image_shape)
    pixels = np.broadcast_to(np.random.default_rng(0).uniform(108, 148, shape[1:]), shape).astype("float32")
    best, confidences, done = np.rint(pixels), np.zeros(victim.classes), 0
    for done in range(1, steps + 1):  # noqa: B007
        slope, _ = victim.gradient(pixels, cross_entropy, wanted)
        size = np.sqrt((slope**2).mean(axis=(1, 2, 3), keepdims=True))
        pixels = 127.5 + (1 - decay) * (pixels - 127.5) - step * slope / np.maximum(size, 1e-30)
        pixels = np.clip(pixels, 0, 255).astype("float32")
        found = softmax(victim.logits(np.rint(pixels)))[wanted, wanted]
        better = found > confidences
        best[better], confidences[better] = np.rint(pixels)[better], found[better]
        if (confidences >= SURE).all():
            break
    return Fooled(best.astype("uint8"), confidences, done)


def map_elites(
    victim: Victim,
    encoding: Encoding,
    *,
    generations: int = 1000,
    batch: int = 50,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> Fooled:
    """Evolve one champion a class, all at once (Mouret 2015, 1504.04909; Nguyen 2015, section 2.2).

    In each generation `batch` champions, drawn at random, mutate; a child takes the place of any champion whose class
    the network finds likelier in the child. So good stones for one class step up in another.

    Args:
        victim: the network.
        encoding: `Direct` or `kcnn.adversarial.cppn.Cppn`.
        generations: at most; it stops when every champion is sure.
        batch: children a generation.
        seed: of the evolution.
        advance: told of the count of sure classes after every generation. Ctrl-C ends the evolution early; what was
            found is returned.

    Raises:
        ConfigError: a setting is out of its range, or `encoding` writes images of another shape than the network's.
    """
    victim = check_victim(victim)
    whole("generations", generations, 1)
    whole("batch", batch, 1)
    if getattr(encoding, "image_shape", None) != victim.preprocess.image_shape:
        raise ConfigError(
            f"encoding is {encoding!r:.80} but must be Direct or Cppn of the network's images, "
            f"{victim.preprocess.image_shape}."
        )
    random = np.random.default_rng(whole("seed", seed, 0))
    champions: list[Any] = [None] * victim.classes
    images = np.zeros((victim.classes, *victim.preprocess.image_shape), "uint8")
    confidences, done = np.full(victim.classes, -1.0), 0
    children = [encoding.first(random) for _ in range(max(batch, victim.classes))]
    try:
        for done in range(1, generations + 1):
            pictures = np.stack([encoding.drawn(child) for child in children])
            found = softmax(victim.logits(pictures).astype("float64"))
            for label, winner in enumerate(found.argmax(axis=0)):
                if found[winner, label] > confidences[label]:
                    champions[label], images[label] = children[winner], pictures[winner]
                    confidences[label] = found[winner, label]
            if advance:
                advance(int((confidences >= SURE).sum()))
            if (confidences >= SURE).all():
                break
            parents = random.integers(0, victim.classes, batch)
            children = [encoding.mutated(champions[parent], random, done) for parent in parents]
    except KeyboardInterrupt:
        pass
    return Fooled(images, confidences, done)


@dataclass(frozen=True)
class Direct:
    """Every value of the image is a gene of its own, uniform at first (section 2.2).

    A mutation changes each value with probability 0.1, halved every 1,000 generations, by polynomial mutation. Colour
    is written as RGB; the paper writes it as HSV.

    Attributes:
        image_shape: (H, W, C).
    """

    image_shape: tuple[int, int, int]

    def first(self, random: np.random.Generator) -> np.ndarray:
        """Return uniform noise."""
        return random.uniform(0, 1, self.image_shape)

    def mutated(self, genome: np.ndarray, random: np.random.Generator, generation: int) -> np.ndarray:
        """Return a changed copy."""
        chosen = random.uniform(size=genome.shape) < 0.1 * 0.5 ** (generation // 1000)
        return np.where(chosen, np.clip(genome + polynomial(random, genome.shape), 0, 1), genome)

    def drawn(self, genome: np.ndarray) -> np.ndarray:
        """Return its image."""
        return np.rint(255 * genome).astype("uint8")


def polynomial(random: np.random.Generator, shape: tuple[int, ...], strength: float = 15.0) -> np.ndarray:
    """Return changes of values of range 1, small ones likelier (Deb 2001, polynomial mutation; 15 in the paper)."""
    u = random.uniform(size=shape)
    power = 1 / (strength + 1)
    return np.where(u < 0.5, (2 * u) ** power - 1, 1 - (2 * (1 - u)) ** power)
