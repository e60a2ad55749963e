"""The checks of Part 4's building blocks, against NumPy."""
import numpy as np
import tensorflow.compat.v1 as tf
from judging import Wrong, attempt, compare, load, near, need

# each check has a graph of its own, with weights that it chooses

def session():
    tf.reset_default_graph()
    return tf.Session()


def set_all(sess, seed=1):
    """Give every variable other values than its first; returns them by the last part of their names."""
    rng = np.random.RandomState(seed)
    sess.run(tf.global_variables_initializer())
    values = {}
    for var in tf.global_variables():
        value = rng.normal(0, 0.5, var.shape.as_list())
        value = abs(value) + 0.5 if "variance" in var.name or "gamma" in var.name else value
        var.load(value, sess)
        values[var.op.name] = value
    return values


def variable(values, ending, call):
    """The value of the one variable whose name ends so."""
    found = [value for name, value in values.items() if name.endswith(ending)]
    need(len(found) == 1, "{} has no variable {}; it has {}".format(call, ending, ", ".join(sorted(values)) or "none"))
    return found[0]


def need_three(call, result, others):
    what = "nothing" if result is None else "the output alone" if tf.is_tensor(result) else "something else"
    need(isinstance(result, (tuple, list)) and len(result) == 3,
         "{} returns {}: with_w=True returns the output, {}".format(call, what, others))


