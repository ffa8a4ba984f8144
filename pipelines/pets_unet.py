"""A U-Net on the trimaps of Oxford's pets: `--data=pets/`, a folder with images/ and annotations/."""

from kcnn import recipe as r
from kcnn.tasks.segmentation.config import SegmentationConfig


def recipe(smoke: bool = False) -> r.Recipe:
    full = r.Recipe(
        name="pets_unet",
        task="segmentation",
        data=r.Data(source="pets", validation=0.1),
        preprocess=r.Preprocess(size=(128, 128)),
        model=r.Model(name="unet_small"),
        config=SegmentationConfig(dice=0.5, class_balance=0.3, scale=(0.7, 1.5), flip=True, colour=0.3),
        train=r.Train(
            epochs=60,
            batch_size=8,
            optimizer="adamw",
            learning_rate=0.002,
            weight_decay=0.05,
            warmup_epochs=2,
            ema=0.99,
            monitor="val_mean_iou",
        ),
        export=r.Export(calibration=100, check_images=60, min_agreement=0.9),
    )
    return r.smoke(full, model="tiny_unet", source="shapes") if smoke else full
