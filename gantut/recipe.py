"""What later papers changed in the recipe, each part by a flag, beside the text's: docs/quality.md compares them.

--ema        the moving average of G's weights draws the pictures: gantut/averages.py
--augment    D sees all pictures changed by chance, so that it cannot learn them by heart: gantut/augment.py
--r1         D pays for a steep judgement of real pictures (Mescheder et al. 2018, arXiv 1801.04406)
--d_learning_rate  two time scales (Heusel et al. 2017, arXiv 1706.08500)
--g_updates  one update of G for each of D, not the text's two
"""
import contextlib

import numpy as np
import tensorflow.compat.v1 as tf

from gantut.augment import NUMBERS, augment
from gantut.averages import Averages
from gantut.faster import update_both
from gantut.flags import BEYOND
from gantut.processes import check_class
from gantut.record import OF_THE_RECIPE

MODERN = {"ema": 0.999}  # what --recipe modern stands for
TEXT = {name: BEYOND[name][0] for name in OF_THE_RECIPE}  # the flags' defaults


def choose(flags):
    """Set the flags that make up flags.recipe, but for those that were given by themselves."""
    for name, value in MODERN.items() if flags.recipe == "modern" else ():
        if not flags[name].present:
            flags[name].value = value


def with_recipe(DCGAN, flags):
    """A DCGAN, one that faster() has made, that trains with the parts of the recipe in flags; without any, itself."""
    if all(getattr(flags, name) == value for name, value in TEXT.items()):
        return DCGAN
    check_class(DCGAN)

    class RecipeDCGAN(DCGAN):
        averages = None

        def build_model(self):
            if flags.augment:
                nothing = np.zeros([1, 2, NUMBERS], np.float32)
                self.dice = tf.placeholder_with_default(nothing, [None, 2, NUMBERS], "dice")
            super().build_model()
            if flags.r1:
                (slope,) = tf.gradients(self.D_logits, self.images)
                self.d_loss += flags.r1 / 2 * tf.reduce_mean(tf.reduce_sum(slope**2, [1, 2, 3]))  # their equation 9
            if flags.ema:
                self.averages = Averages([var for var in self.saver.variables if var.op.name.startswith("generator/")],
                                         flags.ema)

        def discriminator(self, image, reuse=False):
            if flags.augment:
                numbers = self.dice[:, int(reuse)]  # one row for the real pictures, one for G's
                image = tf.cond(self.is_training, lambda: augment(image, numbers), lambda: image)
            return super().discriminator(image, reuse)

        def step(self, run, d_optim, g_optim, batch_images, batch_z, counter):
            """What FasterDCGAN.step() does, with numbers for the augmentation and as many updates of G as asked for."""
            if self.dg_optim is None:
                self.dg_optim = update_both(self, d_optim, run.adams[-1])
            noise = {self.z: batch_z, self.is_training: True}
            if flags.augment:
                noise[self.dice] = run.noise("augment", counter, 2, NUMBERS)

            run.update(self.dg_optim, self.d_sum, {self.images: batch_images, **noise}, counter)
            if flags.g_updates == 2:
                run.update(g_optim, self.g_sum, noise, counter)
            else:  # the summary alone, for which D must not move the averages of its batch norm once more
                run.update([], self.g_sum, {self.z: batch_z, self.is_training: False}, counter)
            if self.averages:
                self.sess.run(self.averages.update)
            return self.sess.run([self.d_loss_fake, self.d_loss_real, self.g_loss],
                                 {self.images: batch_images, self.z: batch_z, self.is_training: False})

        def to_draw(self):
            """A context in which G draws as it should be seen."""
            return self.averages.in_place(self.sess) if self.averages else contextlib.nullcontext()

    return RecipeDCGAN
