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
        model=r.Model(name="mobilenet_v2_050_cifar"),
        config=ClassificationConfig(crop_padding=4, flip=True),
        train=r.Train(
            epochs=36,
            batch_size=64,
            optimizer="adamw",
            learning_rate=0.003,
            weight_decay=0.05,
            warmup_epochs=1,
            ema=0.99,
        ),
    )
    return r.smoke(full, model="tiny_mobilenet_v2") if smoke else full
