"""What every exported file knows about itself, so that it can be run without the run it came from."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kcnn.errors import ConfigError, ExportError, UnknownNameError
from kcnn.guard import parse_json
from kcnn.recipe import Preprocess, from_dict

if TYPE_CHECKING:
    from kcnn.data.source import Info
    from kcnn.recipe import Recipe

FILE = "kcnn.json"  # in a SavedModel's assets.extra/ and in the archive behind a `.tflite`


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The record in `kcnn.json`.

    Attributes:
        name: of the run, and of the bundle.
        task: registered name, which knows how to decode and draw the outputs.
        preprocess: how pixels reach the model; the resized image of its `dtype` is what goes in.
        labels: class names, position = id.
        multi_label: every class is answered by itself.
        licence: of the data the model was trained on.
        palette: (r, g, b) of each class for pictures of masks; empty where the data had none.
        config: the task's own settings, plain values.
    """

    name: str
    task: str
    preprocess: Preprocess
    labels: tuple[str, ...]
    multi_label: bool = False
    licence: str = "unknown"
    palette: tuple[tuple[int, int, int], ...] = ()
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def info(self) -> "Info":
        """The facts in the form that a task's `decode` and `draw` take."""
        from kcnn.data.source import Info

        return Info(
            name=self.name,
            splits={},
            classes=self.labels,
            image_shape=self.preprocess.image_shape,
            licence=self.licence,
            multi_label=self.multi_label,
            palette=self.palette,
        )


def of_run(recipe: "Recipe", info: "Info") -> Facts:
    """Return the facts of what `recipe` has trained on the source `info`."""
    return Facts(
        name=recipe.name,
        task=recipe.task,
        preprocess=recipe.preprocess,
        labels=tuple(info.classes),
        multi_label=info.multi_label,
        licence=info.licence,
        palette=info.palette,
        config=json.loads(json.dumps(dataclasses.asdict(recipe.config))) if recipe.config is not None else {},
    )


def to_json(facts: Facts) -> str:
    """Return `facts` as JSON text that `from_json` reads back equal."""
    return json.dumps(dataclasses.asdict(facts), indent=2) + "\n"


def from_json(text: str, where: str) -> Facts:
    """Read what `to_json` wrote.

    Raises:
        ExportError: `text`, found at `where`, is no such record.
    """
    try:
        return from_dict(Facts, parse_json(text, "it", ConfigError))
    except (ValueError, TypeError, ConfigError, UnknownNameError) as error:
        raise ExportError(f"{where} is not a record that kcnn wrote: {error}. Export the run again.") from error
