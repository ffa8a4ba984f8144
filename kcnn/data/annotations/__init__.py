"""Annotations as data sets bring them: the XML of VOC, the JSON of COCO, the text of YOLO and PASCAL, read to one form.

Importing this package imports no TensorFlow.
"""

import importlib

from kcnn.data.annotations.form import Annotated, AnnotatedSet
from kcnn.data.layouts import recognise
from kcnn.errors import DataError

__all__ = ["READERS", "Annotated", "AnnotatedSet", "open_annotations"]

READERS = {
    "VOC": "kcnn.data.annotations.voc:open_voc",
    "COCO": "kcnn.data.annotations.coco:open_coco",
    "PASCAL": "kcnn.data.annotations.pascal:open_pascal",
    "YOLO": "kcnn.data.annotations.yolo:open_yolo",
}
"""Layout, as `kcnn.data.layouts` names it -> function of a path that returns an `AnnotatedSet`."""


def open_annotations(path: str) -> AnnotatedSet:
    """Read the boxes of a data set; nothing is judged yet (`kcnn.data.boxes.tidy`), no image is opened.

    Args:
        path: folder in one of the layouts of `READERS`, or a COCO file.

    Raises:
        DataError: nothing is there, it holds no boxes, or the annotations are damaged or hostile.
    """
    layout = recognise(path, "boxes").name
    if layout not in READERS:
        raise DataError(f"{path} holds {layout}, but boxes are read from {', '.join(READERS)}.")
    module, _, function = READERS[layout].partition(":")
    return getattr(importlib.import_module(module), function)(path)
