"""Part 4's building blocks: against SciPy's convolution, NumPy's arithmetic and finite differences."""
import numpy as np
import pytest
import scipy.stats
import tensorflow.compat.v1 as tf
from scipy.signal import convolve2d, correlate2d

from gantut_datafuncs import batch_norm, conv2d, conv2d_transpose, linear, lrelu

pytestmark = pytest.mark.quick

TRAINING_FLAGS = pytest.mark.parametrize("fed", [False, True], ids=["python_bool", "placeholder"])
SHAPES = pytest.mark.parametrize("shape", [(6, 4), (3, 4, 5, 2)], ids=["2d", "4d"])


def normal(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape).astype(np.float32)


def whole(*shape, seed=0):
    """Whole numbers from -4 to 4, whose convolutions are exact on every device."""
    return np.random.RandomState(seed).randint(-4, 5, shape).astype(np.float32)


def placeholder(x):
    """A placeholder of x's shape, but for batches of any size."""
    return tf.placeholder(tf.float32, (None,) + x.shape[1:])


def variable(name):
    """The graph's one variable of this name."""
    found, = [var for var in tf.global_variables() if var.op.name == name]
    return found


def variable_names():
    return sorted(var.op.name for var in tf.global_variables())


def assign(sess, **values):
    """Initialise all variables, then set some by name; a scope's "/" is written "__"."""
    sess.run(tf.global_variables_initializer())
    for name, value in values.items():
        variable(name.replace("__", "/")).load(value, sess)


def read(sess, *names):
    return sess.run([variable(name) for name in names])


# conv2d and conv2d_transpose

