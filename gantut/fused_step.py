"""--fast: Part 4's updates in fewer passes through the networks, with faster kernels; the same except for rounding.

It uses the class's own losses, networks and layers: a reader's change in them takes effect here as well, or is refused
by name. What step() runs in the session is found by watching it once.
"""
import copy

import numpy as np
import tensorflow.compat.v1 as tf

from gantut.errors import UserError
from gantut.graph import again, ancestors

REFUSED = "; train without --fast"
RANDOM = {"RandomUniform", "RandomStandardNormal", "TruncatedNormal", "RandomUniformInt", "RandomGamma",
          "Multinomial", "StatelessRandomUniformV2", "StatelessRandomNormalV2"}
SMALL = 8  # pixels: up to this size a kernel's gradient is faster as a convolution (benchmarks/README.md)


def faster(DCGAN, losses_every=1):
    """A DCGAN with the faster step."""
    return own_step(DCGAN, True, 2, losses_every)


def own_step(DCGAN, fast, g_updates=2, losses_every=1):
    """A DCGAN with a different step: a faster one, or one with fewer updates of G; with neither, the class itself.

    g_updates: 1, or 2 for as many of G as the class's step() makes. losses_every: steps between computations of the
    losses. Raises UserError if the class has no step(), or if it would compute the losses in each step all the same.
    """
    if losses_every > 1 and not fast:
        raise UserError("losses_every needs fast: as written, each step computes the losses")
    if not fast and g_updates == 2:
        return DCGAN
    check_class(DCGAN)
    asked = dict(fast=fast, g_updates=g_updates, losses_every=losses_every)

    class OwnStepDCGAN(DCGAN):
        parts = asked
        g_updates = None

        def step(self, d_optim, g_optim, batch_images, batch_z, counter):
            """Does what DCGAN.step() does, which is watched once; returns the losses, nan if they are not computed."""
            if self.g_updates is None:
                written = count_g_updates(super().step, self, d_optim, g_optim)
                self.g_updates = 1 if g_updates == 1 else written
                self.d_update, self.d_summaries = d_optim, [self.d_sum]
                if fast:
                    self.d_update, judged = update_both(self, d_optim, g_optim)
                    if self.g_updates == 1:
                        self.d_summaries += [again(self.g_sum, [self.D_, self.D_logits_], judged)]
            noise = {self.z: batch_z, self.is_training: True}
            left = self.g_updates - 1 if fast else self.g_updates

            # update D network; with --fast then G network, on the same images of G
            self.update([self.d_update], self.d_summaries, {self.images: batch_images, **noise}, counter)
            for _ in range(left):
                self.update([g_optim], [self.g_sum], noise, counter)

            if counter % losses_every:
                return float("nan"), float("nan"), float("nan")
            return self.sess.run([self.d_loss_fake, self.d_loss_real, self.g_loss],
                                 {self.images: batch_images, self.z: batch_z, self.is_training: False})

        def update(self, optims, summaries, feed_dict, counter):
            """Run updates, and write their summaries if this step's are wanted."""
            summaries = summaries if self.writer.wants(counter) else []
            for summary_str in self.sess.run([*optims, *summaries], feed_dict)[len(optims):]:
                self.writer.add_summary(summary_str, counter)

    class FastDCGAN(OwnStepDCGAN):
        def build_model(self):
            """Build the graph twice: as written, for the variables' initial values, and with faster kernels."""
            with tf.name_scope("as_written"):
                super().build_model()
            for bns in batch_norms(self):
                bns[:] = fused(bns)
            with tf.variable_scope(tf.get_variable_scope(), reuse=True), fast_gradients():
                super().build_model()

    return FastDCGAN if fast else OwnStepDCGAN


def check_class(DCGAN, flags=()):
    """Raise UserError unless the class has a step(), and so trains with a Run, which divides the batches.

    flags: the names of those that need it, as far as they are known.
    """
    if not hasattr(DCGAN, "step"):
        needless = " ".join("--" + name for name in flags) or "the flags for more"
        raise UserError("this class DCGAN trains in its own train(), on one device of one process, as in the text: "
                        f"leave out {needless}, or use the project's gantut_gan.py")


