"""Does an exported format still say what Keras says? Measured on real images; publishing depends on it."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from kcnn.errors import ExportError
from kcnn.export.runner import Outputs
from kcnn.tasks.task import Signature

EXACT = ("saved_model", "fp32")  # formats that compute in float32, as Keras does
LARGEST_DIFFERENCE = 1e-3  # of theirs, in any output number; measured: about 1e-6


@dataclass(frozen=True)
class Parity:
    """One format beside Keras.

    Attributes:
        images: how many were compared.
        difference: largest absolute difference of any output number.
        agreement: share of images whose answers are all equal (for a classifier: equal top classes), 0..1.
        accuracy: share of images whose answers are all right, 0..1.
    """

    images: int
    difference: float
    agreement: float
    accuracy: float

    def plain(self) -> dict[str, float]:
        """Return the numbers for JSON."""
        return dataclasses.asdict(self)


def compare(signature: Signature, keras: Outputs, other: Outputs, examples: dict[str, np.ndarray]) -> Parity:
    """Hold the outputs of one format against those of Keras for the same `examples`.

    Args:
        signature: of the task; says what an answer is and what the truth.
        keras, other: output name -> float (N, ...).
        examples: stacked examples (N, ...), as the outputs' inputs.
    """
    differences = [np.abs(other[name].astype(np.float64) - keras[name]).max() for name in signature.outputs]
    answers = signature.answers(other)
    return Parity(
        images=len(answers),
        difference=float(np.max(differences)),
        agreement=_share(answers == signature.answers(keras)),
        accuracy=_share(answers == signature.truth(examples)),
    )


def _share(equal: np.ndarray) -> float:
    """Return the share of rows that are true throughout."""
    return float(np.mean(equal.reshape(len(equal), -1).all(axis=1)))


def refuse(found: dict[str, Parity], least: float) -> None:
    """Refuse formats that no longer say what Keras says.

    Args:
        found: format -> its figures.
        least: agreement below which a format is refused, 0..1; one answer may differ however few there are.

    Raises:
        ExportError: names each refused format: its numbers are not finite, those of a float32 format are further
            than `LARGEST_DIFFERENCE` from Keras', or its agreement is less than `least`.
    """
    broken = [name for name, p in found.items() if not np.isfinite(p.difference)]
    if broken:
        raise ExportError(
            f"nothing was published: {', '.join(broken)} gives numbers that are not finite, or Keras does. "
            "Evaluate the run; where it is sound, leave the format out (--formats)."
        )
    far = {name: found[name].difference for name in EXACT if name in found}
    far = {name: difference for name, difference in far.items() if difference > LARGEST_DIFFERENCE}
    if far:
        names = ", ".join(f"{name} (by {difference:.2g})" for name, difference in far.items())
        raise ExportError(
            f"nothing was published: {names} differs from Keras, more than the {LARGEST_DIFFERENCE:g} allowed to a "
            "format in float32. A layer computes something else once exported; look at the model's custom layers."
        )
    bad = {name: p for name, p in found.items() if p.agreement < least and (1 - p.agreement) * p.images > 1.5}
    if bad:
        names = ", ".join(f"{name} ({100 * p.agreement:.2f} %)" for name, p in bad.items())
        good = [name for name in found if name not in bad and name not in ("keras", "saved_model")] or ["fp32"]
        count = next(iter(bad.values())).images
        raise ExportError(
            f"nothing was published: of {count} test images, {names} agree(s) with Keras on less than "
            f"{100 * least:g} %. Export the run without it (kcnn export RUN --formats={','.join(good)}), accept less "
            "(--min_agreement), or calibrate on more images (--set export.calibration=500 in training)."
        )
