"""Record again what the tests of the networks compare with, in tests/goldens.

    .venv/bin/python tools/regen_goldens.py tiny [NAME ...]     outputs of the `tiny_*` rows
    python tools/regen_goldens.py twins [NAME ...]              outputs of torchvision's and timm's networks
    python tools/regen_goldens.py explain                       captum's maps of a small network

`twins` needs torch, torchvision and timm (the extra [parity]), `explain` torch and captum; neither TensorFlow.
Weights and images come from formulas (kcnn/testing/formula.py), so the files depend on the architecture alone. A
changed golden of a `tiny_*` row is a changed network: say so in CHANGELOG under "Numbers changed".
"""

import importlib
import json
import operator
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
GOLDENS = ROOT / "tests" / "goldens"
NO_AUX = {"weights_backbone": None, "aux_loss": False}

TWINS = {  # ours, or ours@library for a second twin -> (library, its name, image sides, arguments)
    "alexnet_torchvision": ("torchvision", "alexnet", (224, 131), {}),
    "vgg11": ("torchvision", "vgg11", (224,), {}),
    "vgg16_bn": ("torchvision", "vgg16_bn", (224,), {}),
    "squeezenet1_1": ("torchvision", "squeezenet1_1", (96, 97), {}),
    "resnet18": ("torchvision", "resnet18", (96, 97), {}),
    "resnet34": ("torchvision", "resnet34", (96, 97), {}),
    "resnet50": ("torchvision", "resnet50", (96, 97), {}),
    "resnext50_32x4d": ("torchvision", "resnext50_32x4d", (96, 97), {}),
    "wide_resnet50_2": ("torchvision", "wide_resnet50_2", (96, 97), {}),
    "densenet121": ("torchvision", "densenet121", (96, 97), {}),
    "densenet161": ("torchvision", "densenet161", (96, 97), {}),
    "googlenet_bn": ("torchvision", "googlenet", (96, 97), {"aux_logits": False, "init_weights": False}),
    "mobilenet_v2": ("torchvision", "mobilenet_v2", (96, 97), {}),
    "mobilenet_v2@timm": ("timm", "mobilenetv2_100", (96, 97), {}),
    "mobilenet_v3_small": ("torchvision", "mobilenet_v3_small", (96, 97), {}),
    "mobilenet_v3_small@timm": ("timm", "tf_mobilenetv3_small_100", (96, 97), {}),
    "mobilenet_v3_large": ("torchvision", "mobilenet_v3_large", (96, 97), {}),
    "efficientnet_b0": ("torchvision", "efficientnet_b0", (96, 97), {}),
    "efficientnet_lite0": ("timm", "tf_efficientnet_lite0", (96, 97), {}),
    "efficientnet_v2_s": ("torchvision", "efficientnet_v2_s", (96, 97), {}),
    "efficientnet_v2_b0": ("timm", "tf_efficientnetv2_b0", (96, 97), {}),
    "convnext_tiny": ("torchvision", "convnext_tiny", (96, 97), {}),
    "convnext_tiny@timm": ("timm", "convnext_tiny", (96, 97), {}),
    "deeplab_v3_resnet50": ("torchvision", "segmentation.deeplabv3_resnet50", (96, 97), NO_AUX),
    "deeplab_v3_resnet101": ("torchvision", "segmentation.deeplabv3_resnet101", (96,), NO_AUX),
    "deeplab_v3_mobilenet_v3_large": (
        *("torchvision", "segmentation.deeplabv3_mobilenet_v3_large", (96, 97)),
        NO_AUX,
    ),
    "fcn_resnet50": ("torchvision", "segmentation.fcn_resnet50", (96, 97), NO_AUX),
    "lraspp_mobilenet_v3_large": (
        *("torchvision", "segmentation.lraspp_mobilenet_v3_large", (96, 97)),
        {"weights_backbone": None},
    ),
}
GAINS = {"efficientnet_v2_s": 0.8}  # of the kernels, where the formula's own make rounding errors grow


def main() -> None:
    kind, *names = sys.argv[1:] or ["tiny"]
    {"tiny": tiny, "twins": twins, "explain": explain}[kind](names)


