"""Checkpoints: which is the newest, what is in it, and a saver that looks at one before it restores it."""
import os
import re
import shutil

import tensorflow.compat.v1 as tf

from gantut.errors import UserError, one_line


def newest_checkpoint(checkpoint_dir):
    """The path of the newest checkpoint in a folder, wherever the folder was when it was written; None without one."""
    ckpt = checkpoint_dir and tf.train.get_checkpoint_state(checkpoint_dir)
    if not (ckpt and ckpt.model_checkpoint_path):
        return None
    return os.path.join(checkpoint_dir, os.path.basename(ckpt.model_checkpoint_path))


def step_of(path):
    """The step in a checkpoint's name, DCGAN.model-<step>."""
    return int(path.rsplit("-", 1)[-1])


def model_sizes(checkpoint_dir):
    """Read the sizes of the model in the newest checkpoint from its variables' shapes: a dict of DCGAN's arguments.

    Raises UserError if there is no checkpoint, or none of a DCGAN.
    """
    path = newest_checkpoint(checkpoint_dir)
    if not path:
        raise UserError("no checkpoint in {}: train a model first, or give its folder with --checkpoint_dir".format(
            checkpoint_dir))
    try:
        shapes = tf.train.load_checkpoint(path).get_variable_to_shape_map()
        layers = sum(1 for name in shapes if re.fullmatch(r"generator/g_h\d+/w", name))
        return dict(image_size=4 * 2**layers, c_dim=shapes["generator/g_h{}/w".format(layers)][2],
                    z_dim=shapes["generator/g_h0_lin/Matrix"][0],
                    gf_dim=shapes["generator/g_h0_lin/bias"][0] // (8 * 4 * 4),
                    df_dim=shapes["discriminator/d_h00_conv/biases"][0])
    except (tf.errors.OpError, KeyError, ValueError) as error:
        raise UserError("the checkpoint {} is none of a DCGAN, or cannot be read ({})".format(
            path, one_line(error))) from None


class Saver(tf.train.Saver):
    """Part 4's tf.train.Saver of all variables that there are now; before it restores a checkpoint it looks at it.

    max_to_keep: how many of the newest checkpoints stay. model: those variables that a checkpoint must hold, all if
    not given; the others, Adam's, may be absent, as they are from the checkpoints of 2017.
    """

    def __init__(self, max_to_keep=1, model=None):
        self.variables = tf.global_variables()
        self.model = model or self.variables
        super().__init__(self.variables, max_to_keep=max_to_keep, save_relative_paths=True)

    def compare(self, path):
        """Compare a checkpoint with the variables.

        Returns (those of the optimizers that it does not hold; which one of the model it does not hold, or holds
        with another shape, in words, or None). Raises UserError if it cannot be read.
        """
        try:
            shapes = tf.train.load_checkpoint(path).get_variable_to_shape_map()
        except (tf.errors.OpError, ValueError) as error:
            raise UserError("the checkpoint {} cannot be read ({}): use another --checkpoint_dir".format(
                path, one_line(error))) from None
        for var in self.variables:
            shape = shapes.get(var.op.name)
            if shape is None and var in self.model:
                return [], "the checkpoint {} holds no {}".format(path, var.op.name)
            if shape is not None and shape != var.shape.as_list():
                return [], "{} has the shape {} in the checkpoint {}, but {} in this model".format(
                    var.op.name, shape, path, var.shape.as_list())
        return [var for var in self.variables if var.op.name not in shapes], None

    def restore(self, sess, path):
        """Restore what the checkpoint holds; of what it lacks a line says so. Raises UserError if it does not fit."""
        absent, misfit = self.compare(path)
        if misfit:
            raise UserError(misfit + ": use the flags it was trained with (image_size, gf_dim, df_dim, z_dim, c_dim), "
                            "or another --checkpoint_dir")
        if not absent:
            return super().restore(sess, path)
        print(" [*] {} holds no {} (and {} more of the optimizers'): Adam starts anew".format(
            path, absent[0].op.name, len(absent) - 1))
        tf.train.Saver([var for var in self.variables if var not in absent]).restore(sess, path)

    def take_over(self, checkpoint_dir, name):
        """Learn which checkpoints called name there are, and remove what a killed run left behind.

        Left behind are files half written, and checkpoints that the folder's state file does not know (any more).
        """
        state = tf.train.get_checkpoint_state(checkpoint_dir)
        known = [os.path.basename(path) for path in state.all_model_checkpoint_paths] if state else []
        self.recover_last_checkpoints([os.path.join(checkpoint_dir, one) for one in known])
        for one in os.listdir(checkpoint_dir):
            match = re.fullmatch(r"({}-\d+)(\..*|_temp.*)|checkpoint\.tmp.*".format(re.escape(name)), one)
            if match and ("temp" in one or match[1] not in known):
                path = os.path.join(checkpoint_dir, one)
                shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
