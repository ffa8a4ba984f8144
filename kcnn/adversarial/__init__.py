"""Fooling networks: small changes that change the answer, and pictures of nothing that are named with confidence.

    victim = Victim(model, preprocess)                 # any keras.Model, and how pixels reach it
    result = pgd(victim.aim(images, labels), eps=8)    # uint8 images; eps in pixels, 0..255
    result.success.mean(), result.norms()["linf"]

One file a method, named by `ATTACKS`. Importing this module imports no TensorFlow.
"""

from kcnn.registry import Entry, Registry

__all__ = ["ATTACKS"]

ATTACKS = Registry(
    "attack",
    "kcnn.attacks",
    {
        "fgsm": Entry("kcnn.adversarial.fgsm:fgsm", "one step of eps along the gradient's sign (Goodfellow 2015)"),
        "bim": Entry("kcnn.adversarial.bim:bim", "many small such steps (Kurakin 2017)"),
        "pgd": Entry("kcnn.adversarial.pgd:pgd", "the same from random starts, L-inf or L2 (Madry 2018)"),
        "deepfool": Entry("kcnn.adversarial.deepfool:deepfool", "to the nearest border, smallest L2 (Moosavi 2016)"),
        "lbfgs": Entry("kcnn.adversarial.lbfgs:lbfgs", "smallest L2 by box-constrained L-BFGS (Szegedy 2014)"),
        "one_pixel": Entry("kcnn.adversarial.one_pixel:one_pixel", "a single pixel, by evolution (Su 2019)"),
    },
)
"""Name -> function of (aim, **settings) that returns an `Attacked`."""
