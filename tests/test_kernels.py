"""gantut/fused_step.py: gradients of convolutions' kernels, and batch norm in one kernel, against NumPy."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from gantut.fused_step import FusedBatchNorm, fast_gradients, kernel_gradient
from gantut_datafuncs import batch_norm


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


@pytest.mark.parametrize("size", [16, 32])  # the second is computed as ever
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
