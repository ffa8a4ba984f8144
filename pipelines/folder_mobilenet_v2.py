"""MobileNetV2 on a folder of your own photos, one sub-folder per class: `--data=photos/`."""

from kcnn import recipe as r
from kcnn.tasks.classification.config import ClassificationConfig


def recipe(smoke: bool = False) -> r.Recipe:
    full = r.Recipe(
        name="folder_mobilenet_v2",
        data=r.Data(source="photos", validation=0.15),
        preprocess=r.Preprocess(size=(128, 128)),
        model=r.Model(name="mobilenet_v2_050"),
        config=ClassificationConfig(crop_padding=8, flip=True, colour=0.2, label_smoothing=0.1),
        train=r.Train(epochs=30, batch_size=32, learning_rate=0.03, weight_decay=5e-4, warmup_epochs=2),
    )
    return r.smoke(full, model="tiny_mobilenet_v2") if smoke else full
