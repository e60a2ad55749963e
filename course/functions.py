"""The checks of Part 4's building blocks, against NumPy."""
import numpy as np
import tensorflow.compat.v1 as tf

from .judging import Wrong, attempt, compare, load, near, need

# each check has its own graph, and sets the weights

def session():
    tf.reset_default_graph()
    return tf.Session()


def set_all(sess):
    """Set every variable to random values, not its initial ones; returns them by name."""
    rng = np.random.RandomState(1)
    sess.run(tf.global_variables_initializer())
    values = {}
    for var in tf.global_variables():
        value = rng.normal(0, 0.5, var.shape.as_list())
        value = abs(value) + 0.5 if "variance" in var.name or "gamma" in var.name else value
        var.load(value, sess)
        values[var.op.name] = value
    return values


def variable(values, suffix, call):
    """The value of the only variable whose name ends with suffix."""
    found = [value for name, value in values.items() if name.endswith(suffix)]
    need(len(found) == 1, f"{call} has no variable {suffix}; it has {', '.join(sorted(values)) or 'none'}")
    return found[0]


def need_result(call, result):
    need(result is not None, f"{call} returns nothing: is there a return?")


def need_one(call, result):
    need_result(call, result)
    need(tf.is_tensor(result), f"{call} returns a tuple: without with_w it returns the output alone")


def need_three(call, result, others):
    what = "nothing" if result is None else "the output alone" if tf.is_tensor(result) else "something else"
    need(isinstance(result, (tuple, list)) and len(result) == 3,
         f"{call} returns {what}: with_w=True returns the output, {others}")


def conv(x, w, strides=(2, 2), padding="SAME"):
    """A convolution in NumPy: x [N, h, w, a], w [k_h, k_w, a, b]."""
    places = [windows(n, k, stride, padding) for n, k, stride in zip(x.shape[1:3], w.shape, strides)]
    x = np.pad(x, [(0, 0), *(pad for _, pad in places), (0, 0)])
    return sum(np.einsum("nhwa,ab->nhwb", x[:, places[0][0] + i][:, :, places[1][0] + j], w[i, j])
               for i in range(w.shape[0]) for j in range(w.shape[1]))


