"""DeepLabV3+ on a folder of your own photos with masks: `--data=photos/`, in any layout of docs/masks.md."""

from kcnn import recipe as r
from kcnn.tasks.segmentation.config import SegmentationConfig


def recipe(smoke: bool = False) -> r.Recipe:
    full = r.Recipe(
        name="folder_deeplab",
        task="segmentation",
        data=r.Data(source="photos", validation=0.15),
        preprocess=r.Preprocess(size=(192, 256)),
        model=r.Model(name="deeplab_v3plus_mobilenet_v2"),
        config=SegmentationConfig(dice=1.0, class_balance=0.2, scale=(0.75, 1.75), flip=True, colour=0.2),
        train=r.Train(
            epochs=24,
            batch_size=8,
            optimizer="adamw",
            learning_rate=0.0015,
            weight_decay=0.05,
            warmup_epochs=1,
            ema=0.99,
            monitor="val_mean_iou",
        ),
        export=r.Export(calibration=100, check_images=60, min_agreement=0.93),
    )
    return r.smoke(full, model="tiny_deeplab_v3plus", source="shapes") if smoke else full
