"""gantut/fused_step.py: its schedule against class DCGAN to the bit, its kernels and batch norm against NumPy."""
import contextlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import traced
from step import BareRun

import gantut.fused_step
from gantut.devices import not_moving
from gantut.fused_step import FusedBatchNorm, fast_gradients, faster, kernel_gradient, update_both
from gantut_datafuncs import batch_norm
from gantut_gan import DCGAN

pytestmark = pytest.mark.quick

STEPS = 20


def trained(Model, image_size, gf_dim, threads):
    """Train for STEPS steps; returns the losses of each, and the bits of every variable, Adam's too, by name."""
    rng = np.random.RandomState(0)
    images = rng.uniform(-1, 1, (STEPS, 8, image_size, image_size, 3)).astype(np.float32)
    z = rng.uniform(-1, 1, (STEPS, 8, 100)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=threads)) as sess:
        tf.set_random_seed(1)
        step = BareRun(Model(sess, image_size=image_size, gf_dim=gf_dim, df_dim=gf_dim)).step
        variables = {var.op.name: var for var in tf.global_variables()}
        sess.run(tf.global_variables_initializer())
        losses = [np.float32(step(*batch)).tobytes() for batch in zip(images, z)]
        return losses, {name: value.tobytes() for name, value in sess.run(variables).items()}


@pytest.mark.parametrize("image_size, gf_dim, threads", [(16, 8, 1), (32, 16, 2)])
def test_the_same_bits_as_the_tutorials_schedule(image_size, gf_dim, threads, monkeypatch):
    monkeypatch.setattr(gantut.fused_step, "fused", list)
    monkeypatch.setattr(gantut.fused_step, "fast_gradients", contextlib.nullcontext)
    losses, variables = trained(faster(DCGAN), image_size, gf_dim, threads)
    losses_written, variables_written = trained(DCGAN, image_size, gf_dim, threads)
    assert variables.keys() == variables_written.keys() and len(variables) > 40
    assert [name for name in variables if variables[name] != variables_written[name]] == []
    assert losses == losses_written


def test_the_same_initial_values_and_summaries():
    """With one seed: the variables are created before the faster kernels."""
    found = []
    for Model in DCGAN, faster(DCGAN):
        with tf.Graph().as_default() as graph, tf.Session() as sess:
            tf.set_random_seed(1)
            dcgan = Model(sess, image_size=16, gf_dim=4, df_dim=4)
            sess.run(tf.global_variables_initializer())
            tags = [graph.get_tensor_by_name(op.inputs[0].name).op.get_attr("value").string_val
                    for op in graph.get_operations() if op.type.endswith("Summary")
                    and not op.name.startswith("as_written/")]
            found.append(({var.op.name: value.tobytes() for var, value in
                           zip(tf.global_variables(), sess.run(tf.global_variables()))}, tags,
                          [var.op.name for var in dcgan.d_vars + dcgan.g_vars]))
    assert found[0] == found[1] and len(found[0][1]) == 8


def test_g_draws_its_images_once_for_the_updates_of_d_and_g(sess):
    """The tutorial's three updates run the generator three times, ours twice: counted in the trace of a run."""
    dcgan = DCGAN(sess, image_size=16, gf_dim=4, df_dim=4)
    run = BareRun(dcgan)
    dg_optim, _ = update_both(dcgan, run.d_optim, run.g_optim)
    sess.run(tf.global_variables_initializer())
    devices = traced(sess, dg_optim, {dcgan.images: np.zeros([4, 16, 16, 3]), dcgan.z: np.zeros([4, 100]),
                                      dcgan.is_training: True})
    names = [node.node_name.split(":")[0] for device in devices for node in device.node_stats]
    drawn = [name for name in names if name.startswith("generator/g_h2/conv2d_transpose") and "grad" not in name]
    assert len([name for name in drawn if name == "generator/g_h2/conv2d_transpose"]) == 1, drawn