def batch_norms(dcgan):
    """The lists of D's and G's batch norms."""
    try:
        return dcgan.d_bns, dcgan.g_bns
    except AttributeError as error:
        raise UserError(f"--fast needs the batch norms in the lists d_bns and g_bns ({error}){REFUSED}") from None


def update_both(dcgan, d_optim, g_optim):
    """Returns an op: d_optim, the update of D, then g_optim, one of G; and D's outputs for G's images in the latter.

    These are Part 4's update of D and its first update of G, with the same numbers: G draws its images only once,
    which saves a tenth of a step. D judges them again after its update, and the moving averages of G take the second
    of their two steps.
    """
    d_made, g_made = (getattr(optim, "made", None) for optim in (d_optim, g_optim))
    if not (d_made and g_made):
        raise UserError(f"--fast needs updates that were made by run.AdamOptimizer, not {d_optim.name} and "
                        f"{g_optim.name}{REFUSED}")
    check_generator(dcgan)
    with tf.name_scope("fast"):
        with tf.control_dependencies([d_made.alone]), fast_gradients():
            judged = dcgan.discriminator(dcgan.G, reuse=True)
        old = [dcgan.D_, dcgan.D_logits_]
        g_loss = again(g_made.loss, old, judged)
        if ancestors([g_loss]) & (ancestors(old) - ancestors(judged)):
            raise UserError("--fast: G's loss depends on more of D than D_ and D_logits_" + REFUSED)
        update = g_made.optimizer.minimize_alone(g_loss, g_made.var_list)
        moves = [move_again(bn) for bn in in_use(dcgan.g_bns)]
        return g_made.optimizer.average(tf.group(update, *moves)), judged


def check_generator(dcgan):
    """Raise UserError if one pass through G, instead of two, would not give the same."""
    movable = [bn for bn in in_use(dcgan.g_bns) if hasattr(bn, "move")]
    ours = {var.op.name for bn in movable for var in (bn.moving_mean, bn.moving_variance)}
    others = [var.op.name for var in dcgan.saver.model if not var.trainable and var.op.name not in ours
              and var.op.name.startswith("generator/")]
    if others:
        raise UserError("--fast moves the averages of G's batch norms with their move(), which does not move "
                        f"{others[0]}{REFUSED}")
    graph = dcgan.G.graph
    random = [name for name in ancestors([dcgan.G]) if graph.get_operation_by_name(name).type in RANDOM]
    if random:
        raise UserError(f"--fast draws G's images once for two updates, but {random[0]} draws random numbers{REFUSED}")


def in_use(bns):
    """The batch norms that the graph uses: the tutorial makes one or two more than there are layers to normalise."""
    return [bn for bn in bns if getattr(bn, "mean", None) is not None]


def move_again(bn):
    """An op: the moving averages of a batch_norm repeat the step of its latest call, after it."""
    with tf.control_dependencies([bn.mean, bn.variance]):
        return bn.move(bn.mean, bn.variance)


class FusedBatchNorm:
    """What a batch_norm does to [N, h, w, channels], in one kernel. bn: one that was called before; it has variables.
    """

    def __init__(self, bn):
        self.bn = bn
        self.mean = self.variance = None  # of the latest call

    @property
    def moving_mean(self):
        return self.bn.moving_mean

    @property
    def moving_variance(self):
        return self.bn.moving_variance

    def __call__(self, x, train):
        bn = self.bn
        if x.shape.ndims != 4:
            y = bn(x, train)
            self.mean, self.variance = bn.mean, bn.variance
            return y
        with tf.variable_scope(bn.name, reuse=True):
            beta, gamma = tf.get_variable("beta"), tf.get_variable("gamma")

        def batch_statistics():
            y, mean, variance, _, _, _ = tf.raw_ops.FusedBatchNormV3(
                x=x, scale=gamma, offset=beta, mean=[], variance=[], epsilon=bn.epsilon, is_training=True)
            n = tf.cast(tf.reduce_prod(tf.shape(x)[:3]), tf.float32)
            variance *= (n - 1) / n  # the kernel divides by n - 1
            with tf.control_dependencies([self.move(mean, variance)]):
                return tuple(tf.identity(result) for result in (y, mean, variance))

        def moving_averages():
            mean, variance = tf.identity(bn.moving_mean), tf.identity(bn.moving_variance)
            return tf.nn.batch_normalization(x, mean, variance, beta, gamma, bn.epsilon), mean, variance

        y, self.mean, self.variance = tf.cond(tf.convert_to_tensor(train), batch_statistics, moving_averages)
        return y

    def move(self, mean, variance):
        """An op: the moving averages take a step towards a mean and a variance, [channels]."""
        return self.bn.move(mean, variance)


