"""How accuracy falls with eps, and how far examples made against one network fool another."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kcnn.adversarial.aim import Attacked, check_eps
from kcnn.adversarial.victim import Victim, check_victim
from kcnn.errors import ConfigError

Attack = Callable[..., Attacked]  # (aim, eps=...) -> Attacked, such as pgd or functools.partial(pgd, steps=40)


@dataclass(frozen=True, eq=False)
class Curve:
    """Accuracy under attack.

    Attributes:
        eps: ascending, in pixels; the first is 0, no attack.
        accuracy: of the same length, share 0..1 of all images that withstand every attack up to that eps.
    """

    eps: np.ndarray
    accuracy: np.ndarray

    def rows(self) -> list[dict[str, float]]:
        """Return plain values for JSON."""
        return [{"eps": float(e), "accuracy": float(a)} for e, a in zip(self.eps, self.accuracy, strict=True)]


def robustness_curve(
    victim: Victim, images: np.ndarray, labels: np.ndarray, attack: Attack, eps: Sequence[float]
) -> Curve:
    """Measure accuracy against eps.

    An example found at one eps counts at every larger one, so only images that still stand are attacked again.

    Args:
        victim: the network.
        images: (N, H, W, C), 0..255.
        labels: (N,) true class ids.
        attack: function of (aim, eps=...).
        eps: in pixels, any order; 0 is added. Results are whole pixels, so an L-inf eps below 1 changes nothing.

    Raises:
        ConfigError: an eps is negative; or as the attack and `Victim.aim`.
    """
    *_, curve = curve_so_far(victim, images, labels, attack, eps)
    return curve


def curve_so_far(
    victim: Victim, images: np.ndarray, labels: np.ndarray, attack: Attack, eps: Sequence[float]
) -> Iterator[Curve]:
    """Yield `robustness_curve` after each eps, up to there, so that what is measured can be kept at once."""
    if isinstance(eps, str) or not isinstance(eps, Iterable):
        raise ConfigError(f"eps is {eps!r:.80} but must be several distances in pixels, as in [1, 2, 4, 8].")
    radii = sorted({0.0, *(check_eps(value) for value in eps)})
    aim = check_victim(victim).aim(images, labels)
    _check_attack(attack)
    standing = np.flatnonzero(victim.predict(aim.images) == aim.labels)
    counts = [len(standing)]
    yield Curve(np.array(radii[:1]), np.array(counts) / len(images))
    for radius in radii[1:]:
        if len(standing):
            found = attack(victim.aim(aim.images[standing], aim.labels[standing]), eps=radius)
            standing = standing[~found.success]
        counts.append(len(standing))
        yield Curve(np.array(radii[: len(counts)]), np.array(counts) / len(images))


def transfer_matrix(
    victims: Mapping[str, Victim], images: np.ndarray, labels: np.ndarray, attack: Callable[..., Attacked]
) -> np.ndarray:
    """Return (K, K) shares: examples made against network i (row) that fool network j (column).

    Counted over images that both classify right before; NaN where there is none. As Szegedy 2014, table 4.

    Args:
        victims: name -> network; all take images of one size.
        images: (N, H, W, C), 0..255.
        labels: (N,) true class ids.
        attack: function of an aim, with its settings filled in.

    Raises:
        ConfigError: fewer than two networks; or as the attack and `Victim.aim`.
    """
    if not isinstance(victims, Mapping):
        raise ConfigError(f"victims are {victims!r:.80} but must be name -> Victim.")
    if len(victims) < 2:
        raise ConfigError(f"transfer needs at least two networks, got {len(victims)}.")
    _check_attack(attack)
    aims = [check_victim(victim).aim(images, labels) for victim in victims.values()]  # all, before work starts
    right = [aim.victim.predict(aim.images) == aim.labels for aim in aims]
    matrix = np.full((len(aims), len(aims)), np.nan)
    for row, aim in enumerate(aims):
        made = attack(aim).images
        for column, other in enumerate(aims):
            both = right[row] & right[column]
            if both.any():
                matrix[row, column] = (other.victim.predict(made[both]) != aim.labels[both]).mean()
    return matrix


def _check_attack(attack: Attack) -> None:
    if not callable(attack):
        raise ConfigError(f"attack is {attack!r:.80} but must be a function, such as kcnn.adversarial.pgd.pgd.")
