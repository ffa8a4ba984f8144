"""LeNet-5 on Fashion-MNIST: 60,000 + 10,000 articles of clothing, 28x28 gray.

Reads the prepared tensorflow-datasets copy; `--data=FOLDER` takes the four IDX files (gzipped or not).
"""

from kcnn import recipe as r
from kcnn.tasks.classification.config import ClassificationConfig


def recipe(smoke: bool = False) -> r.Recipe:
    full = r.Recipe(
        name="fashion_mnist_lenet5",
        data=r.Data(source="fashion_mnist", validation=0.0),
        preprocess=r.Preprocess(size=(28, 28), mean=(0.286,), std=(0.353,), channel_order="gray"),
        model=r.Model(name="lenet5"),
        config=ClassificationConfig(flip=True, crop_padding=1, erasing=0.2),
        train=r.Train(
            epochs=20,
            batch_size=128,
            optimizer="adamw",
            learning_rate=0.004,
            weight_decay=0.05,
            warmup_epochs=0.5,
            ema=0.995,
        ),
    )
    return r.smoke(full, model="tiny_lenet5", size=(28, 28)) if smoke else full
