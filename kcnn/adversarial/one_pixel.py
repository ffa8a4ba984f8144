"""One changed pixel, found by evolution: a curiosity that needs no gradient (Su 2019, 1710.08864)."""

import numpy as np

from kcnn.adversarial.aim import Aim, Attacked, check_aim, softmax
from kcnn.ops.arithmetic import whole

DIFFERENCE = 0.5  # F of differential evolution, as in the paper


def one_pixel(aim: Aim, *, population: int = 100, generations: int = 30, seed: int = 0) -> Attacked:
    """Move one pixel of each image by differential evolution until the answer is as wanted.

    A candidate is (row, column, one value per channel); child = a + 0.5 (b - c) of three random ones that
    differ from it and from each other, without crossover, and replaces its parent where the label is less probable,
    or the target more.

    Args:
        aim: as from `Victim.aim`.
        population: candidates an image, at least 4; the paper takes 400.
        generations: at most; the paper takes 100.
        seed: of the evolution.

    Raises:
        ConfigError: a setting is out of its range.
    """
    aim = check_aim(aim)
    whole("population", population, 4)
    whole("generations", generations, 1)
    random = np.random.default_rng(whole("seed", seed, 0))
    pixels = aim.images.copy()
    for row in np.flatnonzero(~aim.settled(aim.images)):
        pixels[row] = _evolve(aim, row, population, generations, random)
    return aim.result("one_pixel", pixels, 255)


def _evolve(aim: Aim, row: int, population: int, generations: int, random: np.random.Generator) -> np.ndarray:
    """Return the best image (H, W, C) found for image `row`."""
    image = aim.images[row]
    height, width, channels = image.shape
    bounds = np.array([height - 1, width - 1, *[255] * channels])

    def scores(candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits = aim.victim.logits(np.stack([_painted(image, one) for one in candidates]))
        goal = softmax(logits)[:, aim.goal[row]]
        return -aim.sign * goal, aim.reached(logits.argmax(axis=-1), slice(row, row + 1))

    places = random.uniform(0, 1, (population, 2)) * bounds[:2]
    colours = np.clip(random.normal(128, 127, (population, channels)), 0, 255)
    parents = np.concatenate([places, colours], axis=1)
    value, reached = scores(parents)
    for _ in range(generations):
        if reached.any():
            break
        children = np.clip(_children(parents, random), 0, bounds)
        found, success = scores(children)
        better = found > value
        parents[better], value[better], reached[better] = children[better], found[better], success[better]
    return _painted(image, parents[np.argmax(value + reached)])


def _children(parents: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a + 0.5 (b - c) for each parent: a, b and c are the next three on a circle in random order."""
    circle = random.permutation(len(parents))
    a, b, c = (parents[np.roll(circle, -by)] for by in (1, 2, 3))
    children = np.empty_like(parents)
    children[circle] = a + DIFFERENCE * (b - c)
    return children


def _painted(image: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    painted = image.copy()
    y, x = np.rint(candidate[:2]).astype(int)
    painted[y, x] = np.rint(candidate[2:])
    return painted
