"""Turn another library's weights into a kcnn file: `python tools/import_weights.py NAME FILE OUT.safetensors`.

FILE is `.pth` or `.pt` (needs torch, and is read with its loader of tensors alone), `.safetensors` or `.h5`. NAME is
one of `kcnn list models`; every weight must find its place, so a file of another variant is refused. The result is
what `kcnn.build(NAME, weights="OUT.safetensors")` reads.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from kcnn import models, zoo
from kcnn.errors import KcnnError, ResourceError
from kcnn.weights import files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the network")
    parser.add_argument("file", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--image_shape", default="", help="height,width,channels where the network needs numbers")
    args = parser.parse_args()
    try:
        convert(args.name, args.file, args.out, [int(side) for side in args.image_shape.split(",") if side])
    except KcnnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def convert(name: str, file: Path, out: Path, image_shape: list[int]) -> None:
    import safetensors.numpy

    weights = files.of_names(read_pickle(file)) if file.suffix in files.PICKLES else files.read(file)
    found = zoo.recognise(name, weights, str(file))
    model = models.build(
        name, num_classes=found.classes, **({"image_shape": tuple(image_shape)} if image_shape else {})
    )
    found.into(model)
    tensors = {weight.path: np.asarray(weight) for weight in model.weights}
    safetensors.numpy.save_file(tensors, out)
    print(f"{out}: {len(tensors)} weights of {name}, {found.classes} classes")


def read_pickle(file: Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise ResourceError(
            f"{file} needs torch to be read: pip install torch, or convert it where torch is."
        ) from error
    if not file.is_file():
        raise ResourceError(f"there is no file {file}.")
    state = torch.load(file, map_location="cpu", weights_only=True)
    state = state.get("state_dict", state)
    return {name.removeprefix("module."): tensor.numpy() for name, tensor in state.items()}


if __name__ == "__main__":
    sys.exit(main())
