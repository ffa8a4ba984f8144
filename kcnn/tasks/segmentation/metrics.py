"""The metric of training: which class is taken for which, summed over all pixels that have a label."""

from typing import Any

import keras
from keras import ops


class Overlap(keras.metrics.Metric):
    """Pixel accuracy and mean intersection over union, from one confusion matrix.

    `keras.metrics.MeanIoU` gives the second number alone. The matrix is the only variable and holds integers, so sums
    over replicas and sums restored in the middle of an epoch are exact.
    Ids outside the classes, 255 above all, are left out of it.

    Args:
        num_classes: channels of the logits.
    """

    def __init__(self, num_classes: int, name: str = "overlap"):
        super().__init__(name=name)
        self.num_classes = num_classes
        self.matrix = self.add_variable((num_classes, num_classes), "zeros", dtype="int64", name="matrix")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count (N, H, W) class ids against (N, H, W, classes) logits; `sample_weight` is not looked at."""
        true = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        found = ops.reshape(ops.cast(ops.argmax(y_pred, axis=-1), "int32"), (-1,))
        count = self.num_classes
        outside = count * count  # one bin more, for what is left out
        pairs = ops.where((true >= 0) & (true < count), true * count + found, outside)
        counts = ops.bincount(pairs, minlength=outside + 1)[:outside]
        self.matrix.assign_add(ops.cast(ops.reshape(counts, (count, count)), "int64"))

    def result(self) -> dict[str, Any]:
        """Return "pixel_accuracy" and "mean_iou", 0..1; both 0 while no pixel has been counted.

        A class that is in neither the masks nor the answers has no IoU and is left out of the mean.
        """
        matrix = ops.cast(self.matrix, "float64")
        hits = ops.diagonal(matrix)
        union = ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1) - hits
        present = ops.cast(union > 0, "float64")
        each = hits / ops.maximum(union, 1)
        return {
            "pixel_accuracy": ops.cast(ops.sum(hits) / ops.maximum(ops.sum(matrix), 1), "float32"),
            "mean_iou": ops.cast(ops.sum(each) / ops.maximum(ops.sum(present), 1), "float32"),
        }
