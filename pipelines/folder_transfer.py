"""A pretrained network on a folder of your own photos: `--data=photos/`, with `--weights=` and `--model=` to choose."""

from kcnn import recipe as r
from kcnn.tasks.classification.config import ClassificationConfig
from kcnn.weights.records import IMAGENET


def recipe(smoke: bool = False) -> r.Recipe:
    full = r.Recipe(
        name="folder_transfer",
        data=r.Data(source="photos", validation=0.15),
        preprocess=IMAGENET["efficientnet_lite0"].preprocess,
        model=r.Model(name="efficientnet_lite0", weights="imagenet"),
        config=ClassificationConfig(crop_padding=16, flip=True, colour=0.2),
        train=r.Train(
            epochs=6, batch_size=16, optimizer="adamw", learning_rate=5e-4, trunk_rate=0.3, head_epochs=10, ema=0.9
        ),
    )
    return r.smoke(full, model="tiny_mobilenet_v2") if smoke else full
