"""Draws images with a trained generator: batch norm in evaluation mode, any number of images, in batches."""
import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from gantut.checkpoints import model_sizes
from gantut.paths import find_model
from gantut.seeding import sample_z
from gantut.weights import restore_to_draw

BATCH = 64  # images drawn at once


def load_model(DCGAN, sess, checkpoint_dir, weights="auto", **more):
    """The model of the newest checkpoint in a folder; its G has the weights to draw with.

    DCGAN: the class. weights: average, latest, or auto, the average if there is one. more: arguments of DCGAN besides
    the sizes, which are the checkpoint's. Raises UserError if there is no checkpoint, or none that fits.
    """
    checkpoint_dir = find_model(checkpoint_dir)
    dcgan = DCGAN(sess, **model_sizes(checkpoint_dir), **more)
    dcgan.load(checkpoint_dir)
    restore_to_draw(dcgan, checkpoint_dir, weights)
    return dcgan


class Sampler:
    """The generator of a model, and its noise: sample i of a seed is always the same picture, alone or in a batch."""

    def __init__(self, dcgan, seed):
        self.dcgan, self.seed = dcgan, seed

    def noise(self, numbers):
        """The z of samples by number: [len(numbers), z_dim] in [-1, 1]; each depends only on (seed, number)."""
        return sample_z(self.seed, numbers, self.dcgan.z_dim)

    def draw(self, z, show=True):
        """Draw z [N, z_dim]: yields the images in batches, float32 [up to 64, size, size, c_dim] in [-1, 1].

        show: whether to show the progress on a terminal.
        """
        dcgan, disable = self.dcgan, None if show and len(z) > BATCH else True
        for i in tqdm(range(0, len(z), BATCH), "drawing", disable=disable, leave=False):
            yield dcgan.sess.run(dcgan.G, {dcgan.z: z[i:i + BATCH], dcgan.is_training: False})

    def draw_all(self, z, show=True):
        """Draw z [N, z_dim]: images [N, size, size, c_dim] in [-1, 1]."""
        return np.concatenate(list(self.draw(z, show)))

    def sizes(self):
        """The model's sizes, arguments of DCGAN."""
        return {name: getattr(self.dcgan, name) for name in ("image_size", "c_dim", "z_dim", "gf_dim", "df_dim")}

    def numbers(self):
        """The values of the model's variables: arrays by name."""
        variables = self.dcgan.sess.graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)
        return dict(zip([var.op.name for var in variables], self.dcgan.sess.run(variables)))