def same(n, k, d):
    """The zeros before and after n pixels that "SAME" asks for, for a kernel of k and stride d."""
    total = max((-(-n // d) - 1) * d + k - n, 0)
    return total // 2, total - total // 2


def scipy_conv(x, w, biases, d_h=2, d_w=2):
    """conv2d, one pair of channels at a time."""
    padded = np.pad(x, [(0, 0), same(x.shape[1], w.shape[0], d_h), same(x.shape[2], w.shape[1], d_w), (0, 0)])
    return np.stack([[sum(correlate2d(image[:, :, i], w[:, :, i, o], "valid")[::d_h, ::d_w] for i in range(w.shape[2]))
                      + biases[o] for o in range(w.shape[3])] for image in padded]).transpose(0, 2, 3, 1)


def scipy_conv_transpose(x, w, biases, height, width, d_h=2, d_w=2):
    """conv2d_transpose, one pair of channels at a time: put zeros between the pixels, convolve, cut the edge off."""
    spread = np.zeros((len(x), (x.shape[1] - 1) * d_h + 1, (x.shape[2] - 1) * d_w + 1, x.shape[3]))
    spread[:, ::d_h, ::d_w] = x
    top, left = same(height, w.shape[0], d_h)[0], same(width, w.shape[1], d_w)[0]
    full = np.stack([[sum(convolve2d(image[:, :, i], w[:, :, o, i]) for i in range(w.shape[3])) + biases[o]
                      for o in range(w.shape[2])] for image in spread]).transpose(0, 2, 3, 1)
    return full[:, top:top + height, left:left + width]


@pytest.mark.parametrize("height, width", [(8, 8), (4, 6), (5, 8), (7, 7), (2, 2), (1, 3)])
def test_conv2d_is_scipys_correlation(sess, height, width):
    x, w, biases = whole(2, height, width, 3), whole(5, 5, 3, 4, seed=1), whole(4, seed=2)
    feed = placeholder(x)
    y = conv2d(feed, 4, name="c")
    assign(sess, c__w=w, c__biases=biases)
    value = y.eval({feed: x})
    assert value.shape == (2, -(-height // 2), -(-width // 2), 4)
    np.testing.assert_allclose(value, scipy_conv(x, w, biases), atol=1e-3)


@pytest.mark.parametrize("k_h, k_w, d_h, d_w", [(5, 5, 1, 1), (3, 4, 2, 1), (1, 5, 1, 3), (4, 4, 2, 2)])
def test_conv2d_with_other_kernels_and_strides(sess, k_h, k_w, d_h, d_w):
    x, w, biases = whole(2, 6, 9, 3), whole(k_h, k_w, 3, 2, seed=1), whole(2, seed=2)
    feed = placeholder(x)
    y = conv2d(feed, 2, k_h, k_w, d_h, d_w, name="c")
    assign(sess, c__w=w, c__biases=biases)
    np.testing.assert_allclose(y.eval({feed: x}), scipy_conv(x, w, biases, d_h, d_w), atol=1e-3)


@pytest.mark.parametrize("height, width", [(8, 8), (4, 6), (2, 2), (10, 4)])
def test_conv2d_transpose_is_scipys_convolution(sess, height, width):
    x, w, biases = whole(2, height // 2, width // 2, 4), whole(5, 5, 3, 4, seed=1), whole(3, seed=2)
    feed = placeholder(x)
    y = conv2d_transpose(feed, [2, height, width, 3], name="t")
    assign(sess, t__w=w, t__biases=biases)
    expected = scipy_conv_transpose(x, w, biases, height, width)
    np.testing.assert_allclose(y.eval({feed: x}), expected, atol=1e-3)


@pytest.mark.parametrize("k_h, k_w, d_h, d_w", [(5, 5, 1, 1), (3, 4, 2, 1), (5, 3, 1, 3), (4, 4, 2, 2)])
def test_conv2d_transpose_with_other_kernels_and_strides(sess, k_h, k_w, d_h, d_w):
    x, w, biases = whole(2, 3, 4, 4), whole(k_h, k_w, 3, 4, seed=1), whole(3, seed=2)
    feed = placeholder(x)
    y = conv2d_transpose(feed, [2, 3 * d_h, 4 * d_w, 3], k_h, k_w, d_h, d_w, name="t")
    assign(sess, t__w=w, t__biases=biases)
    expected = scipy_conv_transpose(x, w, biases, 3 * d_h, 4 * d_w, d_h, d_w)
    np.testing.assert_allclose(y.eval({feed: x}), expected, atol=1e-3)


def test_conv2d_transpose_spreads_one_pixel_over_its_kernel(sess):
    x, w = np.zeros((1, 4, 4, 1), np.float32), np.arange(25, dtype=np.float32).reshape(5, 5, 1, 1)
    x[0, 2, 2] = 1  # lands on row and column 4, less the one pixel cut off before: the kernel covers 3..7
    y = conv2d_transpose(tf.constant(x), [1, 8, 8, 1], name="t")
    assign(sess, t__w=w)
    expected = np.zeros((8, 8))
    expected[3:8, 3:8] = w[:, :, 0, 0]
    np.testing.assert_allclose(y.eval()[0, :, :, 0], expected, atol=1e-3)


@pytest.mark.parametrize("height, width", [(8, 8), (4, 6)])
def test_conv2d_transpose_is_the_adjoint_of_conv2d(sess, height, width):
    x, y, w = whole(2, height, width, 3), whole(2, height // 2, width // 2, 4, seed=1), whole(5, 5, 3, 4, seed=2)
    forth = conv2d(tf.constant(x), 4, name="c")
    back = conv2d_transpose(tf.constant(y), [2, height, width, 3], name="t")
    assign(sess, c__w=w, t__w=w)
    assert np.sum(forth.eval() * y) == pytest.approx(np.sum(x * back.eval()), abs=0.1)


@pytest.mark.parametrize("n", [1, 3])
def test_conv2d_transpose_takes_the_batch_size_as_a_tensor(sess, n):
    x = tf.placeholder(tf.float32, [None, 4, 4, 2])
    y = conv2d_transpose(x, [tf.shape(x)[0], 8, 8, 3])
    sess.run(tf.global_variables_initializer())
    assert y.get_shape().as_list() == [None, 8, 8, 3]
    assert y.eval({x: np.ones((n, 4, 4, 2))}).shape == (n, 8, 8, 3)


def test_conv2d_transpose_with_w_returns_its_variables(sess):
    deconv, w, biases = conv2d_transpose(tf.constant(whole(1, 2, 2, 4)), [1, 4, 4, 3], name="t", with_w=True)
    assign(sess, t__biases=[1, 2, 3], t__w=np.zeros((5, 5, 3, 4)))
    assert (w is variable("t/w")) and (biases is variable("t/biases"))
    np.testing.assert_array_equal(deconv.eval(), np.broadcast_to([1, 2, 3], (1, 4, 4, 3)))


# lrelu and linear

@pytest.mark.parametrize("leak, expected", [(None, [-0.4, -0.1, 0, 0.5, 3]), (0.2, [-0.4, -0.1, 0, 0.5, 3]),
                                            (0, [0, 0, 0, 0.5, 3]), (0.5, [-1, -0.25, 0, 0.5, 3]),
                                            (1, [-2, -0.5, 0, 0.5, 3])])
def test_lrelu(sess, leak, expected):
    x = tf.constant([-2, -0.5, 0, 0.5, 3])
    y = lrelu(x) if leak is None else lrelu(x, leak)
    np.testing.assert_allclose(y.eval(), expected, atol=1e-6)


def test_lrelu_has_the_leak_as_its_gradient_below_zero(sess):
    x = tf.constant([-2.0, -0.1, 0.1, 3.0])
    gradient, = tf.gradients(lrelu(x, 0.3), x)
    np.testing.assert_allclose(gradient.eval(), [0.3, 0.3, 1, 1], rtol=1e-6)


def test_linear(sess):
    x, matrix, bias = whole(6, 5), whole(5, 3, seed=1), whole(3, seed=2)
    feed = placeholder(x)
    y = linear(feed, 3, "l")
    assign(sess, l__Matrix=matrix, l__bias=bias)
    np.testing.assert_allclose(y.eval({feed: x}), x @ matrix + bias, atol=1e-3)


def test_linear_with_w_returns_its_variables(sess):
    y, matrix, bias = linear(tf.constant(whole(2, 5)), 3, "l", with_w=True)
    assign(sess, l__Matrix=np.zeros((5, 3)), l__bias=[1, 2, 3])
    assert (matrix is variable("l/Matrix")) and (bias is variable("l/bias"))
    np.testing.assert_array_equal(y.eval(), [[1, 2, 3]] * 2)


@pytest.mark.parametrize("bias_start", [0.0, 1.5])
def test_linear_starts_with_bias_start(sess, bias_start):
    y = linear(tf.zeros([2, 5]), 3, bias_start=bias_start)
    sess.run(tf.global_variables_initializer())
    np.testing.assert_array_equal(y.eval(), np.full((2, 3), bias_start))


# initial values and names

def layer(block, stddev):
    """One layer of the kind, wide enough for statistics. Returns the names of its weights and of its biases."""
    options = {} if stddev is None else {"stddev": stddev}
    if block is linear:
        linear(tf.zeros([1, 200]), 300, "layer", **options)
        return "layer/Matrix", "layer/bias"
    if block is conv2d:
        conv2d(tf.zeros([1, 8, 8, 40]), 60, name="layer", **options)
    else:
        conv2d_transpose(tf.zeros([1, 4, 4, 40]), [1, 8, 8, 60], name="layer", **options)
    return "layer/w", "layer/biases"


@pytest.mark.parametrize("stddev", [None, 0.1])
@pytest.mark.parametrize("block, distribution", [(conv2d, scipy.stats.truncnorm(-2, 2)),
                                                 (conv2d_transpose, scipy.stats.norm()),
                                                 (linear, scipy.stats.norm())],
                         ids=["conv2d", "conv2d_transpose", "linear"])
def test_initial_values(sess, block, distribution, stddev):
    names = layer(block, stddev)
    sess.run(tf.global_variables_initializer())
    weights, biases = read(sess, *names)
    normed = weights.ravel() / (stddev or 0.02)
    assert normed.std() == pytest.approx(distribution.std(), rel=0.02)
    assert scipy.stats.kstest(normed, distribution.cdf).pvalue > 0.001
    assert (np.abs(normed).max() <= 2) == (block is conv2d)
    assert not biases.any()


@pytest.mark.parametrize("block, shapes", [
    (conv2d, {"layer/w": [5, 5, 40, 60], "layer/biases": [60]}),
    (conv2d_transpose, {"layer/w": [5, 5, 60, 40], "layer/biases": [60]}),
    (linear, {"layer/Matrix": [200, 300], "layer/bias": [300]})])
def test_names_and_shapes_of_the_variables(sess, block, shapes):
    layer(block, None)
    assert {var.op.name: var.shape.as_list() for var in tf.global_variables()} == shapes
    assert len(tf.trainable_variables()) == 2


def test_names_of_the_variables_unless_told(sess):
    x = tf.zeros([2, 4, 4, 3])
    conv2d(x, 2)
    conv2d_transpose(x, [2, 8, 8, 2])
    linear(tf.zeros([2, 3]), 2)
    batch_norm()(x, True)
    assert variable_names() == [
        "Linear/Matrix", "Linear/bias", "batch_norm/beta", "batch_norm/gamma", "batch_norm/moving_mean",
        "batch_norm/moving_variance", "conv2d/biases", "conv2d/w", "conv2d_transpose/biases", "conv2d_transpose/w"]


# batch_norm

def normalise(x, mean, variance, gamma=1.0, beta=0.0, epsilon=1e-5):
    """Batch normalisation by the formula, in float64."""
    return gamma * (x.astype(np.float64) - mean) / np.sqrt(np.float64(variance) + epsilon) + beta


def by_batch(x, **options):
    axes = tuple(range(x.ndim - 1))
    return normalise(x, x.mean(axes, dtype=np.float64), x.var(axes, dtype=np.float64), **options)


def training_flag(fed, value):
    """A flag for batch_norm, and what to feed for it: a Python bool and nothing, or a placeholder and the value."""
    if not fed:
        return value, {}
    flag = tf.placeholder(tf.bool)
    return flag, {flag: value}


@TRAINING_FLAGS
@SHAPES
def test_batch_norm_in_training_normalises_by_the_batch(sess, shape, fed):
    x, gamma, beta = 3 * normal(*shape) + 5, normal(shape[-1], seed=1), normal(shape[-1], seed=2)
    train, feed = training_flag(fed, True)
    y = batch_norm(name="bn")(tf.constant(x), train)
    assign(sess, bn__gamma=gamma, bn__beta=beta)
    assert y.get_shape() == shape
    np.testing.assert_allclose(y.eval(feed), by_batch(x, gamma=gamma, beta=beta), rtol=1e-4, atol=1e-4)


@TRAINING_FLAGS
@SHAPES
def test_batch_norm_in_evaluation_normalises_by_the_moving_averages(sess, shape, fed):
    channels = shape[-1]
    x, gamma, beta = normal(*shape), normal(channels, seed=1), normal(channels, seed=2)
    mean, variance = normal(channels, seed=3), normal(channels, seed=4) ** 2 + 0.1
    train, feed = training_flag(fed, False)
    y = batch_norm(name="bn")(tf.constant(x), train)
    assign(sess, bn__gamma=gamma, bn__beta=beta, bn__moving_mean=mean, bn__moving_variance=variance)
    for _ in range(2):
        np.testing.assert_allclose(y.eval(feed), normalise(x, mean, variance, gamma, beta), rtol=1e-4, atol=1e-4)
    after = read(sess, "bn/moving_mean", "bn/moving_variance")
    np.testing.assert_array_equal(after, [mean, variance])


def test_batch_norm_starts_as_the_identity_in_evaluation(sess):
    x = normal(6, 4)
    y = batch_norm()(tf.constant(x), False)
    sess.run(tf.global_variables_initializer())
    np.testing.assert_allclose(y.eval(), x, rtol=1e-4)


@TRAINING_FLAGS
@SHAPES
@pytest.mark.parametrize("options, momentum", [({}, 0.9), ({"momentum": 0.5}, 0.5)])
def test_moving_averages_after_some_batches(sess, shape, fed, options, momentum):
    batches = [2 * normal(*shape, seed=seed) + seed for seed in range(5)]
    feed_x = placeholder(batches[0])
    train, feed = training_flag(fed, True)
    y = batch_norm(name="bn", **options)(feed_x, train)
    sess.run(tf.global_variables_initializer())
    axes = tuple(range(len(shape) - 1))
    mean, variance = 0, 1
    for x in batches:
        sess.run(y, {feed_x: x, **feed})
        mean = momentum * mean + (1 - momentum) * x.mean(axes)
        variance = momentum * variance + (1 - momentum) * x.var(axes)
    np.testing.assert_allclose(read(sess, "bn/moving_mean", "bn/moving_variance"), [mean, variance], rtol=1e-4)


def test_moving_variance_is_of_the_biased_variance(sess):
    y = batch_norm(name="bn")(tf.constant([[0.0], [4.0]]), True)  # variance 4, as an estimate of a population 8
    sess.run(tf.global_variables_initializer())
    sess.run(y)
    mean, variance = read(sess, "bn/moving_mean", "bn/moving_variance")
    assert mean[0] == pytest.approx(0.2)
    assert variance[0] == pytest.approx(0.9 + 0.4)


@TRAINING_FLAGS
def test_moving_averages_move_once_when_only_a_gradient_is_computed(sess, fed):
    x = tf.constant([[0.0], [4.0]])
    train, feed = training_flag(fed, True)
    y = batch_norm(name="bn")(x, train)
    gradient = tf.gradients(tf.reduce_sum(y ** 3), [x, variable("bn/gamma")])
    sess.run(tf.global_variables_initializer())
    sess.run(gradient, feed)
    assert variable("bn/moving_mean").eval()[0] == pytest.approx(0.2)
    sess.run([gradient, y], feed)
    assert variable("bn/moving_mean").eval()[0] == pytest.approx(0.9 * 0.2 + 0.2)


def test_one_placeholder_switches_between_training_and_evaluation(sess):
    x = 3 * normal(8, 2) + 5
    train = tf.placeholder(tf.bool)
    y = batch_norm(name="bn")(tf.constant(x), train)
    sess.run(tf.global_variables_initializer())
    for _ in range(300):  # 0.9 to the 300th is nothing: the averages are now those of the one batch
        sess.run(y, {train: True})
    np.testing.assert_allclose(y.eval({train: True}), by_batch(x), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(y.eval({train: False}), by_batch(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("train", [True, False])
def test_batch_norm_takes_batches_of_any_size(sess, train):
    x = tf.placeholder(tf.float32, [None, 3])
    y = batch_norm()(x, train)
    sess.run(tf.global_variables_initializer())
    assert y.get_shape().as_list() == [None, 3]
    for n in (1, 5):
        assert y.eval({x: normal(n, 3)}).shape == (n, 3)


@pytest.mark.parametrize("options, epsilon", [({}, 1e-5), ({"epsilon": 0.01}, 0.01)])
def test_epsilon_is_added_to_the_variance(sess, options, epsilon):
    x = 0.003 * normal(8, 2)  # variance about 1e-5
    train = tf.placeholder(tf.bool)
    y = batch_norm(name="bn", **options)(tf.constant(x), train)
    assign(sess, bn__moving_mean=[0, 0], bn__moving_variance=[2e-5, 3e-5])
    expected = normalise(x, 0, [2e-5, 3e-5], epsilon=epsilon)
    np.testing.assert_allclose(y.eval({train: False}), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(y.eval({train: True}), by_batch(x, epsilon=epsilon), rtol=1e-4, atol=1e-5)


def test_batch_norm_of_a_constant_batch_is_beta(sess):
    y = batch_norm(name="bn")(tf.fill([4, 2], 7.0), True)
    assign(sess, bn__beta=[0.5, -3])
    np.testing.assert_allclose(y.eval(), [[0.5, -3]] * 4, atol=1e-5)


def test_reuse_shares_the_variables(sess):
    bn, a, b = batch_norm(name="bn"), 2 * normal(6, 3), normal(6, 3, seed=1) + 4
    with tf.variable_scope("net") as scope:
        y_a = bn(tf.constant(a), True)
        scope.reuse_variables()
        y_b = bn(tf.constant(b), True)
    assert variable_names() == ["net/bn/beta", "net/bn/gamma", "net/bn/moving_mean", "net/bn/moving_variance"]
    sess.run(tf.global_variables_initializer())
    np.testing.assert_allclose(y_a.eval(), by_batch(a), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(y_b.eval(), by_batch(b), rtol=1e-4, atol=1e-4)
    mean = 0.9 * 0.1 * a.mean(0) + 0.1 * b.mean(0)
    variance = 0.9 * (0.9 + 0.1 * a.var(0)) + 0.1 * b.var(0)
    after = read(sess, "net/bn/moving_mean", "net/bn/moving_variance")
    np.testing.assert_allclose(after, [mean, variance], rtol=1e-4, atol=1e-6)


def test_two_of_different_names_share_nothing(sess):
    x = tf.constant(normal(6, 3) + 4)
    y, _ = batch_norm(name="one")(x, True), batch_norm(name="two")(x, True)
    sess.run(tf.global_variables_initializer())
    sess.run(y)
    assert variable("one/moving_mean").eval().all()
    assert not variable("two/moving_mean").eval().any()


def test_the_moving_averages_are_not_trainable(sess):
    batch_norm(name="bn")(tf.zeros([2, 3]), True)
    assert sorted(var.op.name for var in tf.trainable_variables()) == ["bn/beta", "bn/gamma"]
    assert variable_names() == ["bn/beta", "bn/gamma", "bn/moving_mean", "bn/moving_variance"]
    assert all(var.shape == [3] for var in tf.global_variables())


def central_differences(f, x, step=1e-4):
    """The gradient of the scalar f at x, in float64."""
    x = x.astype(np.float64)
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        there, back = x.copy(), x.copy()
        there[i] += step
        back[i] -= step
        gradient[i] = (f(there) - f(back)) / (2 * step)
    return gradient


@TRAINING_FLAGS
@SHAPES
def test_gradients_in_training_are_finite_differences(sess, shape, fed):
    x, weights = 2 * normal(*shape) + 1, normal(*shape, seed=1)
    gamma, beta = normal(shape[-1], seed=2), normal(shape[-1], seed=3)
    train, feed = training_flag(fed, True)
    tensor = tf.constant(x)
    loss = tf.reduce_sum(weights * batch_norm(name="bn")(tensor, train) ** 2)
    gradients = tf.gradients(loss, [tensor, variable("bn/gamma"), variable("bn/beta")])
    assign(sess, bn__gamma=gamma, bn__beta=beta)

    def f(x, gamma, beta):
        return np.sum(weights * by_batch(x, gamma=gamma, beta=beta) ** 2)

    expected = [central_differences(lambda v: f(v, gamma, beta), x),
                central_differences(lambda v: f(x, v, beta), gamma),
                central_differences(lambda v: f(x, gamma, v), beta)]
    for gradient, difference in zip(sess.run(gradients, feed), expected):
        np.testing.assert_allclose(gradient, difference, rtol=1e-3, atol=1e-3)


@TRAINING_FLAGS
def test_gradients_in_evaluation_take_the_averages_for_constants(sess, fed):
    x, gamma, variance = normal(4, 3), normal(3, seed=1), normal(3, seed=2) ** 2 + 0.1
    train, feed = training_flag(fed, False)
    tensor = tf.constant(x)
    gradient, = tf.gradients(batch_norm(name="bn")(tensor, train), tensor)
    assign(sess, bn__gamma=gamma, bn__moving_variance=variance)
    expected = np.broadcast_to(gamma / np.sqrt(variance + 1e-5), (4, 3))
    np.testing.assert_allclose(sess.run(gradient, feed), expected, rtol=1e-4)
