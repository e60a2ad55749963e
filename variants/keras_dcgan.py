#!/usr/bin/env python3
"""A DCGAN on handwritten digits with Keras and GradientTape: "GAN and DCGAN in Tensorflow", its second half.

    python variants/keras_dcgan.py                      # 20,000 steps
    python variants/keras_dcgan.py --steps 3000 --data mnist.npz

Compared with keras_gan.py: convolutions, and batch norm, whose moving averages Keras updates when training=True, with
no UPDATE_OPS to wait for (see mnist_dcgan.py). The run writes to --out_dir: generator.keras, train_losses.pkl,
losses.png, samples.png (16 digits) and, every 1,000 steps, iteration-NNNNN.png. It does not resume: a new run starts
from the beginning, and moves what is there to earlier-1/.

Fixed: the text's discriminator ends in a sigmoid, but its loss has from_logits=True. Keras 3 warns of that and takes
the logits before the sigmoid; here D ends in logits. LeakyReLU's alpha is negative_slope in Keras 3, and input_shape
an Input. The batches come from tf.data, in a new order in each pass, where the text draws images with
np.random.randint. Two lists that the text never fills, or never reads, are removed; losses, which it leaves empty, is
filled.
"""
import os

import mnist
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from tensorflow import keras
from tensorflow.keras.layers import (
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Input,
    LeakyReLU,
    Reshape,
)
from tensorflow.keras.losses import BinaryCrossentropy
from tensorflow.keras.models import Sequential
from tensorflow.keras.optimizers import Adam
from tqdm import tqdm

keras.config.set_floatx("float32")  # the text assumes these three; ~/.keras/keras.json may differ
keras.config.set_image_data_format("channels_last")
keras.config.set_epsilon(1e-7)

img_rows = 28
img_cols = 28
channels = 1

img_shape = (img_rows, img_cols, channels)

z_dim = 100
learning_rate = 1e-4
batch_size = 128
sample_interval = 1000

cross_entropy = BinaryCrossentropy(from_logits=True)  # of logits: the discriminator ends without a sigmoid


def build_generator():
    """The generator: noise [N, 100] to images [N, 28, 28, 1] in (-1, 1)."""
    model = Sequential()
    model.add(Input(shape=(z_dim,)))
    model.add(Dense(7 * 7 * 256, use_bias=False))  # [N, 12544]
    model.add(BatchNormalization())
    model.add(LeakyReLU())

    model.add(Reshape((7, 7, 256)))
    assert model.output_shape == (None, 7, 7, 256)  # Note: None is the batch size

    model.add(Conv2DTranspose(128, (5, 5), strides=(1, 1), padding="same", use_bias=False))
    assert model.output_shape == (None, 7, 7, 128)
    model.add(BatchNormalization())
    model.add(LeakyReLU())

    model.add(Conv2DTranspose(64, (5, 5), strides=(2, 2), padding="same", use_bias=False))
    assert model.output_shape == (None, 14, 14, 64)
    model.add(BatchNormalization())
    model.add(LeakyReLU())

    model.add(Conv2DTranspose(1, (5, 5), strides=(2, 2), padding="same", use_bias=False,
                              activation="tanh"))
    assert model.output_shape == (None, 28, 28, 1)

    return model


def build_discriminator():
    """The discriminator: images [N, 28, 28, 1] to the logit of each being real, [N, 1]."""
    model = Sequential()
    model.add(Input(shape=img_shape))
    model.add(Conv2D(32, kernel_size=3, strides=2, padding="same"))  # [N, 14, 14, 32]
    model.add(LeakyReLU(negative_slope=0.01))
    model.add(Conv2D(64, kernel_size=3, strides=2, padding="same"))  # [N, 7, 7, 64]
    model.add(BatchNormalization())
    model.add(LeakyReLU(negative_slope=0.01))
    model.add(Conv2D(128, kernel_size=3, strides=2, padding="same"))  # [N, 4, 4, 128]
    model.add(BatchNormalization())
    model.add(LeakyReLU(negative_slope=0.01))
    model.add(Flatten())  # [N, 2048]
    model.add(Dense(1))  # [N, 1]
    return model


def get_dataset_gen(images, batch_size=batch_size):
    """Batches of images [N, 28, 28] in [0, 1] as [batch_size, 28, 28, 1] in [-1, 1], without end."""
    x_train = images * 2 - 1  # the text's x_train / 127.5 - 1, of bytes
    x_train = np.expand_dims(x_train, axis=-1)
    return tf.data.Dataset.from_tensor_slices(x_train).shuffle(len(x_train)).repeat().batch(batch_size)


