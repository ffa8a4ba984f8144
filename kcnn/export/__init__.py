"""Ship a trained run: SavedModel and LiteRT with the preprocessing inside, checked against Keras, in one bundle.

from kcnn.export.bundle import export
from kcnn.export.runner import open_model
bundle = export(Path("runs/flowers"))          # saved_models/flowers/1
open_model(bundle).predict(images)             # {"probabilities": (N, classes)}
"""
