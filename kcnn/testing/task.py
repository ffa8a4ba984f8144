"""One harness for every task, ours and a plug-in's: does it keep the contract of `kcnn.tasks.task.Task`?"""

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn import recipe as recipes
from kcnn.data import open_source
from kcnn.data.preprocess import prepare_example, shown
from kcnn.data.source import Source
from kcnn.recipe import Data, Model, Preprocess, Recipe, Train
from kcnn.tasks import TASKS
from kcnn.tasks.task import Task, raw_outputs
from kcnn.testing.family import expect

LEARNING_RATES = (0.05, 0.005, 0.0005)


def default_recipe(task: Task) -> Recipe:
    """Return a run of seconds: 40 embedded digits in two epochs of three steps, a tiny model, the task's defaults."""
    return Recipe(
        name="check",
        task=task.name,
        data=Data(source="digits", limit=40, validation=0.2),
        preprocess=Preprocess(size=(32, 32), channel_order="gray"),
        model=Model(name="tiny_lenet5"),
        config=task.config(),
        train=Train(epochs=2, batch_size=15),
    )


def check_task(task: Task | str, recipe: Recipe | None = None, source: Source | None = None) -> None:
    """Check that a task keeps its contract, end to end on a small run; takes seconds.

    Args:
        task: the task, or its registered name.
        recipe: the run to check it on, at least two steps an epoch; default `default_recipe`.
        source: the data, with a "train" split and a "test" or "validation" split; default `recipe.data`, opened.

    Raises:
        AssertionError: something does not hold; the message says what was found and what is expected.
    """
    task = TASKS.get(task) if isinstance(task, str) else task
    expect(isinstance(task, Task), f"found {type(task).__name__} but a plug-in is a kcnn.tasks.task.Task.")
    recipe = recipe or default_recipe(task)
    source = (source or open_source(recipe.data)).at_depth(recipe.preprocess.bit_depth)
    check_config(task, recipe)
    model = task.model(recipe, source.info)
    check_batches(task, recipe, source, model)
    check_resume(task, recipe, source)
    check_learning(task, recipe, source, model)
    check_signature(task, recipe, source, model)
    check_answers(task, recipe, source, model)
    check_evaluate(task, recipe, source, model)


def check_config(task: Task, recipe: Recipe) -> None:
    """The configuration is a frozen dataclass whose defaults work and that JSON brings back equal."""
    name = f"task {task.name!r}: config"
    expect(dataclasses.is_dataclass(task.config), f"{name} is {task.config!r} but must be a frozen dataclass.")
    expect(task.config.__dataclass_params__.frozen, f"{name} {task.config.__name__} must be frozen.")
    for config in (task.config(), recipe.config):
        expect(isinstance(config, task.config), f"{name} of the recipe is {config!r}, not a {task.config.__name__}.")
        written = recipes.to_json(dataclasses.replace(recipe, config=config))
        read = recipes.from_json(written, config=task.config).config
        expect(read == config, f"{name} comes back from JSON as {read} but was {config}.")


def check_batches(task: Task, recipe: Recipe, source: Source, model: keras.Model) -> None:
    """Batches are (inputs, targets) as their element spec says, of the batch size, finite, and fit the model."""
    for training, split in ((True, "train"), (False, source.held_out)):
        where = f"task {task.name!r}: dataset(split={split!r}, training={training})"
        dataset = task.dataset(recipe, source, split, training=training)
        spec = dataset.element_spec
        expect(
            isinstance(spec, tuple) and len(spec) in (2, 3),
            f"{where} gives {type(spec).__name__} elements but must give (inputs, targets).",
        )
        batches = list(dataset.as_numpy_iterator())
        for found, promised in zip(keras.tree.flatten(batches[0]), keras.tree.flatten(spec), strict=True):
            expect(isinstance(promised, tf.TensorSpec), f"{where} gives {promised}; only dense tensors enter a model.")
            expect(
                promised.shape.is_compatible_with(found.shape) and promised.dtype == found.dtype,
                f"{where} gives {found.dtype} {found.shape} but its element spec says {promised}.",
            )
            finite = found.dtype.kind != "f" or np.isfinite(found).all()
            expect(bool(finite), f"{where} gives numbers that are not finite.")
        sizes = [len(keras.tree.flatten(batch)[0]) for batch in batches]
        passes = recipe.train.epochs if training else 1
        size = source.split(split).size
        expect(
            sum(sizes) == passes * size and max(sizes) <= recipe.train.batch_size,
            f"{where} gives batches of {sizes} but must give {passes} x {size} examples, "
            f"at most {recipe.train.batch_size} at once.",
        )
        for images, tensor in zip(keras.tree.flatten(batches[0][0]), model.inputs, strict=True):
            fits = tf.TensorShape(tensor.shape).is_compatible_with(images.shape)
            expect(fits, f"{where} gives inputs {images.shape} but the model takes {tuple(tensor.shape)}.")


