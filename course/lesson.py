"""The checks of one lesson of variants/, mnist_gan.py: two dense networks and their loss."""
import sys

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import numpy as np
import tensorflow.compat.v1 as tf

from gantut.paths import place

from .functions import session, set_all, variable
from .judging import Step, attempt, compare, load, need

sys.path.append(place("variants"))


def relu(x, alpha):
    return np.where(x > 0, x, alpha * x)


def dense(_):
    function = load("mnist_gan").dense
    x = np.random.RandomState(0).normal(size=[3, 5])
    with session() as sess:
        call = "dense(x, 4, 'd') of x [3, 5]"
        result = attempt(call, function, tf.constant(x, tf.float32), 4, "d")
        values = set_all(sess)
        kernel, bias = variable(values, "d/kernel", call), variable(values, "d/bias", call)
        need((kernel.shape, bias.shape) == ((5, 4), (4,)), f"{call} has a kernel {list(kernel.shape)} and a bias "
             f"{list(bias.shape)}, expected [5, 4] and [4]")
        compare(call, None if result is None else sess.run(result), x @ kernel + bias, [
            ("the bias is not added", x @ kernel)])
        call = "dense(x, 100, 'large') of x [3, 200]"  # many values, so that they have the standard deviation
        attempt(call, function, tf.zeros([3, 200]), 100, "large")
        sess.run(tf.global_variables_initializer())
        values = sess.run({var.op.name: var for var in tf.global_variables()})
        kernel, bias = (variable(values, "large/" + name, call) for name in ("kernel", "bias"))
        stddev = np.sqrt(2 / (200 + 100))
        need(abs(np.std(kernel) / stddev - 1) < 0.1, f"{call}: the kernel begins with a standard deviation of "
             f"{np.std(kernel):.3f}, in tf.layers.dense with {stddev:.3f}: tf.glorot_uniform_initializer()")
        need(not bias.any(), f"{call}: the bias does not begin at 0, as in tf.layers.dense: tf.zeros_initializer()")


def layers(values, scope, call, sizes):
    """The kernels and the biases of a network's two layers, in the order in which they were made, whatever their names.

    sizes: of the layers, and of the input before them.
    """
    own = [value for name, value in values.items() if name.startswith(scope + "/")]
    kernels, biases = ([value for value in own if value.ndim == n] for n in (2, 1))
    need(len(kernels) == len(biases) == 2, f"{call} has {len(kernels)} of two kernels and {len(biases)} of two biases "
         f"in the scope {scope}")
    for kernel, bias, *size in zip(kernels, biases, sizes, sizes[1:]):
        need([*kernel.shape, *bias.shape] == [*size, size[1]], f"{call} has a layer with a kernel {list(kernel.shape)} "
             f"and a bias {list(bias.shape)}, expected {size} and {size[1:]}")
    return zip(kernels, biases)


def hidden(values, x, scope, alpha, call):
    """The output of both networks before their last function."""
    sizes = [x.shape[1], 128, 784 if scope == "generator" else 1]
    (kernel, bias), (kernel_1, bias_1) = layers(values, scope, call, sizes)
    return relu(x @ kernel + bias, alpha) @ kernel_1 + bias_1


def generator(_):
    function = load("mnist_gan").generator
    z = np.random.RandomState(0).uniform(-1, 1, [4, 100])
    with session() as sess:
        call = "generator(z, 784, alpha=0.1) of z [4, 100]"
        result = attempt(call, function, tf.constant(z, tf.float32), 784, alpha=0.1)
        need(result is not None, f"{call} returns nothing: is there a return?")
        values = set_all(sess)
        logits = hidden(values, z, "generator", 0.1, call)
        compare(call, sess.run(result), np.tanh(logits), [
            ("the tanh is missing: images must lie in [-1, 1]", logits),
            ("it ends in a sigmoid: images lie in [0, 1]", 1 / (1 + np.exp(-logits))),
            ("alpha is ignored", np.tanh(hidden(values, z, "generator", 0.01, call))),
            ("negative values are 0: the leak is missing", np.tanh(hidden(values, z, "generator", 0, call)))])


def discriminator(_):
    function = load("mnist_gan").discriminator
    x = np.random.RandomState(0).uniform(-1, 1, [4, 784])
    with session() as sess:
        call = "discriminator(x) of x [4, 784]"
        result = attempt(call, function, tf.constant(x, tf.float32))
        need(isinstance(result, (tuple, list)) and len(result) == 2,
             f"{call} does not return two things: the probability and its logit")
        n = len(tf.global_variables())
        attempt("discriminator(x, reuse=True)", function, tf.constant(x, tf.float32), reuse=True)
        need(len(tf.global_variables()) == n, "reuse=True makes new variables: D has two sets of weights")
        values = {name: value * 0.1 for name, value in set_all(sess).items()}
        for var in tf.global_variables():
            var.load(values[var.op.name], sess)
        logits = hidden(values, x, "discriminator", 0.01, call)
        sigmoid, got = 1 / (1 + np.exp(-logits)), sess.run(list(result))
        compare("the logits of " + call, got[1], logits, [("probabilities and logits are exchanged", sigmoid)])
        compare("the probabilities of " + call, got[0], sigmoid, [("the sigmoid is missing", logits)])


def loss_func(_):
    function = load("mnist_gan").loss_func
    rng = np.random.RandomState(0)
    logits, labels = rng.normal(0, 2, [5, 1]), rng.uniform(0, 1, [5, 1])
    losses = np.maximum(logits, 0) - logits * labels + np.log1p(np.exp(-abs(logits)))
    with session() as sess:
        call = "loss_func(logits_in, labels_in), both [5, 1]"
        result = attempt(call, function, tf.constant(logits, tf.float32), tf.constant(labels, tf.float32))
        compare(call, None if result is None else sess.run(result), losses.mean(), [
            ("it is not the mean over the batch, but its sum", losses.sum()),
            ("it is one loss for each image: take the mean", losses),
            ("logits and labels are exchanged", np.mean(np.maximum(labels, 0) - logits * labels + np.log1p(
                np.exp(-abs(labels)))))])


TEXT = "See the docstring, and docs/variants.md."
STEPS = [
    Step("dense", 1, "mnist_gan.py", "lesson.dense", TEXT, [
        "What does a layer do with x?", "kernel [n, units], bias [units].",
        "tf.get_variable with tf.glorot_uniform_initializer() for the kernel and tf.zeros_initializer() for the bias; "
        "tf.matmul(x, kernel) + bias"]),
    Step("generator", 1, "mnist_gan.py", "lesson.generator", TEXT, [
        "Which values may an image have?", "[N, 100] -> [N, 128] -> [N, 784]",
        "dense(..., 'dense'), tf.maximum(alpha * h, h), dense(..., 'dense_1'), tf.tanh"]),
    Step("discriminator", 1, "mnist_gan.py", "lesson.discriminator", TEXT, [
        "Which of the two results does the loss want?", "[N, 784] -> [N, 128] -> [N, 1]",
        "tf.variable_scope('discriminator', reuse=reuse), as the generator, tf.sigmoid"]),
    Step("loss_func", 1, "mnist_gan.py", "lesson.loss_func", TEXT, [
        "Logits or probabilities?", "Both [N, 1] -> one number.",
        "tf.nn.sigmoid_cross_entropy_with_logits, tf.reduce_mean"]),
    Step("mnist_gan.py", 1, "mnist_gan.py", "trainer.lesson", TEXT, [
        "Does it run when you type the command?", "Images are [100, 784] here, z is [100, 100].",
        "python mnist_gan.py --epochs 2"], 600),
]
