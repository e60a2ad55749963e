"""G's weights: their moving average, --ema, and starting with the weights of another model, --init_from.

A checkpoint has the average beside the weights, and pictures are drawn with it (Karras et al. 2018, arXiv 1710.10196):
where D and G are balanced, the weights circle around a point, and their average is nearer to it. The moving averages
of batch norm belong to the weights and are averaged too.
"""
import contextlib
import os
from functools import partial

import tensorflow.compat.v1 as tf

from gantut import run_record
from gantut.checkpoints import check_folder, newest_checkpoint, shapes_in, sizes_of, with_newest
from gantut.errors import UserError
from gantut.paths import find_model

SUFFIX = "/ExponentialMovingAverage"  # what TensorFlow adds to a variable's name
FLAG = "init_from"


class Averages:
    """The moving averages of some variables. decay: of the averages; at most (1 + n) / (10 + n) after n updates."""

    def __init__(self, variables, decay):
        self.variables = variables
        n = tf.get_variable("ema_updates", [], tf.int32, tf.zeros_initializer(), trainable=False)
        ema = tf.train.ExponentialMovingAverage(decay, num_updates=n)
        with tf.control_dependencies([ema.apply(variables)]):
            self.update = n.assign_add(1)
        self.take = tf.group(*[var.assign(ema.average(var)) for var in variables])
        self.values = [tf.placeholder(tf.float32, var.shape) for var in variables]
        self.give_back = tf.group(*[var.assign(value) for var, value in zip(variables, self.values)])

    @contextlib.contextmanager
    def in_place(self, sess):
        """A context in which the variables have their averages' values."""
        values = sess.run(self.variables)
        try:
            sess.run(self.take)
            yield
        finally:
            sess.run(self.give_back, dict(zip(self.values, values)))


def names_to_draw_with(path, weights="auto"):
    """The variables of G for which a checkpoint has an average to draw with: {name: name of its average}.

    weights: average, latest, or auto: the average if there is one. Raises UserError if average is asked for and there
    is none.
    """
    names = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    averages = {name[:-len(SUFFIX)]: name for name in names if name.endswith(SUFFIX)}
    if weights == "average" and not averages:
        raise UserError(f"--weights average: {path} has none: train with --ema 0.999, or leave the flag out")
    return {} if weights == "latest" else averages


def restore_to_draw(dcgan, checkpoint_dir, weights):
    """After dcgan.load(): give G the weights to draw with, see names_to_draw_with()."""
    with_newest(checkpoint_dir, partial(restore_averages, dcgan, weights))


def restore_averages(dcgan, weights, path):
    averages = names_to_draw_with(path, weights)
    if averages:
        variables = {var.op.name: var for var in dcgan.saver.variables}
        tf.train.Saver({average: variables[name] for name, average in averages.items()}).restore(
            dcgan.sess, path)


def check_init_from(given, checkpoint_dir, dcgan):
    """Raise UserError unless the training in checkpoint_dir can start with the model in a folder, or has started so.

    given: the folder, as given by the flag. dcgan: the model to train.
    """
    folder = find_model(given)
    check_folder(folder, FLAG)
    if os.path.realpath(folder) == os.path.realpath(checkpoint_dir):
        raise UserError(f"--init_from {given} is the --checkpoint_dir of this training, which continues from there by "
                        "itself: leave one of them out")
    if not newest_checkpoint(checkpoint_dir):
        with_newest(folder, partial(check_shapes, given, dcgan), FLAG)
        return
    path = os.path.join(checkpoint_dir, "run.json")
    before = run_record.read(path).get("init_from") if os.path.exists(path) else None
    if not before or os.path.realpath(before["folder"]) != os.path.realpath(given):
        started = (f"that has started with --init_from {before['folder']}" if before else
                   "that has not started with another model, as far as run.json says")
        raise UserError(f"{checkpoint_dir} has a training {started}, not --init_from {given}: leave --init_from out to "
                        "continue it, or use another --checkpoint_dir for a new run")


def check_shapes(given, dcgan, path):
    """Raise UserError unless the checkpoint at path has G's weights, and all or none of D's, in the model's shapes."""
    if not path:
        raise UserError(f"--init_from {given}: there is no checkpoint; give the folder of a trained model")
    shapes = shapes_in(path, FLAG)
    for var in to_take(dcgan.saver.variables, shapes):
        if shapes.get(var.op.name) != var.shape.as_list():
            sizes = sizes_of(path, shapes, FLAG, without_d=True)
            differ = [name for name in sizes if sizes[name] != getattr(dcgan, name)]
            if differ:
                theirs, ours = (run_record.as_flags(values, differ) for values in (sizes, vars(dcgan)))
                raise UserError(f"--init_from {given}: its model was made with {theirs}, this one with {ours}: train "
                                "with its sizes, or start with another model")
            raise UserError(f"--init_from {path}: its {var.op.name} has the shape {shapes.get(var.op.name)}, in this "
                            f"model {var.shape.as_list()}")


def to_take(variables, names):
    """The model's variables to take from a checkpoint, by the names in it: without D's if it has none of D's."""
    prefixes = [of for of in ("generator/", "discriminator/") if of == "generator/" or any(
        name.startswith(of) for name in names)]
    return [var for var in variables if var.op.name.startswith(tuple(prefixes))]


def begin_with(given, sess, saver):
    """Start the model with the weights of the newest checkpoint in a folder; returns the entry for run.json.

    G gets the weights that draw: their moving average, if there is one. The training's own moving average starts with
    them. saver: the run's.
    """
    return with_newest(find_model(given), partial(restore_first, given, sess, saver), FLAG)


def restore_first(given, sess, saver, path):
    names = shapes_in(path, FLAG)
    averages = names_to_draw_with(path)
    taken = to_take(saver.model, names)
    from_names = {var.op.name: averages.get(var.op.name, var.op.name) for var in taken}
    tf.train.Saver({from_names[var.op.name]: var for var in taken}).restore(sess, path)
    own_averages = {from_names[var.op.name[:-len(SUFFIX)]]: var for var in saver.variables
                    if var.op.name.endswith(SUFFIX)}
    if own_averages:
        tf.train.Saver(own_averages).restore(sess, path)
    weights = "average" if averages else "latest"  # as --weights has it
    print(f" [*] Beginning with the weights of {path} (of G the {weights})")
    if len(taken) < len(saver.model):
        print(f" [*] {path} holds no weights of D: D starts anew")
    return {"folder": os.path.normpath(given), "checkpoint": os.path.basename(path), "weights": weights}
