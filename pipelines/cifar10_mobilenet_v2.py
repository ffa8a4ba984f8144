"""MobileNetV2 on CIFAR-10 at 32 px, from scratch.

Reads the prepared tensorflow-datasets copy; `--data=FOLDER` takes train.npz and test.npz.
"""

from kcnn import recipe as r
from kcnn.tasks.classification.config import ClassificationConfig


def recipe(smoke: bool = False) -> r.Recipe:
    full = r.Recipe(
        name="cifar10_mobilenet_v2",
        data=r.Data(source="cifar10"),
        preprocess=r.Preprocess(size=(32, 32)),
        model=r.Model(name="mobilenet_v2_050"),
        config=ClassificationConfig(crop_padding=4, flip=True, label_smoothing=0.1),
        train=r.Train(epochs=30, batch_size=64, learning_rate=0.05, weight_decay=5e-4, warmup_epochs=2, ema=0.99),
    )
    return r.smoke(full, model="tiny_mobilenet_v2") if smoke else full
