"""Which pretrained weights there are: for each network where they come from, and the pixels they expect."""

from dataclasses import dataclass
from typing import Literal

from kcnn.recipe import Preprocess

Pixels = Literal["caffe", "torch", "tf", "eighth", "lite"]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's training images, scaled to 0..1


@dataclass(frozen=True)
class Record:
    """Weights trained on ImageNet's 1000 classes.

    Attributes:
        library: "keras" (what keras.applications downloads) or "timm" (safetensors on the Hugging Face hub).
        source: the class of keras.applications, or the hub's repository.
        pixels: how images become inputs, see `PIXELS`.
        side: of the square input, in pixels.
        arguments: of the class, as pairs.
    """

    library: Literal["keras", "timm"]
    source: str
    pixels: Pixels
    side: int = 224
    arguments: tuple[tuple[str, object], ...] = ()

    @property
    def preprocess(self) -> Preprocess:
        """How pixels 0..255 become what these weights expect."""
        return Preprocess(size=(self.side, self.side), **PIXELS[self.pixels])


PIXELS: dict[Pixels, dict] = {
    "caffe": {"scale": 1.0, "mean": (103.939, 116.779, 123.68), "std": (1.0,), "channel_order": "bgr"},
    "torch": {"scale": 1 / 255, "mean": MEAN, "std": STD},
    "tf": {"scale": 1 / 127.5, "mean": (1.0,), "std": (1.0,)},
    "eighth": {"scale": 1 / 128, "mean": (1.0,), "std": (1.0,)},
    "lite": {"scale": 1.0, "mean": (127.0,), "std": (128.0,)},
}
LARGER = {"b1": 240, "b2": 260, "b3": 300, "b4": 380, "b5": 456, "b6": 528, "b7": 600}  # Tan 2019's resolutions

IMAGENET: dict[str, Record] = {
    "vgg16": Record("keras", "VGG16", "caffe"),
    "vgg19": Record("keras", "VGG19", "caffe"),
    **{f"resnet{depth}_paper": Record("keras", f"ResNet{depth}", "caffe") for depth in (50, 101, 152)},
    **{f"resnet{depth}_v2": Record("keras", f"ResNet{depth}V2", "tf") for depth in (50, 101, 152)},
    **{f"resnet{depth}": Record("timm", f"timm/resnet{depth}.tv_in1k", "torch") for depth in (18, 34, 50, 101, 152)},
    "resnext50_32x4d": Record("timm", "timm/resnext50_32x4d.tv_in1k", "torch"),
    "resnext101_32x8d": Record("timm", "timm/resnext101_32x8d.tv_in1k", "torch"),
    "wide_resnet50_2": Record("timm", "timm/wide_resnet50_2.tv_in1k", "torch"),
    "wide_resnet101_2": Record("timm", "timm/wide_resnet101_2.tv_in1k", "torch"),
    **{f"densenet{depth}": Record("keras", f"DenseNet{depth}", "torch") for depth in (121, 169, 201)},
    "densenet161": Record("timm", "timm/densenet161.tv_in1k", "torch"),
    "xception": Record("keras", "Xception", "tf", 299),
    "inception_v3": Record("keras", "InceptionV3", "tf", 299),
    **{
        f"mobilenet_v1{row}": Record("keras", "MobileNet", "tf", 224, (("alpha", alpha),))
        for row, alpha in {"": 1.0, "_075": 0.75, "_050": 0.5, "_025": 0.25}.items()
    },
    **{
        f"mobilenet_v2{row}": Record("keras", "MobileNetV2", "tf", 224, (("alpha", alpha),))
        for row, alpha in {"": 1.0, "_140": 1.4, "_075": 0.75, "_050": 0.5, "_035": 0.35}.items()
    },
    **{f"mobilenet_v3_{row}": Record("keras", f"MobileNetV3{row.capitalize()}", "tf") for row in ("small", "large")},
    **{
        f"mobilenet_v3_{row}_minimalistic": Record(
            "keras", f"MobileNetV3{row.capitalize()}", "tf", 224, (("minimalistic", True),)
        )
        for row in ("small", "large")
    },
    "efficientnet_b0": Record("keras", "EfficientNetB0", "torch"),
    **{
        f"efficientnet_{row}": Record("keras", f"EfficientNet{row.upper()}", "torch", side)
        for row, side in LARGER.items()
    },
    **{
        f"efficientnet_lite{index}": Record("timm", f"timm/tf_efficientnet_lite{index}.in1k", "lite", side)
        for index, side in enumerate((224, 240, 260, 280, 300))
    },
    **{
        f"efficientnet_v2_{row}": Record("keras", f"EfficientNetV2{row.upper()}", "torch", side)
        for row, side in {"b0": 224, "b1": 240, "b2": 260, "b3": 300}.items()
    },
    "efficientnet_v2_s": Record("keras", "EfficientNetV2S", "eighth", 384),
    **{f"convnext_{row}": Record("keras", f"ConvNeXt{row.capitalize()}", "torch") for row in ("tiny", "small", "base")},
}


def pixels_of(name: str, library: str) -> Preprocess | None:
    """Return what ImageNet weights of `library` expect for the network `name`; None where that is not known.

    Args:
        library: "keras", "timm", "torchvision", "pytorch_model", or "kcnn" for a file of ours.
    """
    record = IMAGENET.get(name)
    if library == "torchvision":
        return Preprocess(scale=1 / 255, mean=MEAN, std=STD)
    if library == "pytorch_model":
        return Preprocess(size=record.preprocess.size if record else (224, 224), **PIXELS["lite"])
    return record.preprocess if record and record.library == library else None


def from_timm(settings: dict) -> Preprocess:
    """Return the pixels that a repository of timm states in its config.json, under "pretrained_cfg"."""
    _, height, width = settings["input_size"]
    mean, std = tuple(settings["mean"]), tuple(settings["std"])
    return Preprocess(size=(height, width), scale=1 / 255, mean=mean, std=std)
