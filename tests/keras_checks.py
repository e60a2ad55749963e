"""Run by test_variants.py as a process, as eager execution is off in the tests': python keras_checks.py OUT_DIR

Checks both Keras lessons, and leaves z.npy, digits.npy and the generator's checkpoint in OUT_DIR/LESSON for each.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "variants"))

import keras_dcgan
import keras_gan
import mnist
import numpy as np
from tensorflow.keras.optimizers import Adam


def shapes(model):
    return [layer.output.shape[1:] for layer in model.layers if layer.__class__.__name__ not in ("LeakyReLU",
                                                                                                 "BatchNormalization")]


def check_shapes():
    gen, disc = keras_gan.get_generator(), keras_gan.build_discriminator()
    assert shapes(gen) == [(100,), (128,), (784,), (28, 28, 1)]
    assert shapes(disc) == [(28, 28, 1), (784,), (128,), (1,)]
    gen, disc = keras_dcgan.build_generator(), keras_dcgan.build_discriminator()
    assert shapes(gen) == [(12544,), (7, 7, 256), (7, 7, 128), (14, 14, 64), (28, 28, 1)]
    assert shapes(disc) == [(14, 14, 32), (7, 7, 64), (4, 4, 128), (2048,), (1,)]


def check_losses():
    rng = np.random.RandomState(3)
    real, fake = rng.normal(0, 2, (2, 16, 1)).astype(np.float32)

    def entropy(logits, label):
        p = 1 / (1 + np.exp(-logits))
        return -np.mean(label * np.log(p) + (1 - label) * np.log(1 - p))

    def sigmoid(logits):
        return 1 / (1 + np.exp(-logits))

    expected = [0.5 * entropy(real, 1) + 0.5 * entropy(fake, 0), entropy(fake, 1)]
    np.testing.assert_allclose(keras_gan.loss_func(sigmoid(real), sigmoid(fake)), expected, rtol=1e-5)
    np.testing.assert_allclose(keras_dcgan.loss_func(real, fake), expected, rtol=1e-5)


def values(model):
    """The values of a model's variables by path: first those that are trained, then the moving averages."""
    return tuple({v.path: v.numpy() for v in some if "seed_generator" not in v.path}
                 for some in (model.trainable_variables, model.non_trainable_variables))


def changed(before, after):
    return [not np.array_equal(before[path], after[path]) for path in before]


def check_updates(gen, disc, lesson, learning_rates):
    """A step with one learning rate 0 changes only the other network's weights; both networks' averages move."""
    imgs = np.random.RandomState(4).uniform(-1, 1, (lesson.batch_size, 28, 28, 1)).astype(np.float32)
    before = [values(model) for model in (gen, disc)]
    lesson.build_step(gen, disc, *(Adam(rate) for rate in learning_rates))(imgs)
    after = [values(model) for model in (gen, disc)]
    for rate, (trained, averages), (trained_after, averages_after) in zip(learning_rates, before, after):
        assert set(changed(trained, trained_after)) == {rate > 0}
        assert all(changed(averages, averages_after))


def check_batches(out_dir):
    """A batch has every class, of a file that is sorted by class, with as many digits as MNIST's classes have."""
    labels = np.repeat(np.arange(10), 2000)
    path = os.path.join(out_dir, "sorted.npz")
    np.savez(path, x_train=np.tile(labels[:, np.newaxis] / 10, (1, 784)), y_train=labels)
    images, _ = mnist.load(path)
    for lesson in (keras_gan, keras_dcgan):
        for imgs in lesson.get_dataset_gen(images).take(3):
            assert len(np.unique(np.round(imgs[:, 5, 5, 0], 3))) == 10


def main(out_dir):
    check_batches(out_dir)
    check_shapes()
    check_losses()
    for lesson in (keras_gan, keras_dcgan):
        lesson.batch_size = 8  # faster
        gen = lesson.get_generator() if lesson is keras_gan else lesson.build_generator()
        disc = lesson.build_discriminator()
        check_updates(gen, disc, lesson, (1e-3, 0.0))
        check_updates(gen, disc, lesson, (0.0, 1e-3))

        folder = os.path.join(out_dir, lesson.__name__)
        os.makedirs(folder)
        z = lesson.sample_noise(np.random.RandomState(5), 3)
        gen.save(os.path.join(folder, "generator.keras"))
        np.save(os.path.join(folder, "z.npy"), z)
        np.save(os.path.join(folder, "digits.npy"), gen(z, training=False).numpy()[..., 0])


if __name__ == "__main__":
    main(sys.argv[1])
