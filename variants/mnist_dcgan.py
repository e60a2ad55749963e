#!/usr/bin/env python3
"""A DCGAN on handwritten digits, in graph mode: "Deep Convolutional Generative Adversarial Network | Python".

    python variants/mnist_dcgan.py                      # 10,000 steps
    python variants/mnist_dcgan.py --steps 500 --data mnist.npz

Compared with mnist_gan.py: convolutions; batch norm (its moving averages are updated by operations in the collection
UPDATE_OPS, and minimize() has to wait for those); a discriminator with two logits, one for each class (0 = fake,
1 = real). The run writes to --out_dir: checkpoints/ (the generator's variables only), train_losses.pkl, losses.png and
samples.png, a canvas of 6 x 6 digits with inverted colours. It does not resume: a new run starts from the beginning,
and moves what is there to earlier-1/.

Fixed: tf.layers, which no longer works (Keras 3), is replaced by dense() and so on below. The text says strides=3 four
times; its own shapes, 7 -> 14 -> 28 and a discriminator that ends in 7 * 7 * 128, need 2. leakyrelu has "0.5x" for
0.5 * x. The text calls the placeholder noise or noise_input: here it is noise. np.empty takes one tuple. The text says
Loss A is the discriminator's, but prints the generator's: the lines name both. istraining is an argument, not a global.
The three passes through the discriminator all update the same averages in one step: here one after the other, since
otherwise their order would be random. The losses that the text prints are those of another program, in which the second
convolution of D is 5 x 5: see docs/variants.md.
"""
import os
from types import SimpleNamespace

import mnist
import numpy as np
import tensorflow.compat.v1 as tf
from matplotlib.figure import Figure
from tqdm import tqdm

tf.disable_eager_execution()

image_dim = 784  # 28 * 28; the text's, which uses it nowhere
noise_dimension = 100
lr_generator = 0.002
lr_discriminator = 0.002
batch_size = 128


def dense(x, units, name):
    """As tf.layers.dense was: map x [N, n] to [N, units]."""
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", [x.shape[1], units], initializer=tf.glorot_uniform_initializer())
        bias = tf.get_variable("bias", [units], initializer=tf.zeros_initializer())
        return tf.matmul(x, kernel) + bias


def conv2d(x, filters, size, strides, name):
    """As tf.layers.conv2d was, padding "same": x [N, h, w, c] to [N, h / strides, w / strides, filters]."""
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", [size, size, x.shape[3], filters],
                                 initializer=tf.glorot_uniform_initializer())
        bias = tf.get_variable("bias", [filters], initializer=tf.zeros_initializer())
        return tf.nn.conv2d(x, kernel, strides=strides, padding="SAME") + bias


def conv2d_transpose(x, filters, size, strides, name):
    """As tf.layers.conv2d_transpose was, padding "same": x [N, h, w, c] to [N, h * strides, w * strides, filters]."""
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", [size, size, filters, x.shape[3]],
                                 initializer=tf.glorot_uniform_initializer())
        bias = tf.get_variable("bias", [filters], initializer=tf.zeros_initializer())
        output_shape = [tf.shape(x)[0], x.shape[1] * strides, x.shape[2] * strides, filters]
        return tf.nn.conv2d_transpose(x, kernel, output_shape, strides=strides, padding="SAME") + bias


def batch_normalization(x, training, name, momentum=0.99, epsilon=0.001):
    """As tf.layers.batch_normalization was: normalise x [..., channels] over all dimensions except the last.

    training: scalar bool tensor. True: with the batch's own mean and variance; False: with the moving averages. The op
    that updates those does not run by itself: it is in the collection UPDATE_OPS.
    """
    with tf.variable_scope(name):
        channels = x.shape[-1:]
        gamma = tf.get_variable("gamma", channels, initializer=tf.ones_initializer())
        beta = tf.get_variable("beta", channels, initializer=tf.zeros_initializer())
        moving_mean = tf.get_variable("moving_mean", channels, initializer=tf.zeros_initializer(), trainable=False)
        moving_variance = tf.get_variable("moving_variance", channels, initializer=tf.ones_initializer(),
                                          trainable=False)
        mean, variance = tf.nn.moments(x, list(range(x.shape.ndims - 1)))
        mean = tf.where(training, mean, moving_mean)
        variance = tf.where(training, variance, moving_variance)
        with tf.control_dependencies(tf.get_collection(moving_mean.name)):  # after the pass before this one
            update = tf.group(moving_mean.assign_sub((moving_mean - mean) * (1 - momentum)),
                              moving_variance.assign_sub((moving_variance - variance) * (1 - momentum)))
        tf.add_to_collection(moving_mean.name, update)
        tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, update)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, epsilon)


