"""The check of DCGAN.train(), which trains the reader's class for four steps."""
import builtins
import contextlib
import dis
import inspect
import os
import tempfile
from types import SimpleNamespace

import numpy as np
import tensorflow.compat.v1 as tf

from gantut.flags import BEYOND, PART_5

from .judging import Unkept, Wrong, attempt, describe, need
from .model import SIZES, inside, model_class
from .trainer import write_pictures

PAIRS = {**SIZES, "batch_size": 2, "sample_size": 2}  # fewer than for the other checks, as this one takes longest


def train(_):
    DCGAN = model_class()
    with tempfile.TemporaryDirectory() as folder, inside(folder):
        write_pictures("pictures", 5)
        for name in ("samples", "checkpoint", "saved"):
            os.makedirs(name)
        check_names(DCGAN)
        values = check_training(DCGAN)
        check_load(DCGAN, values)


def flags(checkpoint_dir):
    """What train() is given: all flags of the trainer, as readers may also use those beyond the text's."""
    beyond = {name: default for name, (default, _, _) in BEYOND.items()}
    return SimpleNamespace(**{**PART_5, **beyond, "dataset": "pictures", "epoch": 2, "learning_rate": 0.0002,
                              "beta1": 0.5, "train_size": np.inf, "checkpoint_dir": checkpoint_dir,
                              **{name: PAIRS[name] for name in ("image_size", "batch_size", "gf_dim")}})


class Watching(tf.Session):
    """A session that records what it was fed, in runs with an update, or another operation, and in those without."""

    def run(self, fetches, feed_dict=None, *args, **kwargs):
        updates = any(isinstance(fetch, tf.Operation) for fetch in tf.nest.flatten(fetches))
        (self.updated if updates else self.evaluated).append(feed_dict or {})
        return super().run(fetches, feed_dict, *args, **kwargs)


def check_training(DCGAN):
    """Train, and save to the folder `saved`; returns the values of the class's variables, by name."""
    minimized = []
    minimize = tf.train.AdamOptimizer.minimize

    def remember(self, loss, *args, **kwargs):
        minimized.append((self, loss, kwargs.get("var_list", args[1] if len(args) > 1 else None)))
        return minimize(self, loss, *args, **kwargs)
    tf.reset_default_graph()
    with Watching() as sess:
        sess.updated, sess.evaluated = [], []
        dcgan = attempt("DCGAN(sess)", DCGAN, sess, checkpoint_dir="checkpoint", **PAIRS)
        names = [var.op.name for var in tf.global_variables()]
        tf.train.AdamOptimizer.minimize = remember
        said = Unkept()
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(Unkept()):
                attempt("train(config), 5 pictures, batches of 2, 2 epochs,", dcgan.train, flags("checkpoint"))
        except Wrong as wrong:
            if minimized:
                check_optimizers(dcgan, minimized)  # the reason, perhaps
            raise wrong from None
        finally:
            tf.train.AdamOptimizer.minimize = minimize
        check_optimizers(dcgan, minimized)
        check_updates(sess, dcgan, minimized)
        lines = said.epochs
        need(lines == 4, f"train() prints {lines} lines with Epoch, expected 4: 2 epochs of 5 // 2 = 2 batches")
        values = sess.run({var.op.name: var for var in tf.global_variables()})  # the optimizers' too
    save(values, "saved/DCGAN.model")
    return {name: values[name] for name in names}


def save(values, path):
    """Write a checkpoint of values by their names, in a graph of its own: the reader's may be finalized."""
    with tf.Graph().as_default(), tf.Session() as sess:
        variables = [tf.get_variable(name, initializer=value) for name, value in values.items()]
        sess.run(tf.global_variables_initializer())
        tf.train.Saver(variables).save(sess, path, global_step=1)


def check_names(DCGAN):
    """Check the names in train() and step(): the four steps of the check do not run every line of them."""
    functions = [inspect.unwrap(getattr(DCGAN, name)) for name in ("train", "step") if hasattr(DCGAN, name)]
    for function in filter(inspect.isfunction, functions):
        used = list(instructions(function.__code__))
        names = {one.argval for one in used if one.opname == "LOAD_GLOBAL"}
        known = {*function.__globals__, *vars(builtins), *(one.argval for one in used if one.opname == "STORE_GLOBAL")}
        missing = sorted(names - known)
        if missing and "NameError" not in names:  # otherwise the reader's code deals with it
            error = NameError(f"name '{missing[0]}' is not defined")
            raise Wrong(f"when a training reaches that line, {function.__name__}() raises {describe(error)}")


def instructions(code):
    """The instructions of a function, and of the functions and comprehensions in it."""
    yield from dis.get_instructions(code)
    for constant in filter(inspect.iscode, code.co_consts):
        yield from instructions(constant)


class Enough(BaseException):
    """Ends a training."""