def windows(n, k, stride, padding):
    """Where the windows of k pixels begin in n pixels, and how many pixels are added before and after."""
    if padding == "VALID":
        return np.arange(0, n - k + 1, stride), (0, 0)
    pad = max((-(-n // stride) - 1) * stride + k - n, 0)
    return np.arange(0, n, stride), (pad // 2, pad - pad // 2)


def conv_transposed(x, w, size, strides=(2, 2)):
    """The transpose of conv(): x [N, h, w, b], w [k_h, k_w, a, b] -> [N, *size, a]."""
    (rows, (top, bottom)), (columns, (left, right)) = (
        windows(n, k, stride, "SAME") for n, k, stride in zip(size, w.shape, strides))
    result = np.zeros([len(x), size[0] + top + bottom, size[1] + left + right, w.shape[2]])
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            result[:, (rows + i)[:, np.newaxis], columns + j] += np.einsum("nhwb,ab->nhwa", x, w[i, j])
    return result[:, top:top + size[0], left:left + size[1]]


def need_initial_values(call, name, values, stddev, truncated=False):
    """Check the initial values of a variable: normally distributed with a standard deviation."""
    need(abs(np.std(values) / stddev - (0.88 if truncated else 1)) < 0.25,
         f"{call}: {name} begins with a standard deviation of {np.std(values):.3f}, not stddev, {stddev}")


def need_reuse(call, function, *args):
    """Check that a second call with reuse uses the variables of the first."""
    before = len(tf.global_variables())
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        attempt(call + " again, with reuse,", function, *args)
    need(len(tf.global_variables()) == before, f"{call} again, with reuse, makes new variables: D would judge the "
         "fakes with other weights (tf.get_variable, not tf.Variable)")


def normalised(x, mean, variance, gamma=1, beta=0, epsilon=1e-5):
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def batch_norm(_):
    make = load("gantut_datafuncs").batch_norm
    x = np.random.RandomState(0).normal(3, 2, [4, 5, 5, 2])
    with session() as sess:
        train = tf.placeholder(tf.bool)
        call = "batch_norm(name='bn')(x, train) of x [4, 5, 5, 2]"
        norm = attempt("batch_norm(name='bn')", make, name="bn")
        result = attempt(call, norm, tf.constant(x, tf.float32), train)
        need_result(call, result)
        hidden = [var.op.name for var in tf.local_variables()]
        need(not hidden, f"{(hidden or '-')[0]} is a local variable (collections): no checkpoint would have it")
        values = set_all(sess)
        gamma, beta = (variable(values, "bn/" + name, call) for name in ("gamma", "beta"))
        mean, variance = (variable(values, "bn/moving_" + name, call) for name in ("mean", "variance"))
        extra = sorted(set(values) - {"bn/" + name for name in ("gamma", "beta", "moving_mean", "moving_variance")})
        need(not extra, f"{call} has the variable {(extra or '-')[0]}: tf.variable_scope(self.name) and "
             "tf.get_variable make bn/gamma, bn/beta, bn/moving_mean, bn/moving_variance, as in checkpoints")
        need(len(tf.trainable_variables()) == 2, "the moving averages are trainable: Adam would move them "
             "(trainable=False)")

        by_averages = normalised(x, mean, variance, gamma, beta)
        axes = (0, 1, 2)
        by_batch = normalised(x, x.mean(axes), x.var(axes), gamma, beta)
        without, with_train = (call.replace("train)", f"{value})") for value in (False, True))
        got = sess.run(result, {train: False})
        moved = sess.run(tf.global_variables())
        need(all(np.allclose(a, b) for a, b in zip(moved, values.values())) or near(got, by_batch, 1e-3),
             "with train False the moving averages have moved: only a training step may move them")
        compare(without, got, by_averages, [
            ("the batch's own mean and variance are used: train is ignored", by_batch),
            ("gamma and beta are not applied", normalised(x, mean, variance))])
        compare(with_train, sess.run(result, {train: True}), by_batch, [
            ("the moving averages are used: train is ignored", by_averages),
            ("each pixel has a mean of its own: the mean is over all axes except the last", normalised(
                x, x.mean(0), x.var(0), gamma, beta)), ("gamma and beta are not applied", normalised(
                    x, x.mean(axes), x.var(axes))),
            ("it is divided by the variance, not by its root", (x - x.mean(axes)) / x.var(axes) * gamma + beta)])
        new_mean, new_variance = (sess.run(next(var for var in tf.global_variables() if var.op.name.endswith(name)))
                                  for name in ("moving_mean", "moving_variance"))
        compare("the moving mean after a step of training", new_mean, 0.9 * mean + 0.1 * x.mean(axes), [
            ("it never moves: updates_collections=None does it in the text", mean),
            ("it is the batch's mean at once: momentum 0.9 keeps nine tenths of the old value", x.mean(axes)),
            ("momentum is the wrong way round: nine tenths must be kept", 0.1 * mean + 0.9 * x.mean(axes))])
        check_moving_variance(new_variance, variance, x)
        need_reuse(call, norm, tf.constant(x, tf.float32), train)
    for shape in ([6, 3], [4, 5, 3]):
        other_ranks(make, shape)


def check_moving_variance(got, before, x):
    """Check the moving variance after a step of training. tf.contrib's took one step towards n / (n - 1) times as much.
    """
    def moved(towards, momentum=0.9):
        return momentum * before + (1 - momentum) * towards

    mean, biased, unbiased = x.mean((0, 1, 2)), x.var((0, 1, 2)), x.var((0, 1, 2), ddof=1)
    compare("the moving variance after a step of training", got, moved(unbiased if near(got, moved(unbiased), 1e-3)
                                                                       else biased), [
        ("it never moves", before), ("it moves towards the mean, not towards the variance", moved(mean)),
        ("it moves towards the standard deviation, not towards the variance", moved(np.sqrt(biased))),
        *((f"its momentum is {one}, expected 0.9", moved(biased, one)) for one in (0.99, 0.999, 0.1, 0))])


def other_ranks(make, shape):
    """batch_norm of x with another number of dimensions, with given epsilon and momentum and with the default epsilon.
    """
    x, axes = np.random.RandomState(1).normal(1, 0.01, shape), tuple(range(len(shape) - 1))
    with session() as sess:
        for epsilon, arguments in ((1e-5, {}), (0.5, {"epsilon": 0.5, "momentum": 0.6})):
            name = f"bn{len(arguments)}"
            call = f"batch_norm({in_a_call(arguments)})(x, train) of x {shape} with a variance of 0.0001"
            train = tf.placeholder(tf.bool)
            try:
                result = attempt(call, attempt(call, make, name=name, **arguments), tf.constant(x, tf.float32), train)
                sess.run(tf.global_variables_initializer())
                got = attempt(call, sess.run, result, {train: True})
            except Wrong as wrong:
                raise Wrong(f"{wrong}: the mean and variance are over all axes except the last, however many: "
                            "range(x.get_shape().ndims - 1)") from None
            compare(call, got, normalised(x, x.mean(axes), x.var(axes), epsilon=epsilon), [
                ("epsilon is ignored", normalised(x, x.mean(axes), x.var(axes))),
                ("epsilon is 0.001, expected 1e-5 if none is given", normalised(
                    x, x.mean(axes), x.var(axes), epsilon=1e-3))])
            mean, variance = (sess.run(next(var for var in tf.global_variables() if var.op.name == f"{name}/{one}"))
                              for one in ("moving_mean", "moving_variance"))
            momentum = arguments.get("momentum", 0.9)
            compare(f"the moving mean after a step of {call}", mean, (1 - momentum) * x.mean(axes), [
                ("momentum is ignored", 0.1 * x.mean(axes))])
            towards = (1 - momentum) * x.var(axes)
            compare(f"the moving variance after a step of {call}", variance, momentum + towards, [
                ("it begins at 0, expected 1", towards), ("momentum is ignored", 0.9 + 0.1 * x.var(axes))])


def conv2d(_):
    function = load("gantut_datafuncs").conv2d
    x = np.random.RandomState(0).normal(size=[2, 8, 8, 3])
    with session() as sess:
        call = "conv2d(x, 4, name='c') of x [2, 8, 8, 3]"
        result = attempt(call, function, tf.constant(x, tf.float32), 4, name="c")
        need_result(call, result)
        sess.run(tf.global_variables_initializer())
        first = {var.op.name: sess.run(var) for var in tf.global_variables()}
        values = set_all(sess)
        w, b = variable(values, "c/w", call), variable(values, "c/biases", call)
        need(w.shape == (5, 5, 3, 4), f"w has the shape {list(w.shape)}, expected [k_h, k_w, channels, output_dim] = "
             "[5, 5, 3, 4]")
        compare(call, sess.run(result), conv(x, w) + b, [
            ("the stride is forgotten: strides=[1, d_h, d_w, 1]", conv(x, w, (1, 1)) + b),
            ("the padding is VALID: the border is lost", conv(x, w, padding="VALID") + b),
            ("the biases are not added", conv(x, w)), ("the biases are subtracted", conv(x, w) - b)])
        need(not first["c/biases"].any(), "the biases do not begin at 0")
        need_initial_values(call, "w", first["c/w"], 0.02, truncated=True)
        need(np.ptp(first["c/w"]) < 0.0801, "the weights' initial values are not a truncated normal")
        need_reuse(call, lambda x: function(x, 4, name="c"), tf.constant(x, tf.float32))

        sizes = dict(k_h=3, k_w=4, d_h=1, d_w=2, stddev=0.5)
        call = f"conv2d(x, 40, {in_a_call(sizes)}) of x [2, 8, 8, 3]"
        result = attempt(call, function, tf.constant(x, tf.float32), 40, name="other", **sizes)
        sess.run(tf.global_variables_initializer())
        w = sess.run(next(var for var in tf.global_variables() if var.op.name == "other/w"))
        need(w.shape == (3, 4, 3, 40), f"{call}: w has the shape {list(w.shape)}, expected [k_h, k_w, channels, "
             "output_dim] = [3, 4, 3, 40]")
        compare(call, sess.run(result), conv(x, w, (1, 2)), strides_mixed(lambda strides: conv(x, w, strides)))
        need_initial_values(call, "w", w, 0.5, truncated=True)


def in_a_call(arguments):
    return ", ".join(f"{name}={value}" for name, value in arguments.items())


def strides_mixed(with_strides):
    """Mistakes in the strides d_h=1, d_w=2, for compare()."""
    return [("d_h and d_w are exchanged: strides=[1, d_h, d_w, 1]", with_strides((2, 1))),
            ("d_h is the stride in both directions: strides=[1, d_h, d_w, 1]", with_strides((1, 1))),
            ("d_w is the stride in both directions, or both are ignored: strides=[1, d_h, d_w, 1]",
             with_strides((2, 2)))]


def lrelu(_):
    function = load("gantut_datafuncs").lrelu
    x = np.array([-2, -0.5, 0, 1, 3])
    with session() as sess:
        call = "lrelu(x) of x = [-2, -0.5, 0, 1, 3]"
        result = attempt(call, function, tf.constant(x, tf.float32))
        need_result(call, result)
        compare(call, sess.run(result), np.where(x > 0, x, 0.2 * x), [
            ("negative values are 0: this is relu, without the leak", np.maximum(x, 0)),
            ("the leak is on the wrong side: negative values should become small", np.where(x < 0, x, 0.2 * x)),
            ("nothing is changed", x), ("negative values change their sign: abs() alone is not enough", abs(x)),
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
        values = set_all(sess)
        matrix, bias = variable(values, "l/Matrix", call), variable(values, "l/bias", call)
        got = sess.run(list(result))
        compare(call, got[0], x @ matrix + bias, [
            ("the bias is not added", x @ matrix), ("it goes through a sigmoid, but must stay unbounded",
                                                    1 / (1 + np.exp(-x @ matrix - bias))),
            ("it goes through relu, but must stay linear", np.maximum(x @ matrix + bias, 0))])
        compare("what it returns second, the matrix,", got[1], matrix)
        compare("what it returns third, the bias,", got[2], bias)
        need_reuse(call, lambda x: function(x, 4, "l"), tf.constant(x, tf.float32))
        call = "linear(x, 4)"
        need_one(call, attempt(call, function, tf.constant(x, tf.float32), 4))
        names = [var.op.name for var in tf.global_variables()]
        need("Linear/Matrix" in names, f"{call} without a scope must use the scope Linear: its variables are "
             f"{', '.join(names)}")
        call = "linear(x, 4, 'start', bias_start=0.5)"
        attempt(call, function, tf.constant(x, tf.float32), 4, "start", bias_start=0.5)
        sess.run(tf.global_variables_initializer())
        start = sess.run(next(var for var in tf.global_variables() if var.op.name == "start/bias"))
        need(np.allclose(start, 0.5), f"{call}: the bias begins at {start[0]}, not at 0.5")
        for arguments in ({}, {"stddev": 0.3}):
            call = f"linear(x, 400, {in_a_call({'scope': repr('m'), **arguments})}) of x [3, 5]"
            scope = f"m{len(arguments)}"
            attempt(call, function, tf.constant(x, tf.float32), 400, scope, **arguments)
            sess.run(tf.global_variables_initializer())
            matrix = sess.run(next(var for var in tf.global_variables() if var.op.name == scope + "/Matrix"))
            need_initial_values(call, "the matrix", matrix, arguments.get("stddev", 0.02))


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
        first = {var.op.name: sess.run(var) for var in tf.global_variables()}
        values = set_all(sess)
        w, b = variable(values, "t/w", call), variable(values, "t/biases", call)
        need(w.shape == (5, 5, 5, 3), f"w has the shape {list(w.shape)}, expected [k_h, k_w, channels out, channels "
             "in] = [5, 5, 5, 3]")
        grown = conv_transposed(x, w, (8, 8))
        compare(call, sess.run(result[0]), grown + b, [("the biases are not added", grown)])
        need(not first["t/biases"].any(), "the biases do not begin at 0")
        need_initial_values(call, "w", first["t/w"], 0.02)
        need_reuse(call, lambda x: function(x, [2, 8, 8, 5], name="t"), tf.constant(x, tf.float32))
        call = "conv2d_transpose(x, [2, 8, 8, 5])"
        need_one(call, attempt(call, function, tf.constant(x, tf.float32), [2, 8, 8, 5]))
        sizes = dict(k_h=3, k_w=4, d_h=1, d_w=2, stddev=0.5)
        call = f"conv2d_transpose(x, [2, 4, 8, 40], {in_a_call(sizes)}) of x [2, 4, 4, 3]"
        try:
            result = attempt(call, function, tf.constant(x, tf.float32), [2, 4, 8, 40], name="other", **sizes)
            sess.run(tf.global_variables_initializer())
            got = attempt(call, sess.run, result)
        except Wrong as wrong:
            raise Wrong(f"{wrong}: are the strides [1, d_h, d_w, 1]?") from None
        w = sess.run(next(var for var in tf.global_variables() if var.op.name == "other/w"))
        need(w.shape == (3, 4, 40, 3), f"{call}: w has the shape {list(w.shape)}, expected [k_h, k_w, channels out, "
             "channels in] = [3, 4, 40, 3]")
        compare(call, got, conv_transposed(x, w, (4, 8), (1, 2)))
        need_initial_values(call, "w", w, 0.5)
