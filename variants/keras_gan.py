#!/usr/bin/env python3
"""A dense GAN on handwritten digits with Keras and GradientTape: "GAN and DCGAN in Tensorflow", its first half.

    python variants/keras_gan.py                        # 10 epochs
    python variants/keras_gan.py --data mnist.npz       # on MNIST, as in the text
    python variants/keras_gan.py --epochs 390           # on the digits, with as many steps as in the text on MNIST

Compared with mnist_gan.py: no graph to build and no session; the step is a Python function that two tapes record, both
gradients come from the same forward pass, and tf.function turns it into a graph. The run writes to --out_dir:
generator.keras, train_losses.pkl, losses.png, samples.png (16 digits) and, every 10 batches, epoch-EEE_batch-BBB.png.
It does not resume: a new run starts from the beginning, and moves what is there to earlier-1/.

The text's 10 epochs are 4,690 steps on MNIST's 60,000 images, and 120 on the 1,500 digits: too few to see a digit.

Fixed: LeakyReLU is imported, and its alpha is negative_slope in Keras 3. gen, disc and bcentropy, which the text
uses but never defines, are defined here; bcentropy takes probabilities, as D ends in a sigmoid. There are two tapes, as
the text says, where its code has one that is persistent. The data are loaded once and are float32. Each figure is a new
one, with 16 generated digits, not 128. The session for the GPU is removed (Keras 3 has none).
"""
import os

import mnist
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from tensorflow import keras
from tensorflow.keras.layers import Dense, Flatten, Input, LeakyReLU, Reshape
from tensorflow.keras.losses import BinaryCrossentropy
from tensorflow.keras.models import Model
from tensorflow.keras.optimizers import Adam
from tqdm import tqdm

keras.config.set_floatx("float32")  # the text assumes these three; ~/.keras/keras.json may differ
keras.config.set_image_data_format("channels_last")
keras.config.set_epsilon(1e-7)

z_dim = 100
img_shape = (28, 28, 1)
learning_rate = 0.0002
batch_size = 128

bcentropy = BinaryCrossentropy()  # of probabilities: the discriminator ends in a sigmoid


def get_generator(img_shape=img_shape, z_dim=z_dim):
    """The generator: noise [N, 100] to images [N, 28, 28, 1] in (-1, 1)."""
    input = Input(shape=(z_dim,))
    x = Dense(128)(input)  # [N, 128]
    x = LeakyReLU(negative_slope=0.01)(x)
    x = Dense(28 * 28, activation="tanh")(x)  # [N, 784]
    x = Reshape(img_shape)(x)  # [N, 28, 28, 1]
    model = Model(input, x)
    return model


def build_discriminator(img_shape=img_shape):
    """The discriminator: images [N, 28, 28, 1] to the probability that each is real, [N, 1]."""
    input = Input(shape=img_shape)
    x = Flatten()(input)  # [N, 784]
    x = Dense(128)(x)  # [N, 128]
    x = LeakyReLU(negative_slope=0.01)(x)
    x = Dense(1, activation="sigmoid")(x)  # [N, 1]
    model = Model(input, x)
    return model


def get_dataset_gen(images, batch_size=batch_size):
    """Batches of images [N, 28, 28] in [0, 1] as [batch_size, 28, 28, 1] in [-1, 1]; each pass is in a new order.

    For images in files the text gives a hint: from_tensor_slices() takes their paths, and .map() reads them (see
    docs/variants.md).
    """
    x_train = images * 2 - 1  # the text's x_train / 127.5 - 1, of bytes
    x_train = np.expand_dims(x_train, axis=-1)
    return tf.data.Dataset.from_tensor_slices(x_train).shuffle(1000).batch(batch_size)


def loss_func(critic_on_reals, critic_on_fakeds):
    """The losses of D and of G, from D's outputs for real and for generated images, both [N, 1]."""
    disc_loss_on_real_imgs = bcentropy(tf.ones_like(critic_on_reals), critic_on_reals)
    disc_loss_on_faked_imgs = bcentropy(tf.zeros_like(critic_on_fakeds), critic_on_fakeds)
    disc_loss = 0.5 * disc_loss_on_real_imgs + 0.5 * disc_loss_on_faked_imgs
    gen_loss = bcentropy(tf.ones_like(critic_on_fakeds), critic_on_fakeds)
    return disc_loss, gen_loss


