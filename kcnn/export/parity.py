"""Does an exported format still say what Keras says? Measured on real images; publishing depends on it."""

from dataclasses import dataclass

import numpy as np

from kcnn.errors import ExportError
from kcnn.tasks.task import Outputs, Signature, share_equal

EXACT = ("saved_model", "fp32")  # formats that compute in float32, as Keras does
LARGEST_DIFFERENCE = 1e-3  # of theirs; measured: about 1e-6


@dataclass(frozen=True)
class Parity:
    """One format beside Keras.

    Attributes:
        answers: how many were compared: one for each image, or for each pixel.
        difference: largest absolute difference of any output number; of whole numbers, the share that is unequal.
        agreement: share of equal answers (of a classifier: equal top classes), 0..1.
        scores: how good they are, as the task measures it, such as {"accuracy": 0.9}.
    """

    answers: int
    difference: float
    agreement: float
    scores: dict[str, float]

    def plain(self) -> dict[str, float]:
        """Return the numbers for JSON, the scores among them."""
        return {
            "answers": self.answers,
            "difference": self.difference,
            "agreement": self.agreement,
            **self.scores,
        }


def compare(signature: Signature, keras: Outputs, other: Outputs, examples: dict[str, np.ndarray]) -> Parity:
    """Hold the outputs of one format against those of Keras for the same `examples`.

    Args:
        signature: of the task; says what an answer is and what the truth.
        keras, other: output name -> (N, ...).
        examples: stacked examples (N, ...), as the outputs' inputs.
    """
    answers = signature.answers(other)
    return Parity(
        answers=len(answers),
        difference=float(np.max([_difference(other[name], keras[name]) for name in signature.outputs])),
        agreement=share_equal(answers, signature.answers(keras)),
        scores=signature.measure(answers, signature.truth(examples)),
    )


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    if other.dtype.kind in "iub":  # class ids: 3 is no nearer to 2 than to 9
        return float(np.mean(one != other))
    return float(np.abs(one.astype(np.float64) - other).max())


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
    bad = {name: p for name, p in found.items() if p.agreement < least and (1 - p.agreement) * p.answers > 1.5}
    if bad:
        names = ", ".join(f"{name} ({100 * p.agreement:.2f} %)" for name, p in bad.items())
        good = [name for name in found if name not in bad and name not in ("keras", "saved_model")] or ["fp32"]
        count = next(iter(bad.values())).answers
        raise ExportError(
            f"nothing was published: of {count} answers to test images, {names} agree(s) with Keras on less than "
            f"{100 * least:g} %. Export the run without it (kcnn export RUN --formats={','.join(good)}), accept less "
            "(--min_agreement), or calibrate on more images (--set export.calibration=500 in training)."
        )