class UntilAnUpdate(tf.Session):
    """A session that ends a training before its first update, and keeps the variables' values."""

    is_training = values = None

    def run(self, fetches, feed_dict=None, *args, **kwargs):
        if not (feed_dict or {}).get(self.is_training):
            return super().run(fetches, feed_dict, *args, **kwargs)
        try:
            self.values = super().run({var.op.name: var for var in tf.global_variables()})
        except tf.errors.FailedPreconditionError:
            raise Wrong("if there is a checkpoint, train() begins with variables that are not initialised: perhaps "
                        "those of the optimizers, which the checkpoint does not have") from None
        raise Enough


def check_load(DCGAN, expected):
    """Train again, with a checkpoint, until the first update: the variables must have the checkpoint's values."""
    results, failed = [], None
    tf.reset_default_graph()
    with UntilAnUpdate() as sess:
        dcgan = DCGAN(sess, checkpoint_dir="saved", **PAIRS)
        sess.is_training, load = dcgan.is_training, dcgan.load

        def remember(*args, **kwargs):
            results.append(load(*args, **kwargs))
            return results[-1]
        dcgan.load = remember
        try:
            with contextlib.redirect_stdout(Unkept()), contextlib.redirect_stderr(Unkept()):
                attempt("train(config), with a checkpoint in checkpoint_dir,", dcgan.train, flags("saved"))
        except Wrong as wrong:
            failed = wrong
    values = sess.values
    right = values and all(np.array_equal(value, values[name]) for name, value in expected.items())
    need(right or results, "train() does not call self.load(self.checkpoint_dir): it begins with new weights although "
         "there is a checkpoint")
    need(right or any(results), "self.load() finds no checkpoint in train(): give it self.checkpoint_dir")
    if failed and not values:
        raise failed
    need(right or not values, "what self.load() has restored is overwritten before the first step: initialise the "
         "variables before self.load()")


def check_optimizers(dcgan, minimized):
    adams = {id(adam) for adam, _, _ in minimized}
    need(len(adams) == len(minimized), "D and G need an AdamOptimizer each: here one counts the updates of both")
    need(len(minimized) >= 2, f"there are {len(minimized)} Adam optimizers, expected one for D and one for G")
    for name, loss, variables in (("d_optim", dcgan.d_loss, dcgan.d_vars), ("g_optim", dcgan.g_loss, dcgan.g_vars)):
        own = [one for one in minimized if one[1] is loss]
        need(own, f"no optimizer minimizes self.{'d_loss' if loss is dcgan.d_loss else 'g_loss'}")
        of = own[0][2]
        need(of is not None, f"{name} has no var_list: it would train both networks")
        need({var.op.name for var in of} == {var.op.name for var in variables}, f"{name} trains the wrong variables: "
             f"var_list must be self.{'d_vars' if loss is dcgan.d_loss else 'g_vars'}")
        adam = own[0][0]
        need(abs(adam._beta1 - 0.5) < 1e-6, f"{name} ignores config.beta1: it has {adam._beta1}")
        need(abs(adam._lr - 0.0002) < 1e-9, f"{name} ignores config.learning_rate: it has {adam._lr}")


def check_updates(sess, dcgan, minimized):
    """Check how often each network was updated, by Adam's own count, and what was fed."""
    fed = [feed for feed in sess.updated if dcgan.z in feed or dcgan.images in feed]
    powers = [next(adam for adam, of, _ in minimized if of is loss)._get_beta_accumulators()[0]
              for loss in (dcgan.d_loss, dcgan.g_loss)]
    times = [round(np.log(power) / np.log(0.5)) - 1 for power in sess.run(powers)]
    need(times == [4, 8], f"in 4 steps d_optim has made {times[0]} updates and g_optim {times[1]}, expected 4 and 8: "
         "the text runs g_optim twice")
    need(all(feed.get(dcgan.is_training) for feed in fed),
         "an update is run without is_training True: batch norm then uses its averages, not those of the batch")
    need(not any(feed.get(dcgan.is_training) for feed in sess.evaluated),
         "the losses are evaluated with is_training True: batch norm then moves its averages")
    noise = [np.asarray(feed[dcgan.z]) for feed in fed if dcgan.z in feed]
    need(all(z.min() < -0.5 and z.max() > 0.5 and abs(z).max() <= 1 for z in noise),
         "z is not drawn from -1 to 1: np.random.uniform(-1, 1, [batch_size, z_dim])")
    need(len({z.tobytes() for z in noise}) >= 4, "z is the same in several steps: draw a new one for each batch")
    images = [np.asarray(feed[dcgan.images]) for feed in fed if dcgan.images in feed]
    need(images, "D is never updated with images")
    need(all(-1 <= batch.min() < -0.9 and 0.9 < batch.max() <= 1 for batch in images),
         "the images that are fed do not fill [-1, 1]: get_image() scales them")
    need(all(len(batch) == 2 for batch in images), f"a batch has {len(images[0])} images, expected batch_size, 2")
    need(len({image.tobytes() for image in images[0]}) == 2, "a batch has a picture twice")
    first = images[:len(images) // 2]  # of the first epoch, in which each update may have been fed them
    need(len({batch.tobytes() for batch in first}) > 1, "each batch has the same images: idx * batch_size")
