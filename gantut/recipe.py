"""The class that trains: DCGAN as it is written, or with the parts that flags add.

  Model = with_parts(DCGAN, config)
  Model(sess, ...).train(config)

Each part uses the losses and networks of the class: a reader's change in them takes effect, or is refused.
What later papers changed in the text's recipe (docs/quality.md compares them):

--ema        the moving average of G's weights draws the pictures: gantut/weights.py
--augment    the pictures that D sees are changed at random, so that it cannot memorise them
--mirror     each picture or its mirror image, at random: gantut/batches.py
--r1         a penalty on D's gradient at real pictures (Mescheder et al. 2018, arXiv 1801.04406)
--d_learning_rate  two time scales (Heusel et al. 2017, arXiv 1706.08500)
--g_updates  one update of G for each of D, not the text's two
"""
import contextlib
from types import SimpleNamespace

import numpy as np
import tensorflow.compat.v1 as tf

from gantut.devices import on_devices
from gantut.flags import BEYOND, OF_THE_RUN, OF_THE_STEP, asked_for, settings
from gantut.fused_step import check_class, own_step
from gantut.graph import again
from gantut.seeding import random_state
from gantut.weights import Averages

MODERN = {"ema": 0.999, "d_learning_rate": 0.0004}  # the flags of --recipe modern
NUMBERS = 7  # per picture: brightness, saturation, contrast; shift down, right; centre of the hole down, right


def with_parts(DCGAN, config, devices=(), workers=None):
    """The DCGAN that trains with the flags, or with a plain namespace of some; without any it is the class itself.

    devices: their names, if there are several. workers: the result of find_workers(). Raises UserError if the class
    cannot be trained with the flags.
    """
    of_the_run = asked_for(config, OF_THE_RUN)
    if workers or of_the_run:  # its train() must use a Run
        check_class(DCGAN, asked_for(config, ["recipe"]) or of_the_run)
    parts = {name: getattr(config, name, BEYOND[name][0]) for name in OF_THE_STEP}
    Model = own_step(DCGAN, parts["fast"], parts["g_updates"], parts["losses_every"])
    if len(devices) > 1:
        Model = on_devices(Model, devices)
    Model = with_recipe(Model, parts)
    if Model is not DCGAN:
        Model.parts = parts
    return Model


def choose(flags):
    """Set the flags that belong to flags.recipe, except those that were given on the command line."""
    for name, value in MODERN.items() if flags.recipe == "modern" else ():
        if not flags[name].present:
            flags[name].value = value


def with_recipe(DCGAN, parts):
    """A DCGAN that trains with the parts of the recipe, by their flags' names; without any, itself.

    --mirror, --d_learning_rate and --g_updates are elsewhere: in gantut/batches.py, gantut/workers.py and
    gantut/fused_step.py.
    """
    if not asked_for(SimpleNamespace(**parts), ["ema", "augment", "r1"]):
        return DCGAN
    check_class(DCGAN)

    class RecipeDCGAN(DCGAN):
        averages = None

        def build_model(self):
            if parts["augment"]:
                nothing = np.zeros([1, 2, NUMBERS], np.float32)
                self.augment_numbers = tf.placeholder_with_default(nothing, [None, 2, NUMBERS], "augment_numbers")
            super().build_model()
            if parts["r1"]:
                (gradient,) = tf.gradients(self.D_logits, self.images)
                without = self.d_loss
                self.d_loss += parts["r1"] / 2 * tf.reduce_mean(tf.reduce_sum(gradient**2, [1, 2, 3]))  # equation 9
                for name, summary in list(vars(self).items()):
                    if name.endswith("_sum"):  # TensorBoard shows the penalty too
                        setattr(self, name, again(summary, [without], [self.d_loss]))
            if parts["ema"]:
                self.averages = Averages([var for var in self.saver.variables if var.op.name.startswith("generator/")],
                                         parts["ema"])

        def discriminator(self, image, reuse=False):
            if parts["augment"]:
                numbers = self.augment_numbers[:, int(reuse)]  # one row for the real pictures, one for G's
                image = tf.cond(self.is_training, lambda: augment(image, numbers), lambda: image)
            return super().discriminator(image, reuse)

        def train(self, config):
            self.config = settings(config, self)
            super().train(self.config)

        def step(self, d_optim, g_optim, batch_images, batch_z, counter):
            """The class's own step, in which D sees augmented pictures; then the moving average is updated."""
            sess = self.sess
            if parts["augment"]:
                processes = self.config.processes
                numbers = random_state(self.config.seed, "augment", counter).uniform(
                    -1, 1, [processes.count * self.batch_size, 2, NUMBERS])
                self.sess = FeedingMore(sess, {self.augment_numbers: numbers[processes.rows(self.batch_size)]})
            try:
                losses = super().step(d_optim, g_optim, batch_images, batch_z, counter)
            finally:
                self.sess = sess
            if self.averages:
                self.sess.run(self.averages.update)
            return losses

        def to_draw(self):
            """A context in which G has the weights to draw with, those of the moving average if there is one."""
            return self.averages.in_place(self.sess) if self.averages else contextlib.nullcontext()

    return RecipeDCGAN