def build_step(gen, disc, gen_opt, disc_opt):
    """Make the function that updates both networks once: imgs [N, 28, 28, 1] in [-1, 1] -> the losses of D and G."""
    gen_opt.build(gen.trainable_variables)
    disc_opt.build(disc.trainable_variables)

    @tf.function(reduce_retracing=True)  # the last batch of an epoch is smaller
    def step(imgs):
        noise = tf.random.normal((batch_size, z_dim), mean=0.0, stddev=1.0)

        with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
            faked_imgs = gen(noise, training=True)
            critic_on_reals = disc(imgs, training=True)
            critic_on_fakeds = disc(faked_imgs, training=True)
            disc_loss, gen_loss = loss_func(critic_on_reals, critic_on_fakeds)

        grad_disc = disc_tape.gradient(disc_loss, disc.trainable_variables)
        grad_gen = gen_tape.gradient(gen_loss, gen.trainable_variables)

        gen_opt.apply_gradients(zip(grad_gen, gen.trainable_variables))
        disc_opt.apply_gradients(zip(grad_disc, disc.trainable_variables))
        return disc_loss, gen_loss

    return step


def sample_noise(rng, n):
    return rng.normal(0, 1, size=(n, z_dim))


def train(images, epochs, out_dir, rng):
    """Train on images [N, 28, 28] in [0, 1]; returns the losses of D and G in each step, [steps, 2]."""
    losses = []
    gen, disc = get_generator(), build_discriminator()
    gen_opt = Adam(learning_rate=learning_rate, beta_1=0.5, beta_2=0.999)
    disc_opt = Adam(learning_rate=learning_rate, beta_1=0.5, beta_2=0.999)
    step = build_step(gen, disc, gen_opt, disc_opt)
    dataset_gen = get_dataset_gen(images)

    with tqdm(total=epochs * len(dataset_gen), unit="step", disable=None) as bar:
        for epoch in range(epochs):
            for batch_num, imgs in enumerate(dataset_gen):
                losses.append([float(loss) for loss in step(imgs)])
                line = "epoch{}, processing batch {}, D loss: {:f}, G loss: {:f}".format(epoch, batch_num, *losses[-1])
                bar.set_description(line, refresh=False)
                bar.update()
                if bar.disable:
                    print(line, flush=True)
                if batch_num % 10 == 0:
                    samples = gen(sample_noise(rng, 16), training=False).numpy()[..., 0]
                    save_samples(samples, os.path.join(out_dir, f"epoch-{epoch:03d}_batch-{batch_num:03d}.png"))
            mnist.save_model(gen, out_dir)
            mnist.write_losses(losses, out_dir)
    return losses


def generate(out_dir, noise):
    """Generate digits [N, 28, 28] in [-1, 1] from noise [N, 100] with the generator saved in out_dir."""
    gen = keras.models.load_model(os.path.join(out_dir, "generator.keras"))
    return gen(noise, training=False).numpy()[..., 0]


def save_samples(images, path):
    """Draw 16 images [16, 28, 28] as a 4 x 4 figure."""
    fig = Figure(figsize=(4, 4))
    axes = fig.subplots(nrows=4, ncols=4)
    for ax, img in zip(axes.flatten(), images):
        ax.axis("off")
        ax.imshow(img, cmap="gray")
    mnist.save_figure(fig, path, dpi=80, bbox_inches="tight")


def main():
    args = mnist.flags(__doc__, "epochs", 10)
    images, _ = mnist.load(args.data)
    mnist.start(args.out_dir)
    rng = np.random.RandomState(args.seed)
    keras.utils.set_random_seed(args.seed)
    losses = train(images, args.epochs, args.out_dir, rng)
    mnist.save_losses(losses, args.out_dir, "step")
    save_samples(generate(args.out_dir, sample_noise(rng, 16)), os.path.join(args.out_dir, "samples.png"))


if __name__ == "__main__":
    mnist.run(main)
