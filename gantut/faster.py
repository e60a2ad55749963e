"""--fast: Part 4's updates in fewer passes of the networks, with faster kernels, the same but for rounding.

All that is computed is the class's own: its losses, its networks, its layers. What of it has been changed takes effect
here as well, or is refused by name.
"""
import tensorflow.compat.v1 as tf

from gantut.errors import UserError
from gantut.graph import again, ancestors
from gantut.kernels import fast_gradients, fused
from gantut.schedule import count_g_updates

REFUSED = "; train without --fast"


def faster(DCGAN, losses_every=1):
    """A DCGAN with the faster step."""
    return own_step(DCGAN, True, 2, losses_every)


def own_step(DCGAN, fast, g_updates=2, losses_every=1):
    """A DCGAN with a step of its own: a fast one, or one with fewer updates of G; with neither, the class itself.

    g_updates: how many updates of G at most. losses_every: steps between two looks at the losses. Raises UserError if
    the class has no step() that could be taken for it.
    """
    if not fast and g_updates == 2:
        return DCGAN
    check_class(DCGAN)
    asked = dict(fast=fast, g_updates=g_updates, losses_every=losses_every)

    class OwnStepDCGAN(DCGAN):
        parts = asked
        g_updates = None

        def step(self, d_optim, g_optim, batch_images, batch_z, counter):
            """What DCGAN.step() does, which is watched once; returns the losses, nan where they are not looked at."""
            if self.g_updates is None:
                self.g_updates = min(count_g_updates(super().step, self, d_optim, g_optim), g_updates)
                self.d_update, self.d_summaries = d_optim, [self.d_sum]
                if fast:
                    self.d_update, judged = update_both(self, d_optim, g_optim)
                    if self.g_updates == 1:
                        self.d_summaries += [again(self.g_sum, [self.D_, self.D_logits_], judged)]
            noise = {self.z: batch_z, self.is_training: True}
            left = self.g_updates - 1 if fast else self.g_updates

            # update D network; if it is to be fast, then G network, on the same images of G
            self.update([self.d_update], self.d_summaries, {self.images: batch_images, **noise}, counter)
            for _ in range(left):
                self.update([g_optim], [self.g_sum], noise, counter)

            if counter % losses_every:
                return float("nan"), float("nan"), float("nan")
            return self.sess.run([self.d_loss_fake, self.d_loss_real, self.g_loss],
                                 {self.images: batch_images, self.z: batch_z, self.is_training: False})

        def update(self, optims, summaries, feed_dict, counter):
            """Run updates, and write their summaries if it is the step for it."""
            summaries = summaries if self.writer.wants(counter) else []
            for summary_str in self.sess.run([*optims, *summaries], feed_dict)[len(optims):]:
                self.writer.add_summary(summary_str, counter)

    class FastDCGAN(OwnStepDCGAN):
        def build_model(self):
            """Build the graph twice: as written, for the variables' first values, and with faster kernels."""
            with tf.name_scope("as_written"):
                super().build_model()
            for bns in batch_norms(self):
                bns[:] = fused(bns)
            with tf.variable_scope(tf.get_variable_scope(), reuse=True), fast_gradients():
                super().build_model()

    return FastDCGAN if fast else OwnStepDCGAN


def check_class(DCGAN):
    """Raise UserError unless the class trains with a run, which shares batches out, and has its step done."""
    if not hasattr(DCGAN, "step"):
        raise UserError("this class DCGAN trains in its own train() on one device of one process, as the text has it: "
                        "leave out the flags for more, or use the project's gantut_gan.py")


def batch_norms(dcgan):
    """The lists of D's and G's batch norms."""
    try:
        return dcgan.d_bns, dcgan.g_bns
    except AttributeError as error:
        raise UserError("--fast takes the batch norms from the lists d_bns and g_bns ({}){}".format(
            error, REFUSED)) from None


def update_both(dcgan, d_optim, g_optim):
    """Returns an op: d_optim, the update of D, and then g_optim, one of G; and what D says of G's images in the latter.

    These are Part 4's update of D and its first one of G, with the same numbers: G draws its images once and not
    twice, which saves a tenth of a step. D judges them anew when it is updated, and the moving averages of G take the
    second of their two steps.
    """
    if not (hasattr(d_optim, "update") and hasattr(g_optim, "update")):
        raise UserError("--fast knows the updates that run.AdamOptimizer makes, not {} and {}{}".format(
            d_optim.name, g_optim.name, REFUSED))
    check_generator(dcgan)
    with tf.name_scope("fast"):
        with tf.control_dependencies([d_optim.update]), fast_gradients():
            judged = dcgan.discriminator(dcgan.G, reuse=True)
        old = [dcgan.D_, dcgan.D_logits_]
        g_loss = again(g_optim.loss, old, judged)
        if ancestors([g_loss]) & (ancestors(old) - ancestors(judged)):
            raise UserError("--fast: G's loss depends on more of D than D_ and D_logits_" + REFUSED)
        update = g_optim.minimize(g_loss, var_list=g_optim.var_list)
        return g_optim.average(tf.group(update, *[move_again(bn) for bn in in_use(dcgan.g_bns)])), judged


def check_generator(dcgan):
    """Raise UserError if G does anything, in one pass, that it would do twice in two."""
    movable = [bn for bn in in_use(dcgan.g_bns) if hasattr(bn, "move")]
    ours = {var.op.name for bn in movable for var in (bn.moving_mean, bn.moving_variance)}
    others = [var.op.name for var in dcgan.saver.model if not var.trainable and var.op.name not in ours
              and var.op.name.startswith("generator/")]
    if others:
        raise UserError("--fast moves the averages of G's batch norms by their move(), which {} has not{}".format(
            others[0], REFUSED))
    graph = dcgan.G.graph
    random = [name for name in ancestors([dcgan.G]) if graph.get_operation_by_name(name).type in RANDOM]
    if random:
        raise UserError("--fast draws G's images once for two updates, but {} draws random numbers{}".format(
            random[0], REFUSED))


RANDOM = {"RandomUniform", "RandomStandardNormal", "TruncatedNormal", "RandomUniformInt", "RandomGamma",
          "Multinomial", "StatelessRandomUniformV2", "StatelessRandomNormalV2"}


def in_use(bns):
    """Those batch norms that the graph has: the tutorial makes one or two more than there are layers to normalise."""
    return [bn for bn in bns if hasattr(bn, "mean")]


def move_again(bn):
    """An op: the moving averages of a batch_norm take the step of its latest call once more, after it."""
    with tf.control_dependencies([bn.mean, bn.variance]):
        return bn.move(bn.mean, bn.variance)