def by_hand(large, small, k, stride):
    """The gradient of a SAME convolution for its kernel [k, k, a, b], in float64."""
    pads = [max((small.shape[i] - 1) * stride + k - large.shape[i], 0) for i in (1, 2)]
    large = np.pad(large, [(0, 0), *[(pad // 2, pad - pad // 2) for pad in pads], (0, 0)])
    h, w = small.shape[1:3]
    return np.array([[np.einsum("nhwa,nhwb->ab", large[:, i:i + h * stride:stride, j:j + w * stride:stride][:, :h, :w],
                                small) for j in range(k)] for i in range(k)])


@pytest.mark.parametrize("size, stride, k", [(16, 2, 5), (8, 2, 5), (8, 1, 3), (7, 2, 5), (15, 3, 4), (8, 2, 1),
                                             (6, 3, 2)])
def test_the_gradient_of_a_kernel_is_the_sum_of_products(sess, size, stride, k):
    rng = np.random.RandomState(0)
    smaller = -(-size // stride)
    large, small = rng.normal(size=[3, size, size, 4]), rng.normal(size=[3, smaller, smaller, 5])
    kernel = tf.zeros([k, k, 4, 5])
    ours = kernel_gradient(tf.constant(large, tf.float32), tf.constant(small, tf.float32), kernel,
                           strides=[1, stride, stride, 1], padding=b"SAME", data_format=b"NHWC")
    assert "BackpropFilter" not in ours.op.type
    np.testing.assert_allclose(sess.run(ours), by_hand(large, small, k, stride), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [16, 32])  # the second is computed as before
def test_gradients_of_both_kinds_of_convolution(sess, size):
    rng = np.random.RandomState(0)
    x, grown = (tf.constant(rng.normal(size=[3, size, size, c]), tf.float32) for c in (4, 6))
    kernel = tf.constant(rng.normal(size=[5, 5, 4, 6]), tf.float32)

    def both():
        down = tf.nn.conv2d(x, kernel, [1, 2, 2, 1], "SAME")
        up = tf.nn.conv2d_transpose(grown, kernel, [3, 2 * size, 2 * size, 4], [1, 2, 2, 1])
        return tf.gradients(tf.reduce_sum(tf.sin(down)), [x, kernel]) + tf.gradients(tf.reduce_sum(tf.sin(up)),
                                                                                     [grown, kernel])
    expected = both()
    with fast_gradients():
        ours = both()
    for one, other in zip(*sess.run([ours, expected])):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("how", [dict(dilations=[1, 2, 2, 1]), dict(padding=[[0, 0], [1, 1], [1, 1], [0, 0]])])
def test_the_gradient_of_a_convolution_with_more_attributes(sess, how):
    """Against differences: a convolution is linear in its kernel, so they are exact but for rounding."""
    rng = np.random.RandomState(0)
    x, kernel = (rng.normal(size=size).astype(np.float32) for size in ([2, 8, 8, 2], [3, 3, 2, 3]))
    fed = tf.placeholder(tf.float32, kernel.shape)
    with fast_gradients():
        y = tf.nn.conv2d(tf.constant(x), fed, **{"strides": [1, 1, 1, 1], "padding": "SAME", **how})
        total = tf.reduce_sum(y * tf.constant(rng.normal(size=y.shape), tf.float32))
        (gradient,) = tf.gradients(total, [fed])
    try:
        ours, before = sess.run([gradient, total], {fed: kernel})
    except tf.errors.InvalidArgumentError as error:
        if "dilation rates" in str(error):
            pytest.skip("without oneDNN TensorFlow has no such gradient on a CPU")
        raise
    for at in ((0, 0, 0, 0), (1, 2, 1, 2), (2, 2, 1, 0)):
        moved = kernel.copy()
        moved[at] += 1
        assert sess.run(total, {fed: moved}) - before == pytest.approx(ours[at], abs=1e-3)


def test_on_several_devices_the_averages_of_no_batch_norm_move(sess):
    """A batch norm of [N, n], which --fast leaves to the batch_norm inside."""
    x = tf.constant(np.random.RandomState(0).normal(3, 2, [4, 5]), tf.float32)
    written = batch_norm(name="bn")
    written(x, tf.constant(True))
    sess.run(tf.global_variables_initializer())
    with not_moving([FusedBatchNorm(written)]) as _, tf.variable_scope(tf.get_variable_scope(), reuse=True):
        y = FusedBatchNorm(written)(x, tf.constant(True))
    before = sess.run(written.moving_mean)
    sess.run(y)
    np.testing.assert_array_equal(sess.run(written.moving_mean), before)


@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (2, 1, 1, 3), (1, 8, 8, 2)])
def test_batch_norm_in_one_kernel(sess, shape):
    """Against NumPy: results, statistics with the biased variance, moving averages; then these in evaluation."""
    x = np.random.RandomState(0).normal(3, 2, shape)
    train = tf.placeholder(tf.bool)
    written = batch_norm(name="bn")
    written(tf.constant(x, tf.float32), train)
    fused = FusedBatchNorm(written)
    y = fused(tf.constant(x, tf.float32), train)
    sess.run(tf.global_variables_initializer())
    beta, gamma = tf.trainable_variables()
    gamma.load(np.full(shape[-1:], 2.0), sess)
    beta.load(np.arange(shape[-1], dtype=float), sess)
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    for found, expected in zip(sess.run([y, fused.mean, fused.variance], {train: True}), [
            2 * (x - mean) / np.sqrt(variance + 1e-5) + np.arange(shape[-1]), mean, variance]):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    moving = 0.1 * mean, 0.9 + 0.1 * variance
    for found, expected in zip(sess.run([written.moving_mean, written.moving_variance]), moving):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(sess.run(y, {train: False}), 2 * (x - moving[0]) / np.sqrt(moving[1] + 1e-5)
                               + np.arange(shape[-1]), rtol=1e-4)