class FeedingMore:
    """A session that also feeds `more` in each run."""

    def __init__(self, sess, more):
        self.sess, self.more = sess, more

    def run(self, fetches, feed_dict=None):
        return self.sess.run(fetches, {**(feed_dict or {}), **self.more})


def augment(images, numbers):
    """Change images [N, size, size, channels] in [-1, 1] by numbers [N, 7], uniformly distributed in [-1, 1]."""
    numbers = tf.reshape((numbers + 1) / 2, [-1, NUMBERS, 1, 1, 1])
    images = colour(images, *tf.unstack(numbers[:, :3], axis=1))
    size = images.shape[1]
    shift = tf.floor(numbers[:, 3:5, 0, 0, 0] * (size // 8 * 2 + 1)) - size // 8  # [N, 2], up to size / 8
    place = tf.floor(numbers[:, 5:7, 0, 0, 0] * (size + 1))  # [N, 2], the hole's centre
    return cutout(translate(images, shift), place)


def colour(images, brightness, saturation, contrast):
    """Add -0.5 to 0.5; multiply saturation by 0 to 2, contrast by 0.5 to 1.5. The numbers: [N, 1, 1, 1] in [0, 1]."""
    images += brightness - 0.5
    gray = tf.reduce_mean(images, 3, keepdims=True)
    images = gray + (images - gray) * saturation * 2
    mean = tf.reduce_mean(images, [1, 2, 3], keepdims=True)
    return mean + (images - mean) * (contrast + 0.5)


def translate(images, shift):
    """Move each picture down and right by shift [N, 2] pixels; the gap is filled with 0, medium gray."""
    for axis in (1, 2):
        size = images.shape[axis]
        place = tf.cast(tf.range(size)[tf.newaxis] - tf.cast(shift[:, axis - 1:axis], tf.int32) + 1, tf.int32)
        padded = tf.pad(images, [[0, 0], *([1, 1] if i == axis else [0, 0] for i in (1, 2)), [0, 0]])
        images = tf.gather(padded, tf.clip_by_value(place, 0, size + 1), axis=axis, batch_dims=1)
    return images


def cutout(images, place):
    """Make a square of half the size medium gray, with its centre at place [N, 2]; it may reach beyond the picture."""
    size = images.shape[1]
    inside = [abs(tf.range(size, dtype=tf.float32)[tf.newaxis] + 0.5 - place[:, i:i + 1]) < size / 4 for i in (0, 1)]
    hole = inside[0][:, :, tf.newaxis, tf.newaxis] & inside[1][:, tf.newaxis, :, tf.newaxis]
    return tf.where(tf.broadcast_to(hole, tf.shape(images)), tf.zeros_like(images), images)
