"""Part 4's blocks solved in another way than the project does: other operators, other names inside."""
import tensorflow.compat.v1 as tf

tf.disable_eager_execution()


class batch_norm(object):
    def __init__(self, epsilon=1e-5, momentum=0.9, name="batch_norm"):
        self.epsilon, self.momentum, self.name = epsilon, momentum, name

    def __call__(self, x, train):
        n = [int(x.shape[-1])]
        with tf.variable_scope(self.name):
            gamma = tf.get_variable("gamma", initializer=tf.ones(n))
            beta = tf.get_variable("beta", initializer=tf.zeros(n))
            averages = [tf.get_variable("moving_mean", n, initializer=tf.zeros_initializer(), trainable=False),
                        tf.get_variable("moving_variance", n, initializer=tf.ones_initializer(), trainable=False)]
        axes = tuple(range(x.shape.ndims - 1))
        center = tf.reduce_mean(x, axes)
        batch = [center, tf.reduce_mean((x - center)**2, axes)]
        rate = (1 - self.momentum) * tf.cast(train, tf.float32)
        with tf.control_dependencies([average.read_value() for average in averages]):
            kept = [average.read_value() for average in averages]
        with tf.control_dependencies(kept):
            moves = [average.assign(old + rate * (new - old)) for average, old, new in zip(averages, kept, batch)]
        with tf.control_dependencies(moves):
            mean, variance = (tf.where(train, new, old) for new, old in zip(batch, kept))
        return gamma * (x - mean) * (variance + self.epsilon)**-0.5 + beta


def conv2d(input_, output_dim, k_h=5, k_w=5, d_h=2, d_w=2, stddev=0.02, name="conv2d"):
    with tf.variable_scope(name):
        kernel = tf.get_variable("w", [k_h, k_w, input_.shape[-1], output_dim],
                                 initializer=tf.initializers.truncated_normal(0, stddev))
        offset = tf.get_variable("biases", initializer=tf.zeros([output_dim]))
    return tf.nn.convolution(input_, kernel, "SAME", strides=[d_h, d_w]) + offset


def lrelu(x, leak=0.2, name="lrelu"):
    return tf.maximum(x, leak * x)


def linear(input_, output_size, scope=None, stddev=0.02, bias_start=0.0, with_w=False):
    with tf.variable_scope("Linear" if scope is None else scope):
        weights = tf.get_variable("Matrix", [input_.shape[1], output_size],
                                  initializer=tf.initializers.random_normal(stddev=stddev))
        offset = tf.get_variable("bias", initializer=tf.fill([output_size], float(bias_start)))
    result = tf.einsum("ni,io->no", input_, weights) + offset
    return [result, weights, offset] if with_w else result


def conv2d_transpose(input_, output_shape, k_h=5, k_w=5, d_h=2, d_w=2, stddev=0.02, name="conv2d_transpose",
                     with_w=False):
    with tf.variable_scope(name):
        kernel = tf.get_variable("w", [k_h, k_w, output_shape[-1], input_.shape[-1]],
                                 initializer=tf.initializers.random_normal(stddev=stddev))
        offset = tf.get_variable("biases", initializer=tf.zeros([output_shape[-1]]))
    grown = tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.stack(output_shape), filter=kernel, out_backprop=input_,
                                           strides=[1, d_h, d_w, 1], padding="SAME")
    result = grown + offset
    return (result, kernel, offset) if with_w else result
