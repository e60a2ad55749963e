#!/usr/bin/env python3
"""Train the GAN: Part 5 of the tutorial.

  python gantut_trainer.py --dataset aligned --epoch 20
  tensorboard --logdir logs

The run writes its checkpoint, sample pictures and TensorBoard logs to three folders; the same command, run again,
continues from the checkpoint. --epoch is the total.
"""
import os

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import numpy as np
import tensorflow.compat.v1 as tf

from gantut.datasets import find_dataset
from gantut.devices import find_devices
from gantut.errors import check_outside, writing
from gantut.flags import RULES, define, forget, run, settings
from gantut.recipe import choose, with_parts
from gantut.session import session_config, set_precision
from gantut.worker_discovery import find_workers
from gantut.workers import join
from gantut_gan import DCGAN

# ARG1 = name of the flag, ARG2 = default value, ARG3 = description
flags = tf.app.flags
forget()  # those of an earlier run in the same notebook
flags.DEFINE_integer("epoch", 20, "Number of epochs to train, in all [20]")
flags.DEFINE_float("learning_rate", 0.0002, "Learning rate for adam optimiser [0.0002]")
flags.DEFINE_float("beta1", 0.5, "Momentum term for adam optimiser [0.5]")
flags.DEFINE_float("train_size", np.inf, "How many of the pictures to train on [np.inf]")
flags.DEFINE_integer("batch_size", 64, "The batch-size (number of images to train at once) [64]", lower_bound=1)
flags.DEFINE_integer("image_size", 64, "The size of the images [n x n], a power of two from 8 [64]")
flags.DEFINE_string("dataset", "lfw-aligned-64", "Dataset directory, or the name of one under data/.")
flags.DEFINE_string("checkpoint_dir", "checkpoint", "Directory name to save the checkpoints [checkpoint]")
flags.DEFINE_string("sample_dir", "samples", "Directory name to save the image samples [samples]")
define(model=DCGAN)  # all other flags (gantut/flags.py), with the defaults of the class
FLAGS = flags.FLAGS

flags.register_validator("image_size", lambda n: n >= 8 and n & (n - 1) == 0, "must be a power of two, 8 or more")
for name, allowed, words in RULES:  # as for train() from Python
    flags.register_validator(name, allowed, words)
flags.register_multi_flags_validator(["num_gpus", "num_devices"], lambda f: min(f.values()) == 1,
                                     "--num_gpus and --num_devices exclude each other")


def main():
    FLAGS.dataset = find_dataset(FLAGS.dataset)
    check_outside(FLAGS.sample_dir, FLAGS.dataset, "sample_dir")
    choose(FLAGS)
    workers = find_workers(FLAGS)  # none, unless flags or environment name them
    # get all of the options for TensorFlow runtime
    config = session_config(FLAGS.threads)
    devices = find_devices(FLAGS, config)  # none, unless flags ask for several
    Model = with_parts(DCGAN, FLAGS, devices, workers)  # DCGAN itself, unless flags ask for more

    # create some folders for the data
    with writing("folders"):
        if not workers or workers[1] == 0:
            if not os.path.exists(FLAGS.checkpoint_dir):
                os.makedirs(FLAGS.checkpoint_dir)
            if not os.path.exists(FLAGS.sample_dir):
                os.makedirs(FLAGS.sample_dir)

    precision = "auto" if FLAGS.fast and not FLAGS["precision"].present else FLAGS.precision
    FLAGS.precision = set_precision(config, precision)
    tf.set_random_seed(FLAGS.seed)
    processes = join(workers, FLAGS, config)
    replicas = max(1, len(devices))

    with processes.session(config) as sess:
        dcgan = Model(sess, image_size=FLAGS.image_size, batch_size=FLAGS.batch_size * replicas, is_crop=FLAGS.is_crop,
                      z_dim=FLAGS.z_dim, gf_dim=FLAGS.gf_dim, df_dim=FLAGS.df_dim, c_dim=FLAGS.c_dim,
                      checkpoint_dir=FLAGS.checkpoint_dir)

        if FLAGS.scale_learning_rate:
            FLAGS.learning_rate *= processes.count * replicas
            FLAGS.d_learning_rate *= processes.count * replicas
        dcgan.train(settings(FLAGS, dcgan, processes=processes, devices=replicas))


def command():
    """What gantut-train calls."""
    run(main)


if __name__ == "__main__":
    command()