def loss_func(decisions_for_real, decisions_for_gen):
    """The losses of D and of G, from D's outputs for real and for generated images, both [N, 1]."""
    disc_real_loss = cross_entropy(tf.ones_like(decisions_for_real), decisions_for_real)
    disc_fake_loss = cross_entropy(tf.zeros_like(decisions_for_gen), decisions_for_gen)
    disc_loss = 0.5 * (disc_fake_loss + disc_real_loss)
    gen_loss = cross_entropy(tf.ones_like(decisions_for_gen), decisions_for_gen)
    return disc_loss, gen_loss


def build_step(generator, discriminator, gen_opt, disc_opt):
    """Make the function that updates both networks once: imgs [N, 28, 28, 1] in [-1, 1] -> the losses of D and G."""
    gen_opt.build(generator.trainable_variables)
    disc_opt.build(discriminator.trainable_variables)

    @tf.function
    def step(imgs):
        z = tf.random.normal((batch_size, z_dim), 0, 1)

        with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
            gen_imgs = generator(z, training=True)
            decisions_for_gen = discriminator(gen_imgs, training=True)
            decisions_for_real = discriminator(imgs, training=True)
            disc_loss, gen_loss = loss_func(decisions_for_real, decisions_for_gen)

        grad_of_gen = gen_tape.gradient(gen_loss, generator.trainable_variables)
        grad_of_disc = disc_tape.gradient(disc_loss, discriminator.trainable_variables)

        gen_opt.apply_gradients(zip(grad_of_gen, generator.trainable_variables))
        disc_opt.apply_gradients(zip(grad_of_disc, discriminator.trainable_variables))
        return disc_loss, gen_loss

    return step


def sample_noise(rng, n):
    return rng.normal(0, 1, size=(n, z_dim))


def train(images, iterations, out_dir, rng):
    """Train on images [N, 28, 28] in [0, 1]; returns the losses of D and G in each step, [iterations, 2]."""
    losses = []
    generator, discriminator = build_generator(), build_discriminator()
    gen_opt = Adam(learning_rate)
    disc_opt = Adam(learning_rate)
    step = build_step(generator, discriminator, gen_opt, disc_opt)
    dataset_gen = get_dataset_gen(images)

    with tqdm(total=iterations, unit="step", disable=None) as bar:
        for i, imgs in enumerate(dataset_gen.take(iterations)):
            losses.append([float(loss) for loss in step(imgs)])
            line = "{:d} [D loss: {:f}] [G loss: {:f}]".format(i + 1, *losses[-1])
            bar.set_description(line, refresh=False)
            bar.update()
            if (i + 1) % sample_interval == 0 or i + 1 == iterations:
                with bar.external_write_mode():  # above the bar, if there is one
                    print(line, flush=True)
                samples = generator(sample_noise(rng, 16), training=False).numpy()[..., 0]
                save_samples(samples, os.path.join(out_dir, f"iteration-{i + 1:05d}.png"))
                mnist.save_model(generator, out_dir)
                mnist.write_losses(losses, out_dir)
    return losses


def generate(out_dir, noise):
    """Generate digits [N, 28, 28] in [-1, 1] from noise [N, 100] with the generator saved in out_dir."""
    generator = keras.models.load_model(os.path.join(out_dir, "generator.keras"))
    return generator(noise, training=False).numpy()[..., 0]


def save_samples(images, path):
    """Draw 16 images [16, 28, 28] in [-1, 1] as a 4 x 4 figure."""
    gen_imgs = 0.5 * images + 0.5
    fig = Figure(figsize=(4, 4))
    axs = fig.subplots(nrows=4, ncols=4, sharey=True, sharex=True)
    for ax, img in zip(axs.flatten(), gen_imgs):
        ax.axis("off")
        ax.imshow(img, cmap="gray")
    mnist.save_figure(fig, path)


def main():
    args = mnist.flags(__doc__, "steps", 20000)
    images, _ = mnist.load(args.data)
    mnist.start(args.out_dir)
    rng = np.random.RandomState(args.seed)
    keras.utils.set_random_seed(args.seed)
    losses = train(images, args.steps, args.out_dir, rng)
    mnist.save_losses(losses, args.out_dir, "step")
    save_samples(generate(args.out_dir, sample_noise(rng, 16)), os.path.join(args.out_dir, "samples.png"))


if __name__ == "__main__":
    mnist.run(main)
