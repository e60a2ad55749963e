"""The trainer's step: Part 4's updates in fewer passes of the networks, with faster kernels, for DCGAN.step()."""
import tensorflow.compat.v1 as tf

from gantut.kernels import FusedBatchNorm, fast_gradients


def faster(DCGAN):
    """A DCGAN with the faster step; a class without step(), as the text has it, is what it was."""
    if not hasattr(DCGAN, "step"):
        return DCGAN

    class FasterDCGAN(DCGAN):
        dg_optim = None

        def build_model(self):
            """Build the graph twice: as written, for the variables' first values, and with faster kernels."""
            with tf.name_scope("as_written"):
                super().build_model()
            for bns in (self.d_bns, self.g_bns):
                bns[:] = map(FusedBatchNorm, bns)
            with tf.variable_scope(tf.get_variable_scope(), reuse=True), fast_gradients():
                super().build_model()

        def step(self, run, d_optim, g_optim, batch_images, batch_z, counter):
            """What DCGAN.step() does, in three runs of the session instead of six."""
            if self.dg_optim is None:
                self.dg_optim = update_both(self, d_optim, run.adams[-1])
            noise = {self.z: batch_z, self.is_training: True}

            # update D network, then G network, on the same images of G
            run.update(self.dg_optim, self.d_sum, {self.images: batch_images, **noise}, counter)

            # run g_optim twice to make sure that d_loss does not go to zero
            run.update(g_optim, self.g_sum, noise, counter)

            return self.sess.run([self.d_loss_fake, self.d_loss_real, self.g_loss],
                                 {self.images: batch_images, self.z: batch_z, self.is_training: False})

    return FasterDCGAN


def update_both(dcgan, d_optim, g_adam):
    """An op: d_optim, the update of D, and then one of G by g_adam, its optimizer.

    These are Part 4's update of D and its first one of G, with the same numbers: G draws its images once and not
    twice, which saves a tenth of a step. D judges them anew when it is updated, and the moving averages of G take the
    second of their two steps.
    """
    with tf.control_dependencies([d_optim]), fast_gradients():
        D_, D_logits_ = dcgan.discriminator(dcgan.G, reuse=True)
    g_loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(logits=D_logits_, labels=tf.ones_like(D_)))
    g_optim = g_adam.minimize(g_loss, var_list=dcgan.g_vars)
    return tf.group(g_optim, *[move_again(bn) for bn in in_use(dcgan.g_bns)])


def in_use(bns):
    """Those batch norms that the graph has: the tutorial makes one or two more than there are layers to normalise."""
    return [bn for bn in bns if hasattr(bn, "mean")]


def move_again(bn):
    """An op: the moving averages of a batch_norm take the step of its latest call once more, after it."""
    with tf.control_dependencies([bn.mean, bn.variance]):
        return bn.move(bn.mean, bn.variance)