def model_inputs():
    """Placeholders for noise [N, 100] in [-1, 1], real images [N, 28, 28, 1] in [-1, 1], and whether it is training."""
    noise = tf.placeholder(tf.float32, shape=[None, noise_dimension])
    real_image_input = tf.placeholder(tf.float32, shape=[None, 28, 28, 1])
    istraining = tf.placeholder(tf.bool, shape=[])
    return noise, real_image_input, istraining


def leakyrelu(x, alpha=0.2):
    """x where x > 0, alpha * x elsewhere."""
    return 0.5 * x + 0.5 * abs(x) - 0.5 * alpha * abs(x) + 0.5 * x * alpha


def generator(x, istraining, reuse=False):
    """Generate images [N, 28, 28, 1] in (-1, 1) from noise x [N, 100]."""
    with tf.variable_scope("Generator", reuse=reuse):
        x = dense(x, 7 * 7 * 128, "dense")  # [N, 6272]
        x = batch_normalization(x, istraining, "batch_normalization")
        x = tf.nn.relu(x)
        x = tf.reshape(x, shape=[-1, 7, 7, 128])  # [N, 7, 7, 128]
        x = conv2d_transpose(x, 64, 5, 2, "conv2d_transpose")  # [N, 14, 14, 64]
        x = batch_normalization(x, istraining, "batch_normalization_1")
        x = tf.nn.relu(x)
        x = conv2d_transpose(x, 1, 5, 2, "conv2d_transpose_1")  # [N, 28, 28, 1]
        x = tf.nn.tanh(x)
        return x


def discriminator(x, istraining, reuse=False):
    """Judge images x [N, 28, 28, 1]; returns two logits for each, [N, 2]: fake, real."""
    with tf.variable_scope("Discriminator", reuse=reuse):
        x = conv2d(x, 64, 5, 2, "conv2d")  # [N, 14, 14, 64]
        x = batch_normalization(x, istraining, "batch_normalization")
        x = leakyrelu(x)
        x = conv2d(x, 128, 10, 2, "conv2d_1")  # [N, 7, 7, 128]
        x = batch_normalization(x, istraining, "batch_normalization_1")
        x = leakyrelu(x)
        x = tf.reshape(x, shape=[-1, 7 * 7 * 128])  # [N, 6272]
        x = dense(x, 1024, "dense")  # [N, 1024]
        x = batch_normalization(x, istraining, "batch_normalization_2")
        x = leakyrelu(x)
        x = dense(x, 2, "dense_1")  # [N, 2]
        return x


def build_model():
    """Build both networks, their losses and their updates in the default graph; returns the tensors by name."""
    noise, real_image_input, istraining = model_inputs()

    gen_sample = generator(noise, istraining)
    disc_real = discriminator(real_image_input, istraining)
    disc_fake = discriminator(gen_sample, istraining, reuse=True)
    stacked_gan = discriminator(gen_sample, istraining, reuse=True)

    disc_loss_real = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        logits=disc_real, labels=tf.ones([batch_size], dtype=tf.int32)))
    disc_loss_fake = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        logits=disc_fake, labels=tf.zeros([batch_size], dtype=tf.int32)))
    disc_loss = disc_loss_real + disc_loss_fake
    gen_loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        logits=stacked_gan, labels=tf.ones([batch_size], dtype=tf.int32)))

    optimizer_gen = tf.train.AdamOptimizer(learning_rate=lr_generator, beta1=0.5, beta2=0.999)
    optimizer_disc = tf.train.AdamOptimizer(learning_rate=lr_discriminator, beta1=0.5, beta2=0.999)

    gen_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="Generator")
    disc_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="Discriminator")
    gen_saved = tf.global_variables("Generator")  # with the moving averages; Adam's own come next

    gen_update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS, scope="Generator")
    with tf.control_dependencies(gen_update_ops):
        train_gen = optimizer_gen.minimize(gen_loss, var_list=gen_vars)
    disc_update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS, scope="Discriminator")
    with tf.control_dependencies(disc_update_ops):
        train_disc = optimizer_disc.minimize(disc_loss, var_list=disc_vars)
    return SimpleNamespace(**locals())


