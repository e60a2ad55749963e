"""The building blocks of both networks: Part 4 of the tutorial, in its order.

Each block opens a variable scope, gets its variables, computes and returns a tensor; none runs a session.
The names of the variables are the names in every checkpoint since 2017.
"""
import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
tf.disable_control_flow_v2()  # the original tf.cond, through which gradients can be added after the session has run


class batch_norm(object):
    """Batch normalisation of a layer's input (Part 4; Ioffe & Szegedy 2015, arXiv 1502.03167).

    epsilon: added to the variance, so that nothing is divided by 0. momentum: decay of the moving averages.
    Does the same as tf.contrib.layers.batch_norm(updates_collections=None, center=True, scale=True) did.
    """

    def __init__(self, epsilon=1e-5, momentum=0.9, name="batch_norm"):
        self.epsilon = epsilon
        self.momentum = momentum
        self.name = name

    def __call__(self, x, train):
        """Normalise x, [..., channels], over all dimensions except the last; returns a tensor of the same shape.

        train: bool or scalar bool tensor. True: with the batch's own mean and (biased) variance; the moving averages
        take a step towards them whenever the result is computed. False: with the moving averages.
        """
        with tf.variable_scope(self.name):
            channels = x.get_shape()[-1:]
            beta = tf.get_variable("beta", channels, initializer=tf.zeros_initializer())
            gamma = tf.get_variable("gamma", channels, initializer=tf.ones_initializer())
            self.moving_mean = tf.get_variable("moving_mean", channels, initializer=tf.zeros_initializer(),
                                               trainable=False)
            self.moving_variance = tf.get_variable("moving_variance", channels, initializer=tf.ones_initializer(),
                                                   trainable=False)

            def batch_statistics():
                mean, variance = tf.nn.moments(x, list(range(x.get_shape().ndims - 1)))
                with tf.control_dependencies([self.move(mean, variance)]):
                    return tf.identity(mean), tf.identity(variance)

            def moving_averages():
                return tf.identity(self.moving_mean), tf.identity(self.moving_variance)

            self.mean, self.variance = tf.cond(tf.convert_to_tensor(train), batch_statistics, moving_averages)
            return tf.nn.batch_normalization(x, self.mean, self.variance, beta, gamma, self.epsilon)

    def move(self, mean, variance):
        """An op: the moving averages take a step towards a mean and a variance, [channels]."""
        return tf.group(self.moving_mean.assign_sub((self.moving_mean - mean) * (1 - self.momentum)),
                        self.moving_variance.assign_sub((self.moving_variance - variance) * (1 - self.momentum)))


def conv2d(input_, output_dim, k_h=5, k_w=5, d_h=2, d_w=2, stddev=0.02, name="conv2d"):
    """Convolve input_ [N, h, w, channels] with output_dim kernels of k_h x k_w (Part 4).

    d_h, d_w: strides. stddev: of the weights' truncated normal initialiser.
    Returns [N, ceil(h / d_h), ceil(w / d_w), output_dim].
    """
    with tf.variable_scope(name):
        w = tf.get_variable("w", [k_h, k_w, input_.get_shape()[-1], output_dim],
                            initializer=tf.truncated_normal_initializer(stddev=stddev))
        conv = tf.nn.conv2d(input_, w, strides=[1, d_h, d_w, 1], padding="SAME")

        biases = tf.get_variable("biases", [output_dim], initializer=tf.constant_initializer(0.0))
        return tf.nn.bias_add(conv, biases)


def lrelu(x, leak=0.2, name="lrelu"):
    """Leaky rectified linear unit: x where x > 0, leak * x elsewhere (Part 4)."""
    with tf.variable_scope(name):
        return tf.nn.leaky_relu(x, leak)


def linear(input_, output_size, scope=None, stddev=0.02, bias_start=0.0, with_w=False):
    """Map input_ [N, n] linearly to [N, output_size] (Part 4).

    stddev: of the matrix's normal initialiser. bias_start: initial bias.
    with_w: return (output, matrix, bias) instead of the output alone.
    """
    shape = input_.get_shape().as_list()

    with tf.variable_scope(scope or "Linear"):
        matrix = tf.get_variable("Matrix", [shape[1], output_size], tf.float32,
                                 tf.random_normal_initializer(stddev=stddev))
        bias = tf.get_variable("bias", [output_size], initializer=tf.constant_initializer(bias_start))
        if with_w:
            return tf.matmul(input_, matrix) + bias, matrix, bias
        else:
            return tf.matmul(input_, matrix) + bias


def conv2d_transpose(input_, output_shape, k_h=5, k_w=5, d_h=2, d_w=2, stddev=0.02,
                     name="conv2d_transpose", with_w=False):
    """The "inverse" convolution, which makes a small image larger: the transpose of conv2d (Part 4).

    input_: [N, h, w, channels]. output_shape: [N, h * d_h, w * d_w, output_dim], where N may be a scalar tensor.
    stddev: of the weights' normal initialiser. with_w: return (output, weights, biases) instead of the output alone.
    """
    with tf.variable_scope(name):
        w = tf.get_variable("w", [k_h, k_w, output_shape[-1], input_.get_shape()[-1]],
                            initializer=tf.random_normal_initializer(stddev=stddev))
        deconv = tf.nn.conv2d_transpose(input_, w, output_shape=output_shape, strides=[1, d_h, d_w, 1])

        biases = tf.get_variable("biases", [output_shape[-1]], initializer=tf.constant_initializer(0.0))
        deconv = tf.nn.bias_add(deconv, biases)

        if with_w:
            return deconv, w, biases
        else:
            return deconv
