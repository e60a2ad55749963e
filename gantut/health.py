"""What spoils a training: numbers that are not finite, a discriminator that has won, samples that have collapsed."""
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from gantut.errors import UserError

D_HAS_WON = (0.05, 200)  # d_loss below this (1.39 = undecided) in so many steps in a row
COLLAPSED = (0.05, 500)  # spread of the samples below this share of the pictures' spread, after so many steps


class Watch(object):
    """Looks for these. variables: those of a checkpoint."""

    def __init__(self, sess, variables):
        self.sess = sess
        self.names = [var.op.name for var in variables]
        self.finite = [tf.reduce_all(tf.is_finite(tf.cast(var, tf.float32))) for var in variables]
        self.steps_won = 0
        self.warned = set()

    def check_losses(self, step, every=1, **losses):
        """Raise UserError if a loss is not finite; warn, once, when D has won for a long time.

        every: the steps from one look to the next.
        """
        self.check_finite(step, losses)
        limit, steps = D_HAS_WON
        d_loss = losses["d_loss_real"] + losses["d_loss_fake"]
        self.steps_won = self.steps_won + every if d_loss < limit else 0
        if self.steps_won >= steps:
            self.warn("D has won: its loss has been below {} for {} steps (now {:.4f}, g_loss {:.2f}), so that G "
                      "learns little; a smaller --df_dim or --learning_rate helps".format(
                          limit, steps, d_loss, losses["g_loss"]))

    def check_weights(self, step):
        """Raise UserError if a variable that goes into the checkpoint is not finite."""
        self.check_finite(step, dict(zip(self.names, np.where(self.sess.run(self.finite), 0, np.nan))))

    def check_finite(self, step, values):
        """Raise UserError if one of the values, a dict by name, is not finite."""
        for name, value in values.items():
            if not np.isfinite(value):
                raise UserError("training has diverged: {} is not finite at step {}; the last checkpoint is from "
                                "before. A smaller --learning_rate usually helps, or another --seed".format(name, step))

    def check_samples(self, step, samples, images):
        """Warn, once, when the samples have collapsed: they hardly differ from one another."""
        share, steps = COLLAPSED
        spread, wanted = (np.std(batch, axis=0).mean() for batch in (samples, images))
        if step >= steps and spread < share * wanted:
            self.warn("the samples have collapsed: their spread is {:.4f}, that of the pictures {:.4f}; go back to an "
                      "earlier checkpoint, or try another --seed or a smaller --learning_rate".format(spread, wanted))

    def warn(self, message):
        kind = message.split(":")[0]
        if kind not in self.warned:
            self.warned.add(kind)
            print(" [!] " + message, file=sys.stderr, flush=True)