def fused(bns):
    """The batch norms of a list, each in one kernel if that gives the same as a reader's batch_norm."""
    tried = {}
    for bn in bns:
        key = type(bn), getattr(bn, "epsilon", None), getattr(bn, "momentum", None)
        if key not in tried:
            tried[key] = is_plain(bn)
        yield FusedBatchNorm(bn) if tried[key] else bn


def is_plain(bn):
    """Whether a batch_norm does what FusedBatchNorm does: tried with random numbers, in a separate graph."""
    x = np.random.RandomState(0).normal(3, 2, [4, 3, 2, 5]).astype(np.float32)
    results = []
    try:
        for kind in (lambda bn: bn, FusedBatchNorm):
            with tf.Graph().as_default(), tf.Session() as sess:
                train, written = tf.placeholder(tf.bool), copy.copy(bn)
                y = written(tf.constant(x), train)
                y = y if kind(written) is written else kind(written)(tf.constant(x), train)
                for var, value in zip(tf.global_variables(), np.random.RandomState(1).uniform(0.5, 2, [9, 5])):
                    var.load(value, sess)
                results.append([sess.run(y, {train: True}), *sess.run(tf.global_variables()),
                                sess.run(y, {train: False})])
    except Exception:  # a reader's code may raise anything: it does something else
        return False
    written, ours = results
    return len(written) == len(ours) == 6 and all(
        np.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(written, ours))


def fast_gradients():
    """A context in which to build a model: on a CPU, the gradients of small layers' kernels become convolutions."""
    ours = {"Conv2D": "Conv2DOnCPU", "Conv2DBackpropInput": "TransposedConv2DOnCPU"}
    return tf.get_default_graph().gradient_override_map({} if tf.config.list_physical_devices("GPU") else ours)


@tf.RegisterGradient("Conv2DOnCPU")
def _conv2d_gradients(op, gradient):
    """The gradients of tf.nn.conv2d with respect to its input and its kernel."""
    x, kernel = op.inputs
    how = attributes(op)
    return (tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(x), filter=kernel, out_backprop=gradient, **how),
            kernel_gradient(x, gradient, kernel, **how))


@tf.RegisterGradient("TransposedConv2DOnCPU")
def _conv2d_transpose_gradients(op, gradient):
    """The gradients of tf.nn.conv2d_transpose, in which the input and output of a convolution are exchanged."""
    _, kernel, x = op.inputs
    how = attributes(op)
    return None, kernel_gradient(gradient, x, kernel, **how), tf.raw_ops.Conv2D(input=gradient, filter=kernel, **how)


def attributes(op):
    """How a convolution is done, for its gradients."""
    return {name: op.get_attr(name) for name in ("strides", "padding", "data_format", "explicit_paddings", "dilations")}


