#!/usr/bin/env python3
"""A dense GAN on handwritten digits, in graph mode: "Generative Adversarial Network", with its names and numbers.

    python variants/mnist_gan.py                        # 500 epochs
    python variants/mnist_gan.py --beta1 0.5            # the same, fixed
    python variants/mnist_gan.py --epochs 20 --data mnist.npz

Two networks with one hidden layer each; the labels of real images are smoothed to 0.9. The run writes to --out_dir:
digit.png (a training image), checkpoints/ (the generator's variables only), train_losses.pkl, losses.png and
samples.png, 16 new digits from the restored generator. It does not resume: the discriminator and the optimizers'
variables are not saved, and a new run starts from the beginning. It moves what is there to earlier-1/.

The text's 500 epochs are 275,000 steps on MNIST's 55,000 images, and 7,500 on the 1,500 digits. On the digits the
generator ends with few kinds of digits, as Adam's momentum, which the text leaves at 0.9, is too high: see
docs/variants.md.

Fixed: tf.layers, which no longer works (Keras 3), is replaced by dense() below. The new digits come from a separate
graph, so that the checkpoint alone is enough.
"""
import os
from types import SimpleNamespace

import mnist
import numpy as np
import tensorflow.compat.v1 as tf
from matplotlib.figure import Figure
from tqdm import tqdm

tf.disable_eager_execution()

input_size = 784  # size of input image to discriminator
z_size = 100  # size of latent vector to generator
g_hidden_size = 128
d_hidden_size = 128
alpha = 0.01  # leak factor for leaky ReLU
smooth = 0.1
learning_rate = 0.002
beta1 = 0.9  # Adam's own; the flag --beta1
batch_size = 100


def dense(x, units, name):
    """As tf.layers.dense was: map x [N, n] to [N, units]."""
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", [x.shape[1], units], initializer=tf.glorot_uniform_initializer())
        bias = tf.get_variable("bias", [units], initializer=tf.zeros_initializer())
        return tf.matmul(x, kernel) + bias


def model_inputs(real_dim, z_dim):
    """Placeholders for real images [N, real_dim] in [-1, 1] and latent vectors [N, z_dim] in [-1, 1]."""
    inputs_real = tf.placeholder(tf.float32, shape=[None, real_dim])
    inputs_z = tf.placeholder(tf.float32, shape=[None, z_dim])
    return inputs_real, inputs_z


def generator(z, out_dim, n_units=128, reuse=False, alpha=0.01):
    """Generate images [N, out_dim] in (-1, 1) from z [N, z_size]."""
    with tf.variable_scope("generator", reuse=reuse):
        hidden1 = dense(z, n_units, "dense")  # [N, 128]
        hidden1 = tf.maximum(alpha * hidden1, hidden1)

        logits = dense(hidden1, out_dim, "dense_1")  # [N, 784]
        output = tf.tanh(logits)
        return output


def discriminator(x, n_units=128, reuse=False, alpha=0.01):
    """Judge images x [N, 784]; returns the probability that each is real, [N, 1], and its logit."""
    with tf.variable_scope("discriminator", reuse=reuse):
        hidden1 = dense(x, n_units, "dense")  # [N, 128]
        hidden1 = tf.maximum(alpha * hidden1, hidden1)

        logits = dense(hidden1, 1, "dense_1")  # [N, 1]
        output = tf.sigmoid(logits)
        return output, logits


def loss_func(logits_in, labels_in):
    """Mean sigmoid cross-entropy between logits and labels, both [N, 1]."""
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(logits=logits_in, labels=labels_in))


def build_model(beta1=beta1):
    """Build both networks, their losses and their updates in the default graph; returns the tensors by name."""
    input_real, input_z = model_inputs(input_size, z_size)

    g_model = generator(input_z, input_size, n_units=g_hidden_size, alpha=alpha)
    d_model_real, d_logits_real = discriminator(input_real, n_units=d_hidden_size, alpha=alpha)
    d_model_fake, d_logits_fake = discriminator(g_model, reuse=True, n_units=d_hidden_size, alpha=alpha)

    d_loss_real = loss_func(d_logits_real, tf.ones_like(d_logits_real) * (1 - smooth))
    d_loss_fake = loss_func(d_logits_fake, tf.zeros_like(d_logits_fake))
    d_loss = d_loss_real + d_loss_fake
    g_loss = loss_func(d_logits_fake, tf.ones_like(d_logits_fake))

    t_vars = tf.trainable_variables()
    g_vars = [var for var in t_vars if var.name.startswith("generator")]
    d_vars = [var for var in t_vars if var.name.startswith("discriminator")]

    d_train_opt = tf.train.AdamOptimizer(learning_rate, beta1=beta1).minimize(d_loss, var_list=d_vars)
    g_train_opt = tf.train.AdamOptimizer(learning_rate, beta1=beta1).minimize(g_loss, var_list=g_vars)
    return SimpleNamespace(**locals())


