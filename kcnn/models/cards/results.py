"""Published accuracies by name of the network. One crop at the row's own size unless the source says more."""

from kcnn.models.cards.kinds import Result

KERAS = "keras.applications documentation"
TORCHVISION = "torchvision documentation, IMAGENET1K_V1"
CIFAR10 = "CIFAR-10 test"
MNIST = "MNIST test"

_RESNET = "He 2015, table {}, ten crops"
_EFFICIENTNET = "Tan 2019, table 2"
_LITE = "EfficientNet-Lite's README (tensorflow/tpu)"
_V2 = "EfficientNetV2's README (google/automl)"
_V3 = "keras.applications documentation of MobileNetV3"
_WIDTHS = "keras.applications documentation of MobileNetV2"
_DENSENET = "Huang 2016, table 3"

RESULTS = {
    "mlp": (Result(96.95, None, "LeCun 1998, figure 9", MNIST),),
    "lenet5_1998": (Result(99.05, None, "LeCun 1998, section III-B; 99.2 with distorted digits", MNIST),),
    "alexnet": (Result(59.3, 81.8, "Krizhevsky 2012, table 2, ten crops, normalisation before pooling"),),
    "alexnet_paper": (Result(59.3, 81.8, "Krizhevsky 2012, table 2, ten crops"),),
    "alexnet_torchvision": (Result(56.522, 79.066, TORCHVISION),),
    "vgg11": (Result(70.4, 89.6, "Simonyan 2014, table 3, A, whole image at 256"), Result(69.02, 88.628, TORCHVISION)),
    "vgg13": (Result(71.3, 90.1, "Simonyan 2014, table 3, B, whole image at 256"), Result(69.928, 89.246, TORCHVISION)),
    "vgg16": (
        Result(74.4, 91.9, "Simonyan 2014, table 3, D, trained with scale jitter, whole image at 384"),
        Result(71.3, 90.1, KERAS),
        Result(71.592, 90.382, TORCHVISION),
    ),
    "vgg19": (
        Result(74.5, 92.0, "Simonyan 2014, table 3, E, trained with scale jitter, whole image at 384"),
        Result(71.3, 90.0, KERAS),
        Result(72.376, 90.876, TORCHVISION),
    ),
    "vgg11_bn": (Result(70.37, 89.81, TORCHVISION),),
    "vgg13_bn": (Result(71.586, 90.374, TORCHVISION),),
    "vgg16_bn": (Result(73.36, 91.516, TORCHVISION),),
    "vgg19_bn": (Result(74.218, 91.842, TORCHVISION),),
    "googlenet": (Result(None, 89.93, "Szegedy 2014, table 3, one network"),),
    "googlenet_bn": (Result(69.778, 89.53, TORCHVISION),),
    "sppnet_zf5": (Result(65.4, 86.36, "He 2014, table 2, ZF-5 trained at several sizes, ten crops"),),
    "inception_v3": (
        Result(78.8, 94.4, "Szegedy 2015, table 3"),
        Result(77.9, 93.7, KERAS),
        Result(77.294, 93.45, TORCHVISION),
    ),
    "plain18": (Result(72.06, None, _RESNET.format(2)),),
    "plain34": (Result(71.46, 89.98, _RESNET.format("3")),),
    "resnet18": (Result(69.758, 89.078, TORCHVISION),),
    "resnet34_pad": (Result(74.97, 92.24, _RESNET.format("3, A")),),
    "resnet34": (Result(75.48, 92.54, _RESNET.format("3, B")), Result(73.314, 91.42, TORCHVISION)),
    "resnet50": (Result(76.13, 92.862, TORCHVISION),),
    "resnet101": (Result(77.374, 93.546, TORCHVISION),),
    "resnet152": (Result(78.312, 94.046, TORCHVISION),),
    "resnet50_paper": (Result(77.15, 93.29, _RESNET.format(3)), Result(74.9, 92.1, KERAS)),
    "resnet101_paper": (Result(78.25, 93.95, _RESNET.format(3)), Result(76.4, 92.8, KERAS)),
    "resnet152_paper": (Result(78.57, 94.29, _RESNET.format(3)), Result(76.6, 93.1, KERAS)),
    "resnet50_v2": (Result(76.0, 93.0, KERAS),),
    "resnet101_v2": (Result(77.2, 93.8, KERAS),),
    "resnet152_v2": (Result(78.0, 94.2, KERAS),),
    "resnet20": (Result(91.25, None, "He 2015, table 6", CIFAR10),),
    "resnet56": (Result(93.03, None, "He 2015, table 6", CIFAR10),),
    "resnet110": (Result(93.57, None, "He 2015, table 6, best of five", CIFAR10),),
    "wrn_28_10": (Result(96.0, None, "Zagoruyko 2016, table 5", CIFAR10),),
    "wide_resnet50_2": (Result(78.1, 93.97, "Zagoruyko 2016, table 8"), Result(78.468, 94.086, TORCHVISION)),
    "wide_resnet101_2": (Result(78.848, 94.284, TORCHVISION),),
    "resnext50_32x4d": (Result(77.8, None, "Xie 2016, table 3"), Result(77.618, 93.698, TORCHVISION)),
    "resnext101_32x8d": (Result(79.312, 94.526, TORCHVISION),),
    "densenet121": (Result(74.98, 92.29, _DENSENET), Result(75.0, 92.3, KERAS), Result(74.434, 91.972, TORCHVISION)),
    "densenet169": (Result(76.2, 93.15, _DENSENET), Result(76.2, 93.2, KERAS), Result(75.6, 92.806, TORCHVISION)),
    "densenet201": (Result(77.42, 93.66, _DENSENET), Result(77.3, 93.6, KERAS), Result(76.896, 93.37, TORCHVISION)),
    "densenet161": (Result(77.138, 93.56, TORCHVISION),),
    "squeezenet1_1": (Result(58.178, 80.624, TORCHVISION),),
    "xception": (Result(79.0, 94.5, "Chollet 2016, table 1"), Result(79.0, 94.5, KERAS)),
    "mobilenet_v1": (Result(70.6, None, "Howard 2017, table 6"), Result(70.4, 89.5, KERAS)),
    "mobilenet_v1_075": (Result(68.4, None, "Howard 2017, table 6"),),
    "mobilenet_v1_050": (Result(63.7, None, "Howard 2017, table 6"),),
    "mobilenet_v1_025": (Result(50.6, None, "Howard 2017, table 6"),),
    "mobilenet_v1_full": (Result(71.7, None, "Howard 2017, table 4"),),
    "mobilenet_v2": (Result(72.0, None, "Sandler 2018, table 4"), Result(71.3, 90.1, KERAS)),
    "mobilenet_v2_035": (Result(60.3, 82.9, _WIDTHS),),
    "mobilenet_v2_050": (Result(65.4, 86.4, _WIDTHS),),
    "mobilenet_v2_075": (Result(69.8, 89.6, _WIDTHS),),
    "mobilenet_v2_140": (Result(74.7, None, "Sandler 2018, table 4"),),
    "mobilenet_v3_small": (Result(67.4, None, "Howard 2019, table 3"), Result(68.1, None, _V3)),
    "mobilenet_v3_large": (Result(75.2, None, "Howard 2019, table 3"), Result(75.6, None, _V3)),
    "mobilenet_v3_small_minimalistic": (Result(61.9, None, _V3),),
    "mobilenet_v3_large_minimalistic": (Result(72.3, None, _V3),),
    "efficientnet_b0": (Result(77.1, 93.3, _EFFICIENTNET),),
    "efficientnet_b1": (Result(79.1, 94.4, _EFFICIENTNET),),
    "efficientnet_b2": (Result(80.1, 94.9, _EFFICIENTNET),),
    "efficientnet_b3": (Result(81.6, 95.7, _EFFICIENTNET),),
    "efficientnet_b4": (Result(82.9, 96.4, _EFFICIENTNET),),
    "efficientnet_b5": (Result(83.6, 96.7, _EFFICIENTNET),),
    "efficientnet_b6": (Result(84.0, 96.8, _EFFICIENTNET),),
    "efficientnet_b7": (Result(84.3, 97.0, _EFFICIENTNET),),
    "efficientnet_lite0": (Result(75.1, None, _LITE),),
    "efficientnet_lite1": (Result(76.7, None, _LITE),),
    "efficientnet_lite2": (Result(77.6, None, _LITE),),
    "efficientnet_lite3": (Result(79.8, None, _LITE),),
    "efficientnet_lite4": (Result(81.5, None, _LITE),),
    "efficientnet_v2_b0": (Result(78.7, None, _V2),),
    "efficientnet_v2_b1": (Result(79.8, None, _V2),),
    "efficientnet_v2_b2": (Result(80.5, None, _V2),),
    "efficientnet_v2_b3": (Result(82.1, None, _V2),),
    "efficientnet_v2_s": (Result(83.9, None, "Tan 2021, table 7"), Result(84.228, 96.878, TORCHVISION)),
    "convnext_tiny": (Result(82.1, None, "Liu 2022, table 1"), Result(82.52, 96.146, TORCHVISION)),
    "convnext_small": (Result(83.1, None, "Liu 2022, table 1"), Result(83.616, 96.65, TORCHVISION)),
    "convnext_base": (Result(83.8, None, "Liu 2022, table 1"), Result(84.062, 96.87, TORCHVISION)),
}