def sample_noise(rng, n):
    return rng.uniform(-1, 1, size=(n, noise_dimension))


def train(model, images, num_steps, out_dir, rng):
    """Train on images [N, 28, 28] in [0, 1]; returns the losses of D and G in each step, [num_steps, 2]."""
    losses = []
    saver = tf.train.Saver(var_list=model.gen_saved, save_relative_paths=True)  # only save generator variables
    batches = mnist.batches(images, batch_size, rng)

    with tf.Session() as sess, tqdm(total=num_steps, unit="step", disable=None) as bar:
        sess.run(tf.global_variables_initializer())

        for i in range(1, num_steps + 1):
            batch_x = next(batches).reshape(-1, 28, 28, 1)
            batch_x = batch_x * 2 - 1

            z = sample_noise(rng, batch_size)
            _, dl = sess.run([model.train_disc, model.disc_loss],
                             {model.real_image_input: batch_x, model.noise: z, model.istraining: True})
            z = sample_noise(rng, batch_size)
            _, gl = sess.run([model.train_gen, model.gen_loss], {model.noise: z, model.istraining: True})

            losses.append((dl, gl))
            line = "Step {}: Loss A (generator): {:f}, Loss B (discriminator): {:f}".format(i, gl, dl)
            bar.set_description(line, refresh=False)
            bar.update()
            if i % 500 == 0 or i == 1:
                with bar.external_write_mode():  # above the bar, if there is one
                    print(line, flush=True)
            if i % 500 == 0 or i == num_steps:
                saver.save(sess, os.path.join(out_dir, "checkpoints", "generator.ckpt"))
                mnist.write_losses(losses, out_dir)
    return losses


def generate(out_dir, z):
    """Generate digits [N, 28, 28] in [-1, 1] from noise z [N, 100] with the generator saved in out_dir."""
    with tf.Graph().as_default(), tf.Session() as sess:
        noise, _, istraining = model_inputs()
        gen_sample = generator(noise, istraining)
        saver = tf.train.Saver(var_list=tf.global_variables("Generator"))
        saver.restore(sess, tf.train.latest_checkpoint(os.path.join(out_dir, "checkpoints")))
        return sess.run(gen_sample, {noise: z, istraining: False}).reshape(-1, 28, 28)


def save_samples(images, path, number=6):
    """Draw images [36, 28, 28] in [-1, 1] on a canvas of 6 x 6, colours inverted: dark ink on white."""
    canvas = np.empty((28 * number, 28 * number))
    g = (images + 1) / 2
    g = -1 * (g - 1)
    for a in range(number):
        for j in range(number):
            canvas[a * 28:(a + 1) * 28, j * 28:(j + 1) * 28] = g[a * number + j]
    fig = Figure(figsize=(number, number))
    fig.subplots().imshow(canvas, origin="upper", cmap="gray")
    mnist.save_figure(fig, path)


def main():
    args = mnist.flags(__doc__, "steps", 10000)
    images, _ = mnist.load(args.data)
    mnist.start(args.out_dir)
    rng = np.random.RandomState(args.seed)
    with tf.Graph().as_default():
        tf.set_random_seed(args.seed)
        losses = train(build_model(), images, args.steps, args.out_dir, rng)
    mnist.save_losses(losses, args.out_dir, "step")
    save_samples(generate(args.out_dir, sample_noise(rng, 36)), os.path.join(args.out_dir, "samples.png"))


if __name__ == "__main__":
    mnist.run(main)
