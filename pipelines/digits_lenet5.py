"""LeNet-5 on scikit-learn's 1,797 hand-written digits: the demo, offline, under a minute on two cores."""

from kcnn import recipe as r
from kcnn.tasks.classification.config import ClassificationConfig


def recipe(smoke: bool = False) -> r.Recipe:
    full = r.Recipe(
        name="digits_lenet5",
        data=r.Data(source="digits"),
        preprocess=r.Preprocess(size=(28, 28), mean=(0.305,), std=(0.37,), channel_order="gray"),
        model=r.Model(name="lenet5"),
        config=ClassificationConfig(crop_padding=2, label_smoothing=0.05),
        train=r.Train(epochs=40, batch_size=32, learning_rate=0.05, weight_decay=5e-4, warmup_epochs=2, ema=0.99),
    )
    return r.smoke(full, model="tiny_lenet5", size=(28, 28)) if smoke else full