def check_resume(task: Task, recipe: Recipe, source: Source) -> None:
    """The training data from step k on equal the full stream from its step k on, bit for bit; so does a second pass."""
    whole = _batches(task.dataset(recipe, source, "train", training=True))
    where = f"task {task.name!r}: dataset"
    expect(len(whole) >= 4, f"{where} has {len(whole)} training steps; check it on a recipe with 4 or more.")
    expect(_same(whole, _batches(task.dataset(recipe, source, "train", training=True))), f"{where} does not repeat.")
    for step in (1, len(whole) // 2, len(whole) - 1):
        rest = _batches(task.dataset(recipe, source, "train", training=True, start_step=step))
        expect(
            _same(whole[step:], rest),
            f"{where}(start_step={step}) must equal the full stream from step {step} on; draw order and "
            "augmentation from (seed, epoch, index), as kcnn.data.pipeline.training does.",
        )


def check_learning(task: Task, recipe: Recipe, source: Source, model: keras.Model) -> None:
    """Two `fit` steps on one batch lower the loss of that batch.

    A right gradient lowers the loss for any small enough step, so the check passes at the first of `LEARNING_RATES`
    that does it, each from the same weights. The loss is taken in training mode with the random seeds and moving
    statistics put back, so that dropout draws the same mask before and after.
    """
    where = f"task {task.name!r}: compile"
    batch = next(iter(task.dataset(recipe, source, "train", training=True)))
    start = [variable.numpy() for variable in model.variables]
    counts = task.class_counts(recipe, source.info, source.split("train"))
    expect(
        counts.dtype == np.int64 and counts.shape == (len(source.info.classes),),
        f"task {task.name!r}: class_counts gives {counts.dtype} {counts.shape} but must give int64 (classes,).",
    )
    tried = []
    for rate in LEARNING_RATES:
        _restore(model.variables, start)
        plain = dataclasses.replace(recipe.train, learning_rate=rate, warmup_epochs=0.0, weight_decay=0.0, ema=0.0)
        task.compile(model, dataclasses.replace(recipe, train=plain), 1000, counts)
        before = _loss(model, batch)
        expect(bool(np.isfinite(before)), f"{where}: the loss of the first batch is {before}.")
        _restore(model.variables, start)
        model.fit(tf.data.Dataset.from_tensors(batch).repeat(2), shuffle=False, verbose=0)
        learnt = {id(variable) for variable in model.trainable_variables}
        fixed = [(v, s) for v, s in zip(model.variables, start, strict=True) if id(v) not in learnt]
        _restore([v for v, _ in fixed], [s for _, s in fixed])
        after = _loss(model, batch)
        tried.append(f"{before:.6g} -> {after:.6g} at rate {rate}")
        if after < before:
            return
    expect(False, f"{where}: two fit steps on one batch must lower its loss, but {'; '.join(tried)}.")


def check_signature(task: Task, recipe: Recipe, source: Source, model: keras.Model) -> None:
    """The exported signature gives the outputs it names, equal to eager within 1e-5; answers and truth line up."""
    where = f"task {task.name!r}: signature"
    signature = task.signature(recipe, source.info)
    split = source.split(source.held_out)
    inputs = next(iter(task.dataset(recipe, source, source.held_out, training=False)))[0]
    eager = {name: np.asarray(value) for name, value in signature.finish(model(inputs, training=False)).items()}
    expect(
        set(eager) == set(signature.outputs),
        f"{where}: finish gives {sorted(eager)} but outputs names {sorted(signature.outputs)}.",
    )
    with tempfile.TemporaryDirectory() as folder:
        archive = keras.export.ExportArchive()
        archive.track(model)
        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in keras.tree.flatten(inputs)]
        specs = [tf.TensorSpec([None, *spec.shape[1:]], spec.dtype) for spec in specs]
        archive.add_endpoint("serve", lambda *x: signature.finish(model(*x, training=False)), specs)
        archive.write_out(folder, verbose=False)
        loaded = tf.saved_model.load(folder)
        exported = loaded.serve(*keras.tree.flatten(inputs))
    for name, value in eager.items():
        worst = float(np.max(np.abs(np.asarray(exported[name], "float64") - value), initial=0.0))
        expect(worst <= 1e-5, f"{where}: exported {name!r} differs from eager by {worst:.3g}; the bar is 1e-5.")
    examples = [split.read(tf.constant(i, tf.int64)) for i in range(len(keras.tree.flatten(inputs)[0]))]
    examples = [prepare_example(example, recipe.preprocess, split.target) for example in examples]
    truth = signature.truth({key: np.stack([np.asarray(e[key]) for e in examples]) for key in examples[0]})
    answers = signature.answers(eager)
    expect(
        np.shape(answers) == np.shape(truth),
        f"{where}: answers have shape {np.shape(answers)} but truth {np.shape(truth)}; they are compared one by one.",
    )
    scores = signature.measure(answers, truth)
    expect(
        all(isinstance(score, float) and 0 <= score <= 1 for score in scores.values()),
        f"{where}: measure gives {scores} but must give numbers in 0..1.",
    )


