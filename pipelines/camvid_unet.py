"""A U-Net on CamVid's 367 street scenes, 11 classes, from scratch: `--data=camvid/`.

The folder is as SegNet's authors share it: train/, trainannot/, val/ and so on. The recipe is made for 240x180 pixels
and about 50 minutes on two cores.
"""

from kcnn import recipe as r
from kcnn.tasks.segmentation.config import SegmentationConfig


def recipe(smoke: bool = False) -> r.Recipe:
    full = r.Recipe(
        name="camvid_unet",
        task="segmentation",
        data=r.Data(source="camvid"),
        preprocess=r.Preprocess(size=(180, 240), mean=(0.41, 0.42, 0.43), std=(0.3, 0.31, 0.3)),
        model=r.Model(name="unet_small"),
        config=SegmentationConfig(dice=1.0, class_balance=0.2, scale=(0.75, 1.75), flip=True, colour=0.2),
        train=r.Train(
            epochs=60,
            batch_size=4,
            optimizer="adamw",
            learning_rate=0.002,
            weight_decay=0.05,
            warmup_epochs=2,
            ema=0.995,
            monitor="val_mean_iou",
        ),
        export=r.Export(calibration=100, check_images=60, min_agreement=0.93),
    )
    return r.smoke(full, model="tiny_unet", source="shapes") if smoke else full
