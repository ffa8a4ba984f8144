"""SegNet on drawn shapes of 64x64 pixels, eight classes and a background: offline, in minutes on two cores."""

from kcnn import recipe as r
from kcnn.tasks.segmentation.config import SegmentationConfig


def recipe(smoke: bool = False) -> r.Recipe:
    full = r.Recipe(
        name="shapes_segnet",
        task="segmentation",
        data=r.Data(source="shapes:count=3200"),
        preprocess=r.Preprocess(size=(64, 64)),
        model=r.Model(name="segnet_small"),
        config=SegmentationConfig(class_balance=0.5, dice=1.0, scale=(0.8, 1.3), flip=True),
        train=r.Train(
            epochs=8,
            batch_size=8,
            optimizer="adamw",
            learning_rate=0.002,
            weight_decay=0.02,
            warmup_epochs=1,
            ema=0.99,
            monitor="val_mean_iou",
        ),
        export=r.Export(calibration=100, check_images=100, min_agreement=0.95),
    )
    return r.smoke(full, model="tiny_segnet", source="shapes") if smoke else full