def conv(x, w, stride=2, padding="SAME"):
    """A convolution in NumPy: x [N, h, w, a], w [k, k, a, b]."""
    k = w.shape[0]
    h = -(-x.shape[1] // stride) if padding == "SAME" else (x.shape[1] - k) // stride + 1
    pad = max((h - 1) * stride + k - x.shape[1], 0) if padding == "SAME" else 0
    x = np.pad(x, [(0, 0), (pad // 2, pad - pad // 2), (pad // 2, pad - pad // 2), (0, 0)])
    return sum(np.einsum("nhwa,ab->nhwb", x[:, i:i + h * stride:stride, j:j + h * stride:stride][:, :h, :h], w[i, j])
               for i in range(k) for j in range(k))


def conv_transposed(x, w, size, stride=2):
    """What conv() does, transposed: x [N, h, h, b], w [k, k, a, b] -> [N, size, size, a]."""
    k, h = w.shape[0], x.shape[1]
    pad = max((h - 1) * stride + k - size, 0)
    result = np.zeros([len(x), size + pad, size + pad, w.shape[2]])
    for i in range(k):
        for j in range(k):
            result[:, i:i + h * stride:stride, j:j + h * stride:stride][:, :h, :h] += np.einsum(
                "nhwb,ab->nhwa", x, w[i, j])
    return result[:, pad // 2:pad // 2 + size, pad // 2:pad // 2 + size]


def batch_norm(_):
    make = load("gantut_datafuncs").batch_norm
    x = np.random.RandomState(0).normal(3, 2, [4, 5, 5, 2])
    with session() as sess:
        train = tf.placeholder(tf.bool)
        call = "batch_norm(name='bn')(x, train) of x [4, 5, 5, 2]"
        result = attempt(call, attempt("batch_norm(name='bn')", make, name="bn"), tf.constant(x, tf.float32), train)
        need(result is not None, "{} returns nothing: is there a return?".format(call))
        values = set_all(sess)
        gamma, beta = (variable(values, "bn/" + name, call) for name in ("gamma", "beta"))
        mean, variance = (variable(values, "bn/moving_" + name, call) for name in ("mean", "variance"))
        need(len(tf.trainable_variables()) == 2, "the moving averages are trainable: Adam would move them "
             "(trainable=False)")

        def normalised(m, v):
            return (x - m) / np.sqrt(v + 1e-5) * gamma + beta
        by_averages = normalised(mean, variance)
        axes = (0, 1, 2)
        by_batch = normalised(x.mean(axes), x.var(axes))
        words = call.replace("train)", "{})")
        got = sess.run(result, {train: False})
        moved = sess.run(tf.global_variables())
        need(all(np.allclose(a, b) for a, b in zip(moved, values.values())) or near(got, by_batch, 1e-3),
             "with train False the moving averages have moved: only a training step may move them")
        compare(words.format(False), got, by_averages, [
            ("the batch's own mean and variance are taken: train is ignored", by_batch),
            ("gamma and beta are not applied", (x - mean) / np.sqrt(variance + 1e-5))])
        compare(words.format(True), sess.run(result, {train: True}), by_batch, [
            ("the moving averages are taken: train is ignored", by_averages),
            ("each pixel has a mean of its own: the mean is over all but the last axis", normalised(
                x.mean(0), x.var(0))), ("gamma and beta are not applied", (x - x.mean(axes)) / x.std(axes)),
            ("it is divided by the variance, not by its root", (x - x.mean(axes)) / x.var(axes) * gamma + beta)])
        new_mean, new_variance = (sess.run(next(var for var in tf.global_variables() if var.op.name.endswith(name)))
                                  for name in ("moving_mean", "moving_variance"))
        compare("the moving mean after a step of training", new_mean, 0.9 * mean + 0.1 * x.mean(axes), [
            ("it never moves: updates_collections=None does it in the text", mean),
            ("it is the batch's mean at once: momentum 0.9 keeps nine tenths of what was", x.mean(axes)),
            ("momentum is the wrong way round: nine tenths are to be kept", 0.1 * mean + 0.9 * x.mean(axes))])
        need(not np.allclose(new_variance, variance), "the moving variance never moves")


def conv2d(_):
    function = load("gantut_datafuncs").conv2d
    x = np.random.RandomState(0).normal(size=[2, 8, 8, 3])
    with session() as sess:
        call = "conv2d(x, 4, name='c') of x [2, 8, 8, 3]"
        result = attempt(call, function, tf.constant(x, tf.float32), 4, name="c")
        need(result is not None, "{} returns nothing: is there a return?".format(call))
        sess.run(tf.global_variables_initializer())
        first = {var.op.name: sess.run(var) for var in tf.global_variables()}
        values = set_all(sess)
        w, b = variable(values, "c/w", call), variable(values, "c/biases", call)
        need(w.shape == (5, 5, 3, 4), "w has the shape {}, expected [k_h, k_w, channels, output_dim] = "
             "[5, 5, 3, 4]".format(list(w.shape)))
        compare(call, sess.run(result), conv(x, w) + b, [
            ("the stride is forgotten: strides=[1, d_h, d_w, 1]", conv(x, w, 1) + b),
            ("the padding is VALID: the border is lost", conv(x, w, 2, "VALID") + b),
            ("the biases are not added", conv(x, w)), ("the biases are subtracted", conv(x, w) - b)])
        need(not first["c/biases"].any(), "the biases do not begin at 0")
        need(0.01 < first["c/w"].std() < 0.03, "the weights begin with a standard deviation of {:.3f}, not stddev, "
             "0.02".format(first["c/w"].std()))
        need(np.ptp(first["c/w"]) < 0.0801, "the weights' first values are not a truncated normal")


def lrelu(_):
    function = load("gantut_datafuncs").lrelu
    x = np.array([-2, -0.5, 0, 1, 3])
    with session() as sess:
        call = "lrelu(x) of x = [-2, -0.5, 0, 1, 3]"
        compare(call, sess.run(attempt(call, function, tf.constant(x, tf.float32))), np.where(x > 0, x, 0.2 * x), [
            ("negative values are 0: this is relu, without the leak", np.maximum(x, 0)),
            ("the leak is on the wrong side: what is negative is to become small", np.where(x < 0, x, 0.2 * x)),
            ("nothing is changed", x), ("negative values change their sign: abs() alone is not it", abs(x)),
            ("the halves are missing: 0.5 * (1 + leak) and 0.5 * (1 - leak)", 1.2 * x + 0.8 * abs(x))])
        call = "lrelu(x, leak=0.5)"
        compare(call, sess.run(attempt(call, function, tf.constant(x, tf.float32), 0.5)), np.where(x > 0, x, 0.5 * x), [
            ("leak is ignored", np.where(x > 0, x, 0.2 * x))])


def linear(_):
    function = load("gantut_datafuncs").linear
    x = np.random.RandomState(0).normal(size=[3, 5])
    with session() as sess:
        call = "linear(x, 4, 'l', with_w=True) of x [3, 5]"
        result = attempt(call, function, tf.constant(x, tf.float32), 4, "l", with_w=True)
        need_three(call, result, "the matrix and the bias")
        sess.run(tf.global_variables_initializer())
        stddev = np.std(sess.run(tf.global_variables()[0]))
        values = set_all(sess)
        matrix, bias = variable(values, "l/Matrix", call), variable(values, "l/bias", call)
        got = sess.run(list(result))
        compare(call, got[0], x @ matrix + bias, [
            ("the bias is not added", x @ matrix), ("it goes through a sigmoid, but is to stay unbounded",
                                                    1 / (1 + np.exp(-x @ matrix - bias))),
            ("it goes through relu, but is to stay linear", np.maximum(x @ matrix + bias, 0))])
        compare("what it returns second, the matrix,", got[1], matrix)
        compare("what it returns third, the bias,", got[2], bias)
        need(0.005 < stddev < 0.05, "the matrix begins with a standard deviation of {:.3f}, not stddev, 0.02".format(
            stddev))
        call = "linear(x, 4)"
        result = attempt(call, function, tf.constant(x, tf.float32), 4)
        need(tf.is_tensor(result), "{} returns a tuple: without with_w it returns the output alone".format(call))
        need(any(var.op.name == "Linear/Matrix" for var in tf.global_variables()),
             "{} without a scope does not call it Linear: its variables are {}".format(
                 call, ", ".join(var.op.name for var in tf.global_variables())))
        call = "linear(x, 4, 'start', bias_start=0.5)"
        attempt(call, function, tf.constant(x, tf.float32), 4, "start", bias_start=0.5)
        sess.run(tf.global_variables_initializer())
        start = sess.run(next(var for var in tf.global_variables() if var.op.name == "start/bias"))
        need(np.allclose(start, 0.5), "{}: the bias begins at {}, not at 0.5".format(call, start[0]))


def conv2d_transpose(_):
    function = load("gantut_datafuncs").conv2d_transpose
    x = np.random.RandomState(0).normal(size=[2, 4, 4, 3])
    with session() as sess:
        call = "conv2d_transpose(x, [2, 8, 8, 5], name='t', with_w=True) of x [2, 4, 4, 3]"
        try:
            result = attempt(call, function, tf.constant(x, tf.float32), [2, 8, 8, 5], name="t", with_w=True)
        except Wrong as wrong:
            shapes = [var.shape.as_list() for var in tf.global_variables() if var.op.name == "t/w"]
            need([5, 5, 3, 5] not in shapes, "w has the shape [5, 5, 3, 5], expected [k_h, k_w, channels out, channels "
                 "in] = [5, 5, 5, 3]: here they are the other way round than in conv2d")
            raise wrong from None
        need_three(call, result, "w and the biases")
        sess.run(tf.global_variables_initializer())
        stddev = np.std(sess.run(tf.global_variables()[0]))
        values = set_all(sess)
        w, b = variable(values, "t/w", call), variable(values, "t/biases", call)
        need(w.shape == (5, 5, 5, 3), "w has the shape {}, expected [k_h, k_w, channels out, channels in] = "
             "[5, 5, 5, 3]".format(list(w.shape)))
        grown = conv_transposed(x, w, 8)
        compare(call, sess.run(result[0]), grown + b, [("the biases are not added", grown)])
        need(0.01 < stddev < 0.03, "the weights begin with a standard deviation of {:.3f}, not stddev, 0.02".format(
            stddev))
        call = "conv2d_transpose(x, [2, 8, 8, 5])"
        need(tf.is_tensor(attempt(call, function, tf.constant(x, tf.float32), [2, 8, 8, 5])),
             "{} returns a tuple: without with_w it returns the output alone".format(call))
        call = "conv2d_transpose(x, [2, 4, 4, 5], d_h=1, d_w=1, name='one')"
        try:
            same = attempt(call, function, tf.constant(x, tf.float32), [2, 4, 4, 5], d_h=1, d_w=1, name="one")
            sess.run(tf.global_variables_initializer())
            attempt(call, sess.run, same)
        except Wrong as wrong:
            raise Wrong("{}: are the strides [1, d_h, d_w, 1]?".format(wrong)) from None