def sample_noise(rng, n):
    return rng.uniform(-1, 1, size=(n, z_size))


def train(model, images, epochs, out_dir, rng):
    """Train on images [N, 28, 28] in [0, 1]; returns the losses of D and G after each epoch, [epochs, 2]."""
    losses = []
    saver = tf.train.Saver(var_list=model.g_vars, save_relative_paths=True)  # only save generator variables
    batches = mnist.batches(images, batch_size, rng)

    with tf.Session() as sess, tqdm(total=epochs, unit="epoch", disable=None) as bar:
        sess.run(tf.global_variables_initializer())

        for e in range(epochs):
            for _ in range(max(1, len(images) // batch_size)):
                batch_images = next(batches).reshape(batch_size, 784)
                batch_images = batch_images * 2 - 1
                batch_z = sample_noise(rng, batch_size)

                sess.run(model.d_train_opt, {model.input_real: batch_images, model.input_z: batch_z})
                sess.run(model.g_train_opt, {model.input_z: batch_z})

            # at the end of each epoch
            train_loss_d = sess.run(model.d_loss, {model.input_z: batch_z, model.input_real: batch_images})
            train_loss_g = model.g_loss.eval({model.input_z: batch_z})
            losses.append((train_loss_d, train_loss_g))
            line = "Epoch {}/{} - DLoss: {:.4f} - GLoss: {:.4f}".format(e + 1, epochs, train_loss_d, train_loss_g)
            bar.set_description(line, refresh=False)
            bar.update()
            if bar.disable:
                print(line, flush=True)
            saver.save(sess, os.path.join(out_dir, "checkpoints", "generator.ckpt"))
            mnist.write_losses(losses, out_dir)
    return losses


def generate(out_dir, sample_z):
    """Generate digits [N, 28, 28] in [-1, 1] from noise sample_z [N, z_size] with the generator saved in out_dir."""
    with tf.Graph().as_default(), tf.Session() as sess:
        _, input_z = model_inputs(input_size, z_size)
        gen_samples = generator(input_z, input_size, n_units=g_hidden_size, alpha=alpha)
        saver = tf.train.Saver(var_list=tf.trainable_variables("generator"))
        saver.restore(sess, tf.train.latest_checkpoint(os.path.join(out_dir, "checkpoints")))
        return sess.run(gen_samples, {input_z: sample_z}).reshape(-1, 28, 28)


def save_digit(image, path):
    """Draw one of the training images, [28, 28], dark ink on white."""
    fig = Figure()
    fig.subplots().imshow(image, cmap="Greys")
    mnist.save_figure(fig, path)


def save_samples(images, path):
    """Draw 16 images [16, 28, 28] as a 4 x 4 figure."""
    fig = Figure(figsize=(7, 7))
    axes = fig.subplots(nrows=4, ncols=4, sharey=True, sharex=True)
    for ax, img in zip(axes.flatten(), images):
        ax.xaxis.set_visible(False)
        ax.yaxis.set_visible(False)
        ax.imshow(img, cmap="Greys_r")
    mnist.save_figure(fig, path)


def main():
    args = mnist.flags(__doc__, "epochs", 500, beta1=beta1)
    images, _ = mnist.load(args.data)
    mnist.start(args.out_dir)
    save_digit(images[1], os.path.join(args.out_dir, "digit.png"))
    rng = np.random.RandomState(args.seed)
    with tf.Graph().as_default():
        tf.set_random_seed(args.seed)
        losses = train(build_model(args.beta1), images, args.epochs, args.out_dir, rng)
    mnist.save_losses(losses, args.out_dir, "epoch")
    save_samples(generate(args.out_dir, sample_noise(rng, 16)), os.path.join(args.out_dir, "samples.png"))


if __name__ == "__main__":
    mnist.run(main)
