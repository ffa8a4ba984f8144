"""The card of a network: where it comes from, what it is good for, what it costs and how well it did.

The words and the published figures are data, written down in this package; parameters, multiply-adds and receptive
field are computed from the network itself when a card is asked for.
"""

import importlib
import inspect
from dataclasses import dataclass
from typing import Any

from kcnn.errors import ConfigError, UnknownNameError
from kcnn.models import MODELS, build
from kcnn.models.cards import dense, early, late
from kcnn.models.cards.kinds import IMAGENET, Result, Work
from kcnn.models.cards.results import RESULTS

__all__ = ["RESULTS", "WORKS", "WORK_OF", "Card", "Result", "Work", "card", "usual_shape", "work"]

WORKS: dict[str, Work] = {**early.WORKS, **late.WORKS, **dense.WORKS}

WORK_OF = {  # networks whose publication is not the one that their file is named after
    "alexnet_torchvision": "alexnet_one_tower",
    **dict.fromkeys(("plain18", "plain34", "plain20", "plain56"), "plain"),
    **dict.fromkeys(("resnet50_v2", "resnet101_v2", "resnet152_v2"), "resnet_v2"),
    **dict.fromkeys(("resnext50_32x4d", "resnext101_32x8d"), "resnext"),
    **dict.fromkeys(("wide_resnet50_2", "wide_resnet101_2", "wrn_28_10"), "wide_resnet"),
    **{f"efficientnet_lite{size}": "efficientnet_lite" for size in range(5)},
    **dict.fromkeys(
        ("deeplab_v3_resnet50", "deeplab_v3_resnet101", "deeplab_v3_mobilenet_v3_large", "tiny_deeplab_v3"),
        "deeplab_v3",
    ),
}

SIZES = {  # pixels a side of the published figures, where it is not 224, the row's `resolution`, or fixed
    **dict.fromkeys(("plain20", "plain56", "resnet20", "resnet56", "resnet110", "wrn_28_10"), 32),
    **dict.fromkeys(("inception_v3", "xception"), 299),
    "unet_valid": 572,
}
USUAL_SIZE = 224
USUAL_LENGTH = 1024  # steps of a sequence


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is known of one network; `print` it to read it.

    Attributes:
        summary: one line.
        work: the publication; None for networks of other packages.
        results: published accuracies.
        input_shape: (height, width, channels) or (length, channels) that the figures below are of.
        parameters: trainable weights.
        multiply_adds: of convolutions and dense layers, for one input.
        receptive_field: (height, width) in pixels, or (length,), seen by a value of the last map; None where it
            sees everything, or where `notes` says why it is not known.
        global_context: besides the field, something of the whole image comes in, as from squeeze-excite.
        notes: where widespread figures need a word.
    """

    name: str
    summary: str
    work: Work | None
    results: tuple[Result, ...]
    input_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: tuple[int, ...] | None
    global_context: bool
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.name}: {self.summary}", *self._origin(), *self._figures(), *self._accuracy()])

    def _origin(self) -> list[str]:
        if self.work is None:
            return []
        lines = [f"  {self.work.authors} ({self.work.year})", f"  {self.work.title}. {self.work.where}"]
        for heading in ("novelty", "advantages", "disadvantages"):
            lines += [heading, *(f"  - {line}" for line in getattr(self.work, heading))]
        return lines

    def _figures(self) -> list[str]:
        field = "everything" if self.receptive_field is None else "x".join(map(str, self.receptive_field))
        context = ", and the whole input through gates" if self.global_context else ""
        return [
            f"figures, at {'x'.join(map(str, self.input_shape))}",
            f"  parameters       {self.parameters:,}",
            f"  multiply-adds    {self.multiply_adds:,}",
            f"  receptive field  {field}{context}",
        ]

    def _accuracy(self) -> list[str]:
        lines = ["published accuracy"] if self.results else []
        for result in self.results:
            kinds = [("top-1", result.top1), ("top-5", result.top5)]
            told = ", ".join(f"{kind} {value:g} %" for kind, value in kinds if value is not None)
            where = "" if result.data == IMAGENET else f" on {result.data}"
            lines.append(f"  {told}{where} ({result.source})")
        return lines + (["notes", *(f"  - {note}" for note in self.notes)] if self.notes else [])


def work(name: str) -> Work | None:
    """Return the publication behind a network, without building it; None for networks of other packages.

    Raises:
        UnknownNameError: no such network.
        ConfigError: kcnn brings the network but no card for it.
    """
    entries = MODELS.entries()
    if name not in entries:
        raise UnknownNameError("model", name, entries)
    entry = entries[name]
    if entry.owner != "kcnn":
        return None
    key = WORK_OF.get(name, entry.target.partition(":")[0].rpartition(".")[2])
    if key not in WORKS:
        raise ConfigError(f"{name}: no card {key!r}; add it to kcnn.models.cards.early, late or dense, or to WORK_OF.")
    return WORKS[key]


def card(name: str) -> Card:
    """Return the card of a network; the network is built once to count what it costs.

    Args:
        name: one of `kcnn.list_models()`.

    Raises:
        UnknownNameError: no such network; the nearest are listed.

    Example:
        >>> kcnn.card("lenet5").parameters
        61706
    """
    from kcnn.ops import cost, receptive_field

    published, notes = work(name), []
    model = build(name, image_shape=usual_shape(name))
    sums = cost.totals(cost.ledger(model))
    last = None
    try:
        last = next((row for row in reversed(receptive_field.ledger(model)) if row.size is not None), None)
    except ConfigError as error:  # an outside layer whose connections are not known
        notes.append(f"The receptive field is not known: {error}")
    return Card(
        name=name,
        summary=MODELS.entries()[name].summary,
        work=published,
        results=RESULTS.get(name, ()),
        input_shape=tuple(model.input_shape[1:]),
        parameters=sums["trainable"],
        multiply_adds=sums["macs"],
        receptive_field=last.size if last else None,
        global_context=last.global_context if last else False,
        notes=(*(published.notes if published else ()), *notes),
    )


def usual_shape(name: str) -> tuple[int, ...]:
    """Return (height, width, channels), or (length, channels), at which a network is counted.

    Its own size where that is fixed, the published `resolution` of its row, 32 for the CIFAR rows, 299 for Inception-v3
    and Xception, otherwise 224; 1024 steps for sequences.

    Args:
        name: one of `kcnn.list_models()`.

    Raises:
        UnknownNameError: no such network; the nearest are listed.
    """
    make = MODELS.get(name)
    row = getattr(importlib.import_module(make.__module__), "SPECS", {}).get(name)
    argument = inspect.signature(make).parameters.get("image_shape")
    shape: Any = argument.default if argument else None
    if not isinstance(shape, tuple):  # the row says it
        shape = getattr(row, "image", (*(getattr(row, "side", None),) * 2, 3))
    usual = USUAL_LENGTH if len(shape) == 2 else SIZES.get(name, USUAL_SIZE)
    side = getattr(row, "resolution", usual)
    return tuple(side if size is None else size for size in shape)
