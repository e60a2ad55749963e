"""The tutorial's step as its text schedules it: what benchmarks/step.py and tests/test_step.py compare train() with.

The layers are the project's, so that only the schedule differs: the generator draws the same images once for D and
once more for G, and the three losses are evaluated one after the other, each with passes of its own (Part 4).
lrelu() is the text's, too: the only layer that the project computes in another way.
"""
import tensorflow.compat.v1 as tf


def lrelu(x, leak=0.2, name="lrelu"):
    """Part 4's text, four operations."""
    with tf.variable_scope(name):
        f1 = 0.5 * (1 + leak)
        f2 = 0.5 * (1 - leak)
        return f1 * x + f2 * abs(x)


class AsWritten(object):
    """The losses' updates and evaluation of Part 4, around a DCGAN whose graph is built."""

    def __init__(self, dcgan, learning_rate=0.0002, beta1=0.5):
        self.dcgan = dcgan
        self.d_optim = tf.train.AdamOptimizer(learning_rate, beta1=beta1).minimize(dcgan.d_loss, var_list=dcgan.d_vars)
        self.g_optim = tf.train.AdamOptimizer(learning_rate, beta1=beta1).minimize(dcgan.g_loss, var_list=dcgan.g_vars)
        self.g_sum = tf.summary.merge([dcgan.z_sum, dcgan.d__sum, dcgan.G_sum, dcgan.d_loss_fake_sum,
                                       dcgan.g_loss_sum])
        self.d_sum = tf.summary.merge([dcgan.z_sum, dcgan.d_sum, dcgan.d_loss_real_sum, dcgan.d_loss_sum])

    def step(self, batch_images, batch_z):
        """One step; returns the three losses: D's of the fakes, D's of the real ones, G's."""
        dcgan, sess = self.dcgan, self.dcgan.sess
        noise = {dcgan.z: batch_z, dcgan.is_training: True}
        sess.run([self.d_optim, self.d_sum], {dcgan.images: batch_images, **noise})
        sess.run([self.g_optim, self.g_sum], noise)
        sess.run([self.g_optim, self.g_sum], noise)
        errD_fake = dcgan.d_loss_fake.eval({dcgan.z: batch_z, dcgan.is_training: False}, sess)
        errD_real = dcgan.d_loss_real.eval({dcgan.images: batch_images, dcgan.is_training: False}, sess)
        errG = dcgan.g_loss.eval({dcgan.z: batch_z, dcgan.is_training: False}, sess)
        return errD_fake, errD_real, errG
