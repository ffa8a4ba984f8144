"""Record the outputs of every `tiny_*` model in tests/goldens: `.venv/bin/python tools/regen_goldens.py`.

Weights and images come from formulas (`kcnn.testing.family`), so the files depend on the architecture alone.
A changed golden is a changed network: say so in CHANGELOG under "Numbers changed".
"""

import json
from pathlib import Path

import numpy as np

import kcnn
from kcnn.testing import family

GOLDENS = Path(__file__).parents[1] / "tests" / "goldens"


def main() -> None:
    GOLDENS.mkdir(exist_ok=True)
    for name in kcnn.list_models():
        if not name.startswith("tiny_"):
            continue
        shape = family.small_shape(name)
        model = kcnn.build(name, num_classes=3, image_shape=shape)
        family.formula_fill(model)
        logits = np.asarray(model(family.formula_images(shape)))
        record = {"image_shape": list(shape), "logits": np.round(logits.astype(float), 6).tolist()}
        (GOLDENS / f"{name}.json").write_text(json.dumps(record) + "\n")
        print(f"{name}: {logits.tolist()}")


if __name__ == "__main__":
    main()
