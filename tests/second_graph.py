"""A step of training by the text's schedule and TensorFlow's own optimizers, of the model in the files of a folder.

Run by test_as_written.py in that folder: python second_graph.py ARRAYS OUT. ARRAYS: an .npz with z and the paths of the
pictures of the step. Writes the value of every variable after it to OUT.
"""
import sys

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import numpy as np
import tensorflow.compat.v1 as tf


def step_of(folder):
    """The value of every variable after the only step of a training in a folder."""
    reader = tf.train.load_checkpoint(str(folder / "checkpoint"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def main(arrays, out, updates_of_g="2", beta1="0.5"):
    from gantut_gan import DCGAN
    from gantut_imgfuncs import get_image
    batch = np.load(arrays)
    images = np.array([get_image(str(path), 16, is_crop=False) for path in batch["paths"]])
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(1)
        gan = DCGAN(sess, image_size=16, gf_dim=4, df_dim=4, z_dim=8, batch_size=8)
        d_optim, g_optim = (tf.train.AdamOptimizer(0.0002, beta1=float(beta1)).minimize(loss, var_list=variables)
                            for loss, variables in ((gan.d_loss, gan.d_vars), (gan.g_loss, gan.g_vars)))
        sess.run(tf.global_variables_initializer())
        sess.run(d_optim, {gan.images: images, gan.z: batch["z"], gan.is_training: True})
        for _ in range(int(updates_of_g)):
            sess.run(g_optim, {gan.z: batch["z"], gan.is_training: True})
        np.savez(out, **sess.run({var.op.name: var for var in tf.global_variables()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
