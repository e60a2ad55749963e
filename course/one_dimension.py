#!/usr/bin/env python3
"""Part 1's idea in one dimension, as Figure 1 of the original paper shows it (Goodfellow et al. 2014, arXiv 1406.2661).

  python course/one_dimension.py one_dimension.gif

The data are numbers with a bell-shaped distribution (black dots); G turns uniform noise into numbers (green); D gives
the probability that a number is real (blue). Each learns from the other, until D cannot tell them apart and gives 0.5
everywhere.
"""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(ROOT)

import gantut.quiet  # noqa: E402, F401  (before TensorFlow, which it keeps quiet)

import numpy as np  # noqa: E402
import tensorflow.compat.v1 as tf  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from gantut.errors import UserError, check_writable  # noqa: E402
from gantut.images import save_film  # noqa: E402
from gantut.scripts import argument_parser, run  # noqa: E402

STEPS, BATCH, EVERY = 3000, 512, 60
MEAN, SPREAD = 1.0, 0.5  # of the data


def layers(x, scope, out):
    """Two layers of 32 units with leaky ReLU, and a linear one: [N, 1] -> [N, out]."""
    with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
        for i, units in enumerate([32, 32, out]):
            w = tf.get_variable(f"w{i}", [x.shape[1], units], initializer=tf.glorot_uniform_initializer())
            x = tf.matmul(x, w) + tf.get_variable(f"b{i}", [units], initializer=tf.zeros_initializer())
            x = tf.nn.leaky_relu(x) if units > 1 else x
    return x


def build():
    """The two networks, their losses as in Part 4, and their updates; returns the tensors that the loop needs."""
    z, x = tf.placeholder(tf.float32, [None, 1]), tf.placeholder(tf.float32, [None, 1])
    G = layers(z, "generator", 1)
    D, D_ = layers(x, "discriminator", 1), layers(G, "discriminator", 1)
    d_loss = tf.reduce_mean(tf.nn.softplus(-D)) + tf.reduce_mean(tf.nn.softplus(D_))
    g_loss = tf.reduce_mean(tf.nn.softplus(-D_))
    d_vars, g_vars = (tf.trainable_variables(scope) for scope in ("discriminator", "generator"))
    d_optim = tf.train.AdamOptimizer(0.002, beta1=0.5).minimize(d_loss, var_list=d_vars)
    g_optim = tf.train.AdamOptimizer(0.001, beta1=0.5).minimize(g_loss, var_list=g_vars)
    return z, x, G, tf.sigmoid(D), d_optim, g_optim


def draw(step, axis, real, fake, judged):
    """One frame of the film: the two distributions, D's judgement, and where G maps z, [h, w, 3]."""
    figure = Figure(figsize=(5, 3.4), dpi=80)
    axes = figure.subplots()
    bins = np.linspace(axis[0], axis[-1], 61)
    axes.plot(axis, np.exp(-((axis - MEAN) / SPREAD)**2 / 2) / SPREAD / np.sqrt(2 * np.pi), "k:", label="data")
    axes.hist(fake, bins, density=True, color="green", alpha=0.5, label="G(z)")
    axes.plot(axis, judged, "b--", label="D(x)")
    for start in np.linspace(-1, 1, 21):  # z below, G(z) above, as the paper draws it
        nearest = fake[abs(real - start).argmin()]
        axes.annotate("", (nearest, -0.05), (start, -0.35), arrowprops={"arrowstyle": "->", "lw": 0.5})
    axes.set(xlim=(axis[0], axis[-1]), ylim=(-0.4, 1.5), title=f"after {step} steps", yticks=[0, 0.5, 1])
    axes.legend(loc="upper left")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def main(path):
    tf.disable_eager_execution()
    tf.set_random_seed(1)
    rng = np.random.RandomState(1)
    z, x, G, D, d_optim, g_optim = build()
    axis, noise = np.linspace(-2, 3, 201), rng.uniform(-1, 1, [5000, 1])
    frames = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(STEPS + 1):
            if step % EVERY == 0:
                fake, judged = sess.run(G, {z: noise})[:, 0], sess.run(D, {x: axis[:, np.newaxis]})[:, 0]
                frames.append(draw(step, axis, noise[:, 0], fake, judged))
            feed = {z: rng.uniform(-1, 1, [BATCH, 1]), x: rng.normal(MEAN, SPREAD, [BATCH, 1])}
            sess.run(d_optim, feed)
            sess.run(g_optim, feed)
    save_film(frames, path)
    low, high = np.quantile(judged[(axis > 0) & (axis < 2)], [0, 1])
    print(f"data: mean {MEAN:.2f}, spread {SPREAD:.2f}; G(z): mean {fake.mean():.2f}, spread {fake.std():.2f}; "
          f"D(x) between {low:.2f} and {high:.2f}")
    return frames


def command():
    parser = argument_parser(__doc__)
    parser.add_argument("film", nargs="?", type=os.path.expanduser, default="one_dimension.gif",
                        help="the GIF to write")
    path = parser.parse_args().film
    if not path.lower().endswith(".gif"):
        raise UserError(f"cannot write {path}: give a file that ends in .gif")
    check_writable(path)
    main(path)


if __name__ == "__main__":
    run(command, prints=True)
