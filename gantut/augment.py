"""Pictures changed by chance, so that gradients pass: differentiable augmentation (Zhao et al. 2020, arXiv 2006.10738).

Colour, translation and cutout with the paper's numbers, from random numbers that are fed.
"""
import tensorflow.compat.v1 as tf

NUMBERS = 7  # of each picture: brightness, saturation, contrast; shift down, right; the hole's place down, right


def augment(images, numbers):
    """Change images [N, size, size, channels] in [-1, 1] by numbers [N, 7] in [-1, 1], each evenly distributed."""
    numbers = tf.reshape((numbers + 1) / 2, [-1, NUMBERS, 1, 1, 1])
    images = colour(images, *tf.unstack(numbers[:, :3], axis=1))
    size = images.shape[1]
    shift = tf.floor(numbers[:, 3:5, 0, 0, 0] * (size // 8 * 2 + 1)) - size // 8  # [N, 2], to an eighth of the size
    place = tf.floor(numbers[:, 5:7, 0, 0, 0] * (size + 1))  # [N, 2], of the hole's centre
    return cutout(translate(images, shift), place)


def colour(images, brightness, saturation, contrast):
    """Add up to half; take colours and contrast times up to 2, and 0.5 to 1.5. Numbers [N, 1, 1, 1] in [0, 1]."""
    images += brightness - 0.5
    gray = tf.reduce_mean(images, 3, keepdims=True)
    images = gray + (images - gray) * saturation * 2
    mean = tf.reduce_mean(images, [1, 2, 3], keepdims=True)
    return mean + (images - mean) * (contrast + 0.5)


def translate(images, shift):
    """Move each picture down and right by shift [N, 2] pixels; what comes in is 0, medium gray."""
    for axis in (1, 2):
        size = images.shape[axis]
        place = tf.cast(tf.range(size)[tf.newaxis] - tf.cast(shift[:, axis - 1:axis], tf.int32) + 1, tf.int32)
        padded = tf.pad(images, [[0, 0], *([1, 1] if i == axis else [0, 0] for i in (1, 2)), [0, 0]])
        images = tf.gather(padded, tf.clip_by_value(place, 0, size + 1), axis=axis, batch_dims=1)
    return images


def cutout(images, place):
    """Make a square of half the size medium gray, its centre at place [N, 2], as much of it as lies in the picture."""
    size = images.shape[1]
    inside = [abs(tf.range(size, dtype=tf.float32)[tf.newaxis] + 0.5 - place[:, i:i + 1]) < size / 4 for i in (0, 1)]
    hole = inside[0][:, :, tf.newaxis, tf.newaxis] & inside[1][:, tf.newaxis, :, tf.newaxis]
    return tf.where(tf.broadcast_to(hole, tf.shape(images)), tf.zeros_like(images), images)
