"""The moving average of G's weights, --ema: a checkpoint holds it beside them, and pictures are drawn with it.

Karras et al. 2018 (arXiv 1710.10196): the weights go round and round where D and G are even, their average stands
nearer to the middle. It holds the moving averages of batch norm as well, which belong to the weights.
"""
import contextlib
from functools import partial

import tensorflow.compat.v1 as tf

from gantut.checkpoints import with_newest
from gantut.errors import UserError

ENDING = "/ExponentialMovingAverage"  # what TensorFlow adds to a variable's name


class Averages(object):
    """The averages of some variables. decay: of the average; less at first, (1 + n) / (10 + n) after n updates."""

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
        """A context in which the variables have their averages' values; an error in it leaves them as they were."""
        values = sess.run(self.variables)
        sess.run(self.take)
        try:
            yield
        finally:
            sess.run(self.give_back, dict(zip(self.values, values)))


def names_to_draw_with(path, weights="auto"):
    """What a checkpoint has for the variables of G that is not their own value: {name: name of its average}.

    weights: average, latest, or auto: the average if there is one. Raises UserError if there is none, but should be.
    """
    names = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    averages = {name[:-len(ENDING)]: name for name in names if name.endswith(ENDING)}
    if weights == "average" and not averages:
        raise UserError("--weights average: {} has none: train with --ema 0.999, or leave the flag out".format(path))
    return {} if weights == "latest" else averages


def restore_to_draw(dcgan, checkpoint_dir, weights):
    """After dcgan.load(): give G the weights to draw with, those that names_to_draw_with() names."""
    with_newest(checkpoint_dir, partial(restore_averages, dcgan, weights))


def restore_averages(dcgan, weights, path):
    averages = names_to_draw_with(path, weights)
    if averages:
        variables = {var.op.name: var for var in dcgan.saver.variables}
        tf.train.Saver({average: variables[name] for name, average in averages.items()}).restore(
            dcgan.sess, path)
