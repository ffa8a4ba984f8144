"""Training: one run folder, Keras' own `fit`, exact resume."""

from kcnn.train.run import train
from kcnn.train.weights import load_model, load_run, save_model

__all__ = ["load_model", "load_run", "save_model", "train"]
