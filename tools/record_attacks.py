"""Record what foolbox's attacks make of a small network, for tests/adversarial/test_goldens.py.

    pip install torch foolbox
    PYTHONPATH=. python tools/record_attacks.py

Weights and images come from formulas (kcnn/testing/formula.py); the test builds the same network in Keras.
"""

import json
from pathlib import Path

import foolbox
import numpy as np
import torch

from kcnn.testing import formula

FILE = Path(__file__).parents[1] / "tests" / "goldens" / "attacks.json"
MEAN, STD = (120.0, 110.0, 100.0), (60.0, 55.0, 50.0)
ATTACKS = {  # name -> (foolbox's attack, eps in pixels)
    "fgsm": (foolbox.attacks.LinfFastGradientAttack(random_start=False), 8.0),
    "bim": (foolbox.attacks.LinfBasicIterativeAttack(abs_stepsize=2.0, steps=6, random_start=False), 8.0),
    "pgd_l2": (foolbox.attacks.L2ProjectedGradientDescentAttack(abs_stepsize=20.0, steps=6, random_start=False), 80.0),
    "deepfool": (foolbox.attacks.L2DeepFoolAttack(steps=50, candidates=4, overshoot=0.02, loss="logits"), None),
}


class Mean(torch.nn.Module):
    def forward(self, x):
        return x.mean(dim=(2, 3))


def main() -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3), torch.nn.ReLU(), torch.nn.Conv2d(6, 8, 3), torch.nn.Tanh(), Mean(),
        torch.nn.Linear(8, 4),
    ).eval()  # fmt: skip
    for key, values in network.state_dict().items():
        values.copy_(torch.from_numpy(formula.torch_values(key, tuple(values.shape))))
    model = foolbox.PyTorchModel(
        network, bounds=(0, 255), preprocessing={"mean": MEAN, "std": STD, "axis": -3}, device="cpu"
    )
    pixels = np.rint((formula.images((8, 8, 3), 3) + 1) * 127.5)
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())
    labels = model(images).argmax(-1)
    record = {"library": f"foolbox {foolbox.__version__}, torch {torch.__version__.partition('+')[0]}"}
    record |= {"logits": rounded(model(images)), "labels": labels.tolist(), "attacks": {}}
    for name, (attack, eps) in ATTACKS.items():
        raw, _, success = attack(model, images, labels, epsilons=eps)
        record["attacks"][name] = rounded(raw.permute(0, 2, 3, 1))
        change = (raw - images).flatten(1)
        print(name, "success", success.tolist(), "L-inf", change.abs().amax(1).tolist(), "L2", change.norm(dim=1))
    FILE.write_text(json.dumps(record) + "\n")


def rounded(values: torch.Tensor) -> list:
    """Return nested lists of numbers of eight digits."""
    return np.vectorize(lambda value: float(f"{value:.8g}"))(values.detach().numpy().astype(float)).tolist()


if __name__ == "__main__":
    main()
