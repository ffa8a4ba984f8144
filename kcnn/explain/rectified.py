"""The way back that deconvnet and guided backpropagation share: rectifiers with other rules than their own slope."""

import numpy as np
import tensorflow as tf

from kcnn.errors import ConfigError
from kcnn.explain.core import Question, gather

RECTIFIERS = ("Relu", "Relu6")


def register(name: str, passes: bool) -> dict[str, str]:
    """Register rules "<name>Relu" and "<name>Relu6" and return them for `Question.slopes`.

    Args:
        name: unique.
        passes: whether the rectifier's own slope counts too: 1 where it was open in the forward pass, else 0.
    """

    def closed(operation: tf.Operation, slope: tf.Tensor) -> tf.Tensor:
        kept = tf.nn.relu(slope)
        if not passes:
            return kept
        value = operation.inputs[0]
        is_open = (value > 0) & (value < 6) if operation.type == "Relu6" else value > 0
        return tf.where(is_open, kept, tf.zeros_like(kept))

    for rectifier in RECTIFIERS:
        tf.RegisterGradient(name + rectifier)(closed)
    return {rectifier: name + rectifier for rectifier in RECTIFIERS}


def project(question: Question, rules: dict[str, str]) -> np.ndarray:
    """Return the (N, H, W, C) slopes under `rules`.

    Raises:
        ConfigError: no rectifier lies on the way, so that the rules would change nothing.
    """
    run = question.slopes(rules)
    kinds = {operation.type for operation in run.get_concrete_function().graph.get_operations()}
    if not kinds & set(RECTIFIERS):
        raise ConfigError(
            f"model {question.model.name!r} has no ReLU before the score, so this method is plain saliency there; use "
            "saliency, or an earlier or later layer."
        )
    return gather(run, question)
