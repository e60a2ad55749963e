"""Half the time for a step: convolutions and matrix products in bfloat16, by TensorFlow's own rewrite of the graph.

Variables, what Adam remembers, moving averages and losses stay float32, and so does a checkpoint: it goes from one
precision to the other and back.
"""
import re
import sys

import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import rewriter_config_pb2

ARITHMETIC = ("amx_bf16", "avx512_bf16")  # what processors call it
SMALL = 8  # pixels: up to here oneDNN's kernel gradients reach a third of the rate of its convolutions, and less


def set_precision(config, precision):
    """Set a session's tf.ConfigProto to the flag --precision; returns float32 or bfloat16.

    auto: bfloat16 where the processor has arithmetic for it. On a GPU it is float32, for which TensorFlow takes the
    TF32 of its tensor cores by itself. What is not to be expected is said in a line.
    """
    arithmetic = processors_arithmetic()
    if precision == "auto":
        gpu = bool(tf.config.list_physical_devices("GPU"))
        precision = "bfloat16" if arithmetic and not gpu else "float32"
        print(" [*] --precision {}: {}".format(precision, "there is a GPU" if gpu else "the processor has {}".format(
            arithmetic or "no arithmetic for bfloat16")))
    elif precision == "bfloat16" and not arithmetic:
        print(" [!] this processor has no arithmetic for bfloat16: it will be slower than float32", file=sys.stderr)
    if precision == "bfloat16":
        rewrite = config.graph_options.rewrite_options
        rewrite.auto_mixed_precision_onednn_bfloat16 = rewriter_config_pb2.RewriterConfig.ON
    return precision


def processors_arithmetic(path="/proc/cpuinfo"):
    """What the processor has for bfloat16, or None; where the file is not, nothing is known of it."""
    try:
        with open(path) as file:
            flags = re.search(r"^flags\s*:(.*)$", file.read(), re.MULTILINE)
    except OSError:
        return None
    return next((name for name in ARITHMETIC if flags and name in flags[1].split()), None)


def gradients(precision):
    """A context in which to build a model: with bfloat16, the gradients of small layers' kernels are convolutions.

    With float32 they are what they were, since another way to add up gives other bits.
    """
    ours = {"Conv2D": "Conv2DInBfloat16", "Conv2DBackpropInput": "TransposedConv2DInBfloat16"}
    return tf.get_default_graph().gradient_override_map(ours if precision == "bfloat16" else {})


@tf.RegisterGradient("Conv2DInBfloat16")
def _conv2d_gradients(op, gradient):
    """Of tf.nn.conv2d: with respect to its input and its kernel."""
    x, kernel = op.inputs
    how = {name: op.get_attr(name) for name in ("strides", "padding", "data_format")}
    return (tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(x), filter=kernel, out_backprop=gradient, **how),
            kernel_gradient(x, gradient, kernel, **how))


@tf.RegisterGradient("TransposedConv2DInBfloat16")
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
