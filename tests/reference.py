"""The tutorial's DCGAN and one step of its training in NumPy float64, written from the text of Part 4.

The tests compare the TensorFlow code with it: it shares no code with that and computes every gradient by hand.
Images are [N, height, width, channels]; the variables are a flat dict under the names of the 2017 checkpoints.
"""

from itertools import pairwise

import numpy as np
from scipy.special import expit, ndtr, ndtri

EPSILON, MOMENTUM, LEAK = 1e-5, 0.9, 0.2
TAPS = [(i, j) for i in range(5) for j in range(5)]


def variable_shapes(image_size, c_dim, gf_dim, df_dim, z_dim):
    """The shape of every variable by its name."""
    shapes = {}

    def add(scope, **variables):
        shapes.update({f"{scope}/{name}": shape for name, shape in variables.items()})

    def add_batch_norm(scope, width):
        add(scope, beta=(width,), gamma=(width,), moving_mean=(width,), moving_variance=(width,))

    widths = [gf_dim * 8]
    size, depth_mul = 8, 8
    while size < image_size:
        widths.append(gf_dim * max(depth_mul, 1))
        size, depth_mul = size * 2, depth_mul // 2
    add("generator/g_h0_lin", Matrix=(z_dim, widths[0] * 4 * 4), bias=(widths[0] * 4 * 4,))
    for i, width in enumerate(widths):
        add_batch_norm(f"generator/g_bn{i}", width)
    for i, (inner, outer) in enumerate(pairwise([*widths, c_dim]), 1):
        add(f"generator/g_h{i}", w=(5, 5, outer, inner), biases=(outer,))

    widths = [c_dim, df_dim, df_dim * 2, df_dim * 4, df_dim * 8]
    for name, (inner, outer) in zip(["d_h00", "d_h1", "d_h2", "d_h3"], pairwise(widths), strict=True):
        add(f"discriminator/{name}_conv", w=(5, 5, inner, outer), biases=(outer,))
    for i, width in enumerate(widths[2:]):
        add_batch_norm(f"discriminator/d_bn{i}", width)
    flat = max(image_size // 16, 1) ** 2 * widths[-1]
    add("discriminator/d_h4_lin", Matrix=(flat, 1), bias=(1,))
    return shapes


def random_params(image_size, c_dim, gf_dim, df_dim, z_dim, seed, stddev=0.02, spread=0.0):
    """Variables as the tutorial initialises them: normal weights, truncated normal in the discriminator's convolutions.

    A larger `stddev` makes a sharper test, and so does a `spread` below 1: every variable that starts at a constant is
    changed at random, uniformly by up to that much.
    """
    rng = np.random.default_rng(seed)
    params = {}
    for name, shape in variable_shapes(image_size, c_dim, gf_dim, df_dim, z_dim).items():
        if name.startswith("discriminator") and name.endswith("/w"):
            params[name] = stddev * ndtri(rng.uniform(ndtr(-2), ndtr(2), shape))
        elif name.endswith(("/w", "/Matrix")):
            params[name] = rng.normal(0, stddev, shape)
        else:
            start = 1 if name.endswith(("/gamma", "/moving_variance")) else 0
            params[name] = start + rng.uniform(-spread, spread, shape)
    return params


def same_padding(n):
    """Zeros before and after n pixels: TensorFlow's 'SAME' for 5 taps and stride 2."""
    total = max(((n + 1) // 2 - 1) * 2 + 5 - n, 0)
    return total // 2, total - total // 2


def pad(x):
    return np.pad(x, [(0, 0), same_padding(x.shape[1]), same_padding(x.shape[2]), (0, 0)])


def window(padded, i, j):
    """The padded pixels that tap (i, j) multiplies: every second one, as many as the convolution has outputs."""
    _, height, width, _ = padded.shape
    return padded[:, i : i + height - 4 : 2, j : j + width - 4 : 2]


def conv2d(x, w):
    """x [N, H, W, in] with w [5, 5, in, out]."""
    padded = pad(x)
    return sum(window(padded, i, j) @ w[i, j] for i, j in TAPS)  # [N, ceil(H/2), ceil(W/2), out]


def conv2d_transpose(y, w, size=None):
    """The adjoint of conv2d on pictures of size x size (twice y's by default); y [N, h, h, in], w [5, 5, out, in]."""
    size = size or 2 * y.shape[1]
    before, after = same_padding(size)
    padded = np.zeros((len(y), before + size + after, before + size + after, w.shape[2]))
    for i, j in TAPS:
        window(padded, i, j)[...] += y @ w[i, j].T
    return padded[:, before : before + size, before : before + size]  # [N, size, size, out]


def filter_gradient(x, dy):
    """The gradient of sum(conv2d(x, w) * dy) with respect to w."""
    padded = pad(x)
    dw = [np.tensordot(window(padded, i, j), dy, axes=([0, 1, 2], [0, 1, 2])) for i, j in TAPS]
    return np.reshape(dw, (5, 5, x.shape[3], dy.shape[3]))


def cross_entropy(logits, label):
    """The mean sigmoid cross entropy against one label for the whole batch, and its gradient."""
    losses = np.maximum(logits, 0) - logits * label + np.log1p(np.exp(-np.abs(logits)))
    return losses.mean(), (expit(logits) - label) / logits.size


def adam(params, grads, state, learning_rate, beta1, beta2=0.999, epsilon=1e-8):
    """One step of TensorFlow's AdamOptimizer on the variables in `grads`; `state` holds its moments, {} at first."""
    t = state["t"] = state.get("t", 0) + 1
    rate = learning_rate * np.sqrt(1 - beta2**t) / (1 - beta1**t)
    for name, gradient in grads.items():
        m, v = state.get(name, (0, 0))
        m, v = state[name] = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2
        params[name] = params[name] - rate * m / (np.sqrt(v) + epsilon)


class Pass:
    """One pass through a network: every layer replaces `x` and notes how a gradient goes back through it."""

    def __init__(self, params, x, train):
        self.params, self.x, self.train = params, x, train
        self.steps, self.grads = [], {}

    def back(self, dy):
        """From the loss's gradient at the output to that at the input; `grads` gets those of the variables."""
        for step in reversed(self.steps):
            dy = step(dy)
        return dy

    def reshape(self, *shape):
        before = self.x.shape
        self.x = self.x.reshape(shape)
        self.steps.append(lambda dy: dy.reshape(before))

    def relu(self):
        x = self.x
        self.x = np.maximum(x, 0)
        self.steps.append(lambda dy: dy * (x > 0))

    def lrelu(self):
        x, f1, f2 = self.x, 0.5 * (1 + LEAK), 0.5 * (1 - LEAK)
        self.x = f1 * x + f2 * np.abs(x)
        self.steps.append(lambda dy: dy * (f1 + f2 * np.sign(x)))

    def tanh(self):
        y = self.x = np.tanh(self.x)
        self.steps.append(lambda dy: dy * (1 - y**2))

    def linear(self, name):
        x, matrix = self.x, self.params[name + "/Matrix"]
        self.x = x @ matrix + self.params[name + "/bias"]

        def back(dy):
            self.grads.update({name + "/Matrix": x.T @ dy, name + "/bias": dy.sum(0)})
            return dy @ matrix.T

        self.steps.append(back)

    def conv2d(self, name):
        x, w = self.x, self.params[name + "/w"]
        self.x = conv2d(x, w) + self.params[name + "/biases"]

        def back(dy):
            self.grads.update({name + "/w": filter_gradient(x, dy), name + "/biases": dy.sum((0, 1, 2))})
            return conv2d_transpose(dy, w, x.shape[1])

        self.steps.append(back)

    def conv2d_transpose(self, name):
        x, w = self.x, self.params[name + "/w"]
        self.x = conv2d_transpose(x, w) + self.params[name + "/biases"]

        def back(dy):
            self.grads.update({name + "/w": filter_gradient(dy, x), name + "/biases": dy.sum((0, 1, 2))})
            return conv2d(dy, w)

        self.steps.append(back)

    def batch_norm(self, name):
        """Training normalises by the batch and moves the averages at once; evaluation normalises by the averages."""
        train, gamma = self.train, self.params[name + "/gamma"]
        if train:
            mean, variance = self.x.mean((0, 1, 2)), self.x.var((0, 1, 2))
            for kind, batch in ("/moving_mean", mean), ("/moving_variance", variance):
                self.params[name + kind] = MOMENTUM * self.params[name + kind] + (1 - MOMENTUM) * batch
        else:
            mean, variance = self.params[name + "/moving_mean"], self.params[name + "/moving_variance"]
        scale = 1 / np.sqrt(variance + EPSILON)
        normal = (self.x - mean) * scale
        self.x = gamma * normal + self.params[name + "/beta"]

        def back(dy):
            self.grads.update({name + "/gamma": (dy * normal).sum((0, 1, 2)), name + "/beta": dy.sum((0, 1, 2))})
            dnormal = dy * gamma
            if train:
                dnormal = dnormal - dnormal.mean((0, 1, 2)) - normal * (dnormal * normal).mean((0, 1, 2))
            return dnormal * scale

        self.steps.append(back)


class Reference:
    """One DCGAN in training: `params` holds its variables and changes with every pass and every round."""

    def __init__(self, params, image_size, c_dim, gf_dim, df_dim, z_dim, learning_rate=0.0002, beta1=0.5):
        shapes = variable_shapes(image_size, c_dim, gf_dim, df_dim, z_dim)
        self.params = {name: np.array(params[name], np.float64) for name in shapes}
        wrong = [name for name, shape in shapes.items() if self.params[name].shape != shape]
        assert not wrong, f"shapes that do not fit this model: {wrong}"
        self.image_size, self.gf_dim = image_size, gf_dim
        self.learning_rate, self.beta1 = learning_rate, beta1
        self.d_state, self.g_state = {}, {}

    def generator(self, z, train):
        """The pass from z [N, z_dim] to images [N, image_size, image_size, c_dim] between -1 and 1."""
        net = Pass(self.params, z, train)
        net.linear("generator/g_h0_lin")
        net.reshape(-1, 4, 4, self.gf_dim * 8)  # [N, 4, 4, gf_dim*8]
        i = 0
        while net.x.shape[1] < self.image_size:
            net.batch_norm(f"generator/g_bn{i}")
            net.relu()
            i += 1
            net.conv2d_transpose(f"generator/g_h{i}")  # twice the size, at the end [N, image_size, image_size, c_dim]
        net.tanh()
        return net

    def discriminator(self, images, train):
        """The pass from images [N, image_size, image_size, c_dim] to logits [N, 1]."""
        net = Pass(self.params, images, train)
        net.conv2d("discriminator/d_h00_conv")  # [N, image_size/2, image_size/2, df_dim]
        net.lrelu()
        for i in range(3):
            net.conv2d(f"discriminator/d_h{i + 1}_conv")  # half the size, twice the depth
            net.batch_norm(f"discriminator/d_bn{i}")
            net.lrelu()
        net.reshape(len(images), -1)
        net.linear("discriminator/d_h4_lin")  # [N, 1]
        return net

    def forward(self, z, images, train):
        """What the graph calls G, D_logits and D_logits_: fakes, the logits of the images and those of the fakes."""
        fakes = self.generator(z, train).x
        return fakes, self.discriminator(images, train).x, self.discriminator(fakes, train).x

    def loss(self, z, images, train):
        """(d_loss_fake, d_loss_real, g_loss); d_loss is the sum of the first two."""
        _, real, fake = self.forward(z, images, train)
        return cross_entropy(fake, 0)[0], cross_entropy(real, 1)[0], cross_entropy(fake, 1)[0]

    def d_gradients(self, z, images, train=True):
        """The gradients of d_loss by the names of the discriminator's variables."""
        fakes = self.generator(z, train).x
        real, fake = self.discriminator(images, train), self.discriminator(fakes, train)
        real.back(cross_entropy(real.x, 1)[1])
        fake.back(cross_entropy(fake.x, 0)[1])
        return {name: real.grads[name] + fake.grads[name] for name in real.grads}

    def g_gradients(self, z, train=True):
        """The gradients of g_loss by the names of the generator's variables, and that with respect to z."""
        fakes = self.generator(z, train)
        fake = self.discriminator(fakes.x, train)
        dz = fakes.back(fake.back(cross_entropy(fake.x, 1)[1]))
        return fakes.grads, dz

    def round(self, z, images):
        """One batch of train(): D once, G twice on the same z, then the three losses in evaluation mode."""
        adam(self.params, self.d_gradients(z, images), self.d_state, self.learning_rate, self.beta1)
        for _ in range(2):
            adam(self.params, self.g_gradients(z)[0], self.g_state, self.learning_rate, self.beta1)
        return self.loss(z, images, train=False)