def kernel_gradient(large, small, kernel, strides, padding, data_format, explicit_paddings=(), dilations=(1, 1, 1, 1)):
    """The gradient of a convolution from large [N, H, W, a] to small [N, h, w, b] for its kernel [k, l, a, b].

    If `small` has at most SMALL pixels a side, it is computed as a convolution, 1.1 to 4.7 times as fast: the pictures
    of the batch become channels, the channels a become pictures, and `small`, dilated by the strides, becomes the
    kernel.
    """
    sizes = large.shape.as_list()[1:3] + small.shape.as_list()[1:3] + kernel.shape.as_list()[:2]
    if (None in sizes or max(sizes[2:4]) > SMALL or padding != b"SAME" or data_format != b"NHWC"
            or max(dilations) > 1):
        return tf.raw_ops.Conv2DBackpropFilter(
            input=large, filter_sizes=tf.shape(kernel), out_backprop=small, strides=strides, padding=padding,
            data_format=data_format, explicit_paddings=list(explicit_paddings), dilations=list(dilations))
    pads = [[0, 0]]
    for size, smaller, k, stride in zip(sizes[:2], sizes[2:4], sizes[4:], strides[1:3]):
        pad = max((smaller - 1) * stride + k - size, 0)
        pads.append([pad // 2, pad - pad // 2])
    large = tf.pad(tf.transpose(large, [3, 1, 2, 0]), [*pads, [0, 0]])  # [a, H + pad, W + pad, N]
    small = tf.transpose(small, [1, 2, 0, 3])  # [h, w, N, b]
    result = tf.nn.conv2d(large, small, [1, 1, 1, 1], "VALID", dilations=strides)  # [a, k, l, b], or a little larger
    return tf.transpose(result[:, :sizes[4], :sizes[5]], [1, 2, 0, 3])


class Watched(tf.Session):
    """A session that records its runs and computes nothing: each result is the number of its run."""

    def __init__(self, graph):
        super().__init__(graph=graph)
        self.calls = []

    def run(self, fetches, feed_dict=None, options=None, run_metadata=None):
        self.calls.append((fetches if isinstance(fetches, (list, tuple)) else [fetches], feed_dict or {}))
        return [len(self.calls)] * len(fetches) if isinstance(fetches, (list, tuple)) else len(self.calls)


class Noted:
    """A writer that records what it is given."""

    def __init__(self):
        self.summaries = []

    def add_summary(self, summary, step):
        self.summaries.append((summary, step))


def count_g_updates(step, dcgan, d_optim, g_optim):
    """How many updates of G follow the one of D in step(), a method of dcgan.

    Raises UserError unless it does what the text's step does: update D, update G once or more often, each on the same
    z and with its summary, then evaluate the three losses.
    """
    images, z, counter = object(), object(), object()
    sess, writer = dcgan.sess, dcgan.writer
    with Watched(dcgan.G.graph) as watched:
        dcgan.sess, dcgan.writer = watched, Noted()
        try:
            returned = step(d_optim, g_optim, images, z, counter)
            calls, summaries = watched.calls, dcgan.writer.summaries
        except Exception as error:
            raise changed(f"it raises {type(error).__name__}: {error}") from None
        finally:
            dcgan.sess, dcgan.writer = sess, writer
    noise, evaluation = {dcgan.z: z, dcgan.is_training: True}, {dcgan.z: z, dcgan.is_training: False}
    n = sum(call[0][0] is g_optim for call in calls)
    expected = [([d_optim, dcgan.d_sum], {dcgan.images: images, **noise})] + [([g_optim, dcgan.g_sum], noise)] * n + [
        ([dcgan.d_loss_fake], evaluation), ([dcgan.d_loss_real], {dcgan.images: images, dcgan.is_training: False}),
        ([dcgan.g_loss], evaluation)]
    for i, (call, other) in enumerate(zip(calls, expected)):
        if not same(call, other):
            raise changed(f"its run {i + 1} is not the text's")
    if len(calls) != len(expected) or n < 1:
        raise changed(f"it makes {len(calls)} runs, {n} of them updates of G")
    if summaries != [(i + 1, counter) for i in range(n + 1)] or tuple(returned) != (n + 2, n + 3, n + 4):
        raise changed("it writes other summaries or returns other losses")
    return n


def same(call, other):
    """Whether two runs of a session fetch the same tensors and feed the same objects."""
    (fetches, feed), (other_fetches, other_feed) = call, other
    return (len(fetches) == len(other_fetches) and all(a is b for a, b in zip(fetches, other_fetches))
            and {x.name: id(value) for x, value in feed.items()} == {x.name: id(value) for x, value in
                                                                     other_feed.items()})


def changed(what):
    return UserError(f"--fast and --g_updates replace the step, but DCGAN.step() has been changed ({what}); train "
                     "without them")