def tiny(names: list[str]) -> None:
    import kcnn
    from kcnn.testing import family, formula

    for name in names or [name for name in kcnn.list_models() if name.startswith("tiny_")]:
        shape = family.small_shape(kcnn.build(name))
        model = kcnn.build(name, num_classes=3, image_shape=shape)
        family.formula_fill(model)
        logits = formula.kept(np.asarray(model(formula.images(shape))))
        write(GOLDENS / f"{name}.json", {"image_shape": list(shape), "logits": rounded(logits)})
        print(f"{name}: {logits.tolist()}")


def twins(names: list[str]) -> None:
    sys.path.insert(0, str(ROOT))
    import torch

    from kcnn.testing import formula

    for name in names or TWINS:
        library, theirs, sides, arguments = TWINS[name]
        module = importlib.import_module(library)
        if library == "timm":
            network = module.create_model(theirs, **arguments)
        else:
            network = operator.attrgetter(theirs)(module.models)(weights=None, **arguments)
        network.eval()
        state = network.state_dict()
        gain = GAINS.get(name, 1.0)
        for key, values in state.items():
            if not key.endswith("num_batches_tracked"):
                values.copy_(torch.from_numpy(formula.torch_values(key, tuple(values.shape), gain)))
        outputs = {}
        for side in sides:
            images = torch.from_numpy(formula.images((side, side, 3)).transpose(0, 3, 1, 2).copy())
            with torch.no_grad():
                found = network(images)
            found = found["out"].permute(0, 2, 3, 1) if isinstance(found, dict) else found
            outputs[str(side)] = rounded(formula.kept(found.numpy()))
        shapes = {key: list(values.shape) for key, values in state.items() if "num_batches_tracked" not in key}
        parameters = sum(int(np.prod(shape)) for shape in shapes.values())
        record = {"library": f"{library} {module.__version__.partition('+')[0]}", "network": theirs, **arguments}
        record |= {"gain": gain} if gain != 1.0 else {}
        write(GOLDENS / "twins" / f"{name}.json", record | {"weights": parameters, "outputs": outputs})
        print(f"{name}: {parameters:,} weights, first logits {outputs[str(sides[0])][0][:3]}")


def explain(names: list[str]) -> None:
    sys.path.insert(0, str(ROOT))
    import captum
    import torch
    from captum import attr
    from torch import nn

    from kcnn.testing import formula

    body = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.ReLU()]
    network = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)).eval()
    for key, values in network.state_dict().items():
        values.copy_(torch.from_numpy(formula.torch_values(key, tuple(values.shape))))
    images = torch.from_numpy(formula.images((14, 14, 3)).transpose(0, 3, 1, 2).copy()).requires_grad_()
    target = torch.tensor([1, 3])
    window = {"sliding_window_shapes": (3, 5, 4), "strides": (3, 3, 2), "baselines": 0.25}
    found = {
        "saliency": attr.Saliency(network).attribute(images, target, abs=False),
        "integrated_gradients": attr.IntegratedGradients(network).attribute(images, target=target, n_steps=32),
        "guided_backprop": attr.GuidedBackprop(network).attribute(images, target),
        "deconvnet": attr.Deconvolution(network).attribute(images, target),
        "deconvnet_unit": attr.NeuronDeconvolution(network, network[3]).attribute(images, (2, 1, 3)),
        "occlusion": attr.Occlusion(network).attribute(images, target=target, **window),
        "grad_cam": attr.LayerGradCam(network, network[4]).attribute(images, target, relu_attributions=True),
    }
    found["occlusion"] = found["occlusion"][:, :1]  # captum repeats the map for each channel
    maps = {name: in_units(values.detach().numpy().transpose(0, 2, 3, 1)) for name, values in found.items()}
    write(GOLDENS / "explain.json", {"library": f"captum {captum.__version__}", "maps": maps})
    print({name: tuple(values.shape) for name, values in found.items()})


def rounded(values: np.ndarray) -> list:
    """Return nested lists of numbers of six digits."""
    return [rounded(row) if row.ndim else float(f"{row:.6g}") for row in values.astype(float)]


def in_units(values: np.ndarray) -> dict:
    """Return {"unit": 1e-5 of the largest value, "values": nested lists of whole numbers of units}."""
    unit = float(f"{np.abs(values).max() / 1e5:.6g}")
    return {"unit": unit, "values": np.rint(values / unit).astype(int).tolist()}


def write(path: Path, record: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
