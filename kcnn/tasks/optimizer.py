"""The optimizer of a recipe: SGD or AdamW, warm-up and cosine decay, a moving average of the weights."""

import re
from typing import TYPE_CHECKING, Any

from kcnn.errors import ConfigError

if TYPE_CHECKING:
    import keras

    from kcnn.recipe import Train

HEAD = "logits"  # the closing layer of every network here
# Regular expressions on TensorFlow's name of a variable, such as "stem_bn/gamma:0"
TRUNK = rf"^(?!(.*/)?{HEAD}/)"
NOT_DECAYED = r"(^|/)(bias|gamma|beta|alpha)(:\d+)?$"


def schedule(train: "Train", steps_per_epoch: int) -> "keras.optimizers.schedules.CosineDecay":
    """Return the learning rate by step: a straight rise to the peak, then half a cosine down to 0.

    The rise takes `train.warmup_epochs`, none or more but at most half of all steps, and starts at peak / warm-up
    steps, so that step 0 moves too.
    The cosine (Loshchilov 2017, 1608.03983, one period) ends with the last step of the last epoch.

    Args:
        train: `learning_rate` is the peak.
        steps_per_epoch: optimizer steps in one epoch, at least 1.
    """
    import keras

    total = train.epochs * steps_per_epoch
    warmup = min(round(train.warmup_epochs * steps_per_epoch), total // 2)
    peak = train.learning_rate
    if warmup < 1:
        return keras.optimizers.schedules.CosineDecay(peak, decay_steps=total)
    return keras.optimizers.schedules.CosineDecay(
        peak / warmup, decay_steps=total - warmup, warmup_target=peak, warmup_steps=warmup
    )


def optimizer(train: "Train", steps_per_epoch: int) -> "keras.optimizers.Optimizer":
    """Return the optimizer that `train` describes, not yet built.

    Weight decay is decoupled (Loshchilov 2019, 1711.05101) and leaves biases, gamma, beta and alpha alone. With
    `train.ema` above 0 the optimizer keeps an average of the trainable weights; `finalize_variable_values` applies it.

    Args:
        train: the recipe's training section.
        steps_per_epoch: optimizer steps in one epoch, at least 1.
    """
    import keras

    rate = schedule(train, steps_per_epoch)
    average = {"use_ema": True, "ema_momentum": train.ema} if train.ema else {}
    if train.optimizer == "adamw":
        built = keras.optimizers.AdamW(rate, weight_decay=train.weight_decay, **average)
    else:
        decay = train.weight_decay or None  # Keras: None skips the pass over the weights
        built = keras.optimizers.SGD(
            rate, momentum=train.momentum, nesterov=train.momentum > 0, weight_decay=decay, **average
        )
    kept = [NOT_DECAYED]
    if train.trunk_rate < 1:
        built = slow_trunk(built, train.trunk_rate)
        kept.append(TRUNK)
    built.exclude_from_weight_decay(var_names=kept)
    return built


def slow_trunk(optimizer: "keras.optimizers.Optimizer", share: float) -> "keras.optimizers.Optimizer":
    """Return a copy of `optimizer` that moves all but the closing layer "logits" at `share` of its learning rate.

    Discriminative fine-tuning (Howard 2018, 1801.06146, section 3.2) with two groups of layers. Weight decay leaves the
    trunk alone: it would pull the weights that others trained towards 0.

    Args:
        optimizer: not built yet.
        share: 0..1; 0 freezes the trunk, but for the statistics of batch normalisation (`hold_norms`).

    Raises:
        ConfigError: `share` lies elsewhere, or `optimizer` is built already.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"share is {share} but must lie in 0..1, as in 0.1 for a tenth of the learning rate.")
    if optimizer.built:
        raise ConfigError("the optimizer is built already; slow its trunk before `compile` and `fit`.")
    kind = type(optimizer)

    class SlowTrunk(kind):  # type: ignore[misc, valid-type]
        """The same optimizer with two learning rates."""

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            """Update one variable at its own rate."""
            name = getattr(variable, "path", None) or variable.name
            super().update_step(gradient, variable, learning_rate * (share if re.search(TRUNK, name) else 1.0))

    SlowTrunk.__name__ = kind.__name__
    slow = SlowTrunk.from_config(optimizer.get_config())
    slow.exclude_from_weight_decay(var_names=[TRUNK])
    return slow
