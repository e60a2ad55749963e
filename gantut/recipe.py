"""What later papers changed in the recipe, each part by a flag, beside the text's: docs/quality.md compares them.

--ema        the moving average of G's weights draws the pictures: gantut/averages.py
--augment    D sees all pictures changed by chance, so that it cannot learn them by heart: gantut/augment.py
--mirror     each picture or its mirror image, by chance: gantut/pictures.py
--r1         D pays for a steep judgement of real pictures (Mescheder et al. 2018, arXiv 1801.04406)
--d_learning_rate  two time scales (Heusel et al. 2017, arXiv 1706.08500)
--g_updates  one update of G for each of D, not the text's two
"""
import contextlib

import numpy as np
import tensorflow.compat.v1 as tf

from gantut.augment import NUMBERS, augment
from gantut.averages import Averages
from gantut.dice import random_state
from gantut.faster import check_class
from gantut.flags import settings

MODERN = {"ema": 0.999}  # what --recipe modern stands for


def choose(flags):
    """Set the flags that make up flags.recipe, but for those that were given by themselves."""
    for name, value in MODERN.items() if flags.recipe == "modern" else ():
        if not flags[name].present:
            flags[name].value = value


def with_recipe(DCGAN, parts):
    """A DCGAN that trains with the parts of the recipe, by their flags' names; without any, itself.

    --mirror, --d_learning_rate and --g_updates are no business of this class: gantut/pictures.py, gantut/run.py and
    gantut/faster.py do them.
    """
    if not (parts["ema"] or parts["augment"] or parts["r1"]):
        return DCGAN
    check_class(DCGAN)

    class RecipeDCGAN(DCGAN):
        averages = None

        def build_model(self):
            if parts["augment"]:
                nothing = np.zeros([1, 2, NUMBERS], np.float32)
                self.dice = tf.placeholder_with_default(nothing, [None, 2, NUMBERS], "dice")
            super().build_model()
            if parts["r1"]:
                (slope,) = tf.gradients(self.D_logits, self.images)
                self.d_loss += parts["r1"] / 2 * tf.reduce_mean(tf.reduce_sum(slope**2, [1, 2, 3]))  # their equation 9
            if parts["ema"]:
                self.averages = Averages([var for var in self.saver.variables if var.op.name.startswith("generator/")],
                                         parts["ema"])

        def discriminator(self, image, reuse=False):
            if parts["augment"]:
                numbers = self.dice[:, int(reuse)]  # one row for the real pictures, one for G's
                image = tf.cond(self.is_training, lambda: augment(image, numbers), lambda: image)
            return super().discriminator(image, reuse)

        def train(self, config):
            self.config = settings(config, self)
            super().train(self.config)

        def step(self, d_optim, g_optim, batch_images, batch_z, counter):
            """The class's own step, in which D sees augmented pictures; then the average takes a step."""
            sess = self.sess
            if parts["augment"]:
                processes = self.config.processes
                numbers = random_state(self.config.seed, "augment", counter).uniform(
                    -1, 1, [processes.count * self.batch_size, 2, NUMBERS])
                self.sess = FeedingMore(sess, {self.dice: numbers[processes.rows(self.batch_size)]})
            try:
                losses = super().step(d_optim, g_optim, batch_images, batch_z, counter)
            finally:
                self.sess = sess
            if self.averages:
                self.sess.run(self.averages.update)
            return losses

        def to_draw(self):
            """A context in which G draws as it should be seen."""
            return self.averages.in_place(self.sess) if self.averages else contextlib.nullcontext()

    return RecipeDCGAN


class FeedingMore(object):
    """A session that feeds something more in each run."""

    def __init__(self, sess, more):
        self.sess, self.more = sess, more

    def run(self, fetches, feed_dict=None):
        return self.sess.run(fetches, {**(feed_dict or {}), **self.more})
