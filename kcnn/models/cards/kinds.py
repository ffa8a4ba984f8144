"""What a card is made of. Plain data: nothing here imports Keras."""

from dataclasses import dataclass

IMAGENET = "ImageNet 2012 validation"


@dataclass(frozen=True, kw_only=True)
class Work:
    """The publication behind a network, and what came of it."""

    year: int  # of the first print
    title: str
    authors: str
    where: str
    novelty: tuple[str, ...]
    advantages: tuple[str, ...]
    disadvantages: tuple[str, ...]
    notes: tuple[str, ...] = ()  # where widespread figures need a word


@dataclass(frozen=True)
class Result:
    """A published accuracy in percent; None where the source gives none.

    Attributes:
        source: publication and table, and how many crops where it is more than one.
        data: data set and split.
    """

    top1: float | None
    top5: float | None
    source: str
    data: str = IMAGENET