def check_answers(task: Task, recipe: Recipe, source: Source, model: keras.Model) -> None:
    """`decode` gives plain values and arrays; `draw` makes a uint8 (H, W, 3) picture of prediction and target.

    Where the task answers for whole images, it does so in their own pixels, wide or high.
    """
    where = f"task {task.name!r}"
    example = source.split(source.held_out).read(tf.constant(0, tf.int64))
    example = {key: np.asarray(value) for key, value in example.items()}
    inputs = next(iter(task.dataset(recipe, source, source.held_out, training=False)))[0]
    outputs = task.signature(recipe, source.info).finish(model(inputs, training=False))
    first = {name: np.asarray(value)[0] for name, value in outputs.items()}
    prediction = task.decode(first, source.info, example["image"].shape[:2])
    _expect_decoded(prediction, f"{where}: decode gives")
    for what, answer in (("a prediction", prediction), ("a target", example)):
        picture = task.draw(shown(example["image"]), answer, source.info)
        form = f"{getattr(picture, 'dtype', type(picture).__name__)} {getattr(picture, 'shape', '')}"
        right = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.shape[2:] == (3,)
        expect(right, f"{where}: draw of {what} gives {form} but must give uint8 (H, W, 3).")
    if task.whole is None:
        return

    run = raw_outputs(model, recipe.preprocess)
    for size in ((1, 1), (5, 300)):
        outputs = task.whole(run, np.zeros((*size, 3), "uint8"), recipe.preprocess, recipe.config)
        _expect_decoded(task.decode(outputs, source.info, size), f"{where}: decode of the outputs of whole gives")


def check_evaluate(task: Task, recipe: Recipe, source: Source, model: keras.Model) -> None:
    """`evaluate` returns a dict of plain values, with a bad example too, and the data set leaves that one out."""
    split, bad = source.held_out, frozenset({0})
    with tempfile.TemporaryDirectory() as folder:
        for left_out in (frozenset(), bad):
            report = task.evaluate(model, recipe, source, split, left_out, Path(folder))
            _expect_plain(report, f"task {task.name!r}: evaluate gives")
    found = sum(len(batch[0]) for batch in _batches(task.dataset(recipe, source, split, training=False, bad=bad)))
    size = source.split(split).size - 1
    expect(found == size, f"task {task.name!r}: dataset(bad={{0}}) gives {found} examples but must give {size}.")


def _expect_decoded(prediction: Any, what: str) -> None:
    expect(isinstance(prediction, dict), f"{what} {type(prediction).__name__} but must give a dict.")
    _expect_plain({k: v for k, v in prediction.items() if not isinstance(v, np.ndarray)}, what)


def _expect_plain(value: Any, what: str) -> None:
    expect(isinstance(value, dict), f"{what} {type(value).__name__} but must give a dict.")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{what} values that are not plain: {error}. Convert arrays with .tolist().") from error


def _batches(dataset: tf.data.Dataset) -> list[list[np.ndarray]]:
    return [keras.tree.flatten(batch) for batch in dataset.as_numpy_iterator()]


def _same(first: list[list[np.ndarray]], second: list[list[np.ndarray]]) -> bool:
    return len(first) == len(second) and all(
        len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
        for a, b in zip(first, second, strict=True)
    )


def _restore(variables: list[Any], values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _loss(model: keras.Model, batch: tuple[Any, ...]) -> float:
    inputs, targets, weights = keras.utils.unpack_x_y_sample_weight(batch)
    outputs = model(inputs, training=True)
    return float(model.compute_loss(x=inputs, y=targets, y_pred=outputs, sample_weight=weights, training=True))
