"""The layers' kernels that a processor computes fastest, for gantut/faster.py: the same numbers but for rounding."""
import copy

import numpy as np
import tensorflow.compat.v1 as tf

SMALL = 8  # pixels: up to here oneDNN's kernel gradients reach a half of the rate of its convolutions, and less


class FusedBatchNorm(object):
    """What a batch_norm does to [N, h, w, channels], in one kernel. bn: one that has been called, for its variables."""

    def __init__(self, bn):
        self.bn = bn

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
            variance *= (n - 1) / n  # the kernel's is divided by n - 1
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
    """The batch norms of a list, each in one kernel if that gives what a reader's batch_norm gives."""
    tried = {}
    for bn in bns:
        key = type(bn), getattr(bn, "epsilon", None), getattr(bn, "momentum", None)
        if key not in tried:
            tried[key] = is_plain(bn)
        yield FusedBatchNorm(bn) if tried[key] else bn


def is_plain(bn):
    """Whether a batch_norm does what FusedBatchNorm does: tried out on numbers, in a graph of its own."""
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
    except Exception:  # whatever a reader's code raises: it is another one
        return False
    written, ours = results
    return len(written) == len(ours) == 6 and all(
        np.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(written, ours))


def fast_gradients():
    """A context in which to build a model: the gradients of small layers' kernels are convolutions, on a processor."""
    ours = {"Conv2D": "Conv2DOnCPU", "Conv2DBackpropInput": "TransposedConv2DOnCPU"}
    return tf.get_default_graph().gradient_override_map({} if tf.config.list_physical_devices("GPU") else ours)


@tf.RegisterGradient("Conv2DOnCPU")
def _conv2d_gradients(op, gradient):
    """Of tf.nn.conv2d: with respect to its input and its kernel."""
    x, kernel = op.inputs
    how = {name: op.get_attr(name) for name in ("strides", "padding", "data_format")}
    return (tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(x), filter=kernel, out_backprop=gradient, **how),
            kernel_gradient(x, gradient, kernel, **how))


@tf.RegisterGradient("TransposedConv2DOnCPU")
def _conv2d_transpose_gradients(op, gradient):
    """Of tf.nn.conv2d_transpose, in which input and output of a convolution change places."""
    _, kernel, x = op.inputs
    how = {name: op.get_attr(name) for name in ("strides", "padding", "data_format")}
    return None, kernel_gradient(gradient, x, kernel, **how), tf.raw_ops.Conv2D(input=gradient, filter=kernel, **how)


def kernel_gradient(large, small, kernel, strides, padding, data_format):
    """The gradient of a convolution of large [N, H, W, a] to small [N, h, w, b] for its kernel [k, l, a, b].

    Where small is small, it is computed as a convolution itself, which is up to four times as fast: the pictures of
    the batch are its channels, the channels a its pictures, and small, with gaps of a stride, its kernel.
    """
    sizes = large.shape.as_list()[1:3] + small.shape.as_list()[1:3] + kernel.shape.as_list()[:2]
    if None in sizes or max(sizes[2:4]) > SMALL or padding != b"SAME" or data_format != b"NHWC":
        return tf.raw_ops.Conv2DBackpropFilter(input=large, filter_sizes=tf.shape(kernel), out_backprop=small,
                                               strides=strides, padding=padding, data_format=data_format)
    pads = [[0, 0]]
    for size, smaller, k, stride in zip(sizes[:2], sizes[2:4], sizes[4:], strides[1:3]):
        pad = max((smaller - 1) * stride + k - size, 0)
        pads.append([pad // 2, pad - pad // 2])
    large = tf.pad(tf.transpose(large, [3, 1, 2, 0]), [*pads, [0, 0]])  # [a, H + pad, W + pad, N]
    small = tf.transpose(small, [1, 2, 0, 3])  # [h, w, N, b]
    result = tf.nn.conv2d(large, small, [1, 1, 1, 1], "VALID", dilations=strides)  # [a, k, l, b], or a little larger
    return tf.transpose(result[:, :sizes[4], :sizes[5]], [1, 2, 0, 3])
