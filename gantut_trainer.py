#!/usr/bin/env python3
"""Train the GAN: Part 5 of the tutorial.

  python gantut_trainer.py --dataset aligned --epoch 20
  tensorboard --logdir logs

The run leaves its checkpoint, sample pictures and TensorBoard logs in three folders; the same command, given again,
goes on from the checkpoint. --epoch is the total.
"""
import os

import gantut_console  # before TensorFlow, which it keeps quiet
import numpy as np
import tensorflow.compat.v1 as tf

from gantut_batches import find_dataset
from gantut_cluster import join
from gantut_run import writing
from gantut_workers import find_workers

# ARG1 = name of the flag, ARG2 = default value, ARG3 = description
flags = tf.app.flags
flags.DEFINE_integer("epoch", 20, "Number of epochs to train, in all [20]", lower_bound=1)
flags.DEFINE_float("learning_rate", 0.0002, "Learning rate for adam optimiser [0.0002]")
flags.DEFINE_float("beta1", 0.5, "Momentum term for adam optimiser [0.5]")
flags.DEFINE_float("train_size", np.inf, "How many of the pictures to train on [np.inf]")
flags.DEFINE_integer("batch_size", 64, "The batch-size (number of images to train at once) [64]", lower_bound=1)
flags.DEFINE_integer("image_size", 64, "The size of the images [n x n], a power of two from 8 [64]")
flags.DEFINE_string("dataset", "lfw-aligned-64", "Dataset directory, or the name of one under data/.")
flags.DEFINE_string("checkpoint_dir", "checkpoint", "Directory name to save the checkpoints [checkpoint]")
flags.DEFINE_string("sample_dir", "samples", "Directory name to save the image samples [samples]")

# what the tutorial hard-codes
flags.DEFINE_string("logs_dir", "logs", "Directory name to save the logs for TensorBoard [logs]")
flags.DEFINE_boolean("is_crop", False, "Take the centre of every picture and scale it to image_size [False]")
flags.DEFINE_integer("crop_size", 0, "With is_crop: width of the centre in pixels; 0 = the largest square [0]",
                     lower_bound=0)
flags.DEFINE_integer("c_dim", 3, "Colour channels: 3 = RGB, 1 = gray [3]")
flags.DEFINE_integer("z_dim", 100, "Length of the noise vector z [100]", lower_bound=1)
flags.DEFINE_integer("gf_dim", 64, "Filters of the generator's last hidden layer at 64 x 64 [64]", lower_bound=1)
flags.DEFINE_integer("df_dim", 64, "Filters of the discriminator's first layer [64]", lower_bound=1)
flags.DEFINE_integer("sample_every", 100, "Steps between sample grids [100]", lower_bound=1)
flags.DEFINE_integer("save_every", 500, "Steps between checkpoints; there is always one at the end [500]",
                     lower_bound=1)
flags.DEFINE_integer("max_to_keep", 1, "How many of the newest checkpoints to keep [1]", lower_bound=1)
flags.DEFINE_boolean("skip_bad_images", False, "Go on without pictures that cannot be read [False]")
flags.DEFINE_integer("summary_every", 1, "Steps between TensorBoard summaries [1]", lower_bound=1)
flags.DEFINE_integer("seed", 1, "Seed of weights, noise and order: the same seed, the same run [1]",
                     lower_bound=0, upper_bound=2**32 - 1)
flags.DEFINE_integer("threads", 0, "CPU threads for each operation; 0 = all cores [0]", lower_bound=0)
flags.DEFINE_integer("cache_mb", 1024, "Memory for decoded pictures, in MiB; 0 = decode them anew [1024]",
                     lower_bound=0)

# several devices, several machines: docs/cluster.md
flags.DEFINE_integer("num_gpus", 1, "GPUs of this machine, each for a batch of its own [1]", lower_bound=1)
flags.DEFINE_integer("num_devices", 1, "The same with the CPU divided into so many devices, to try it [1]",
                     lower_bound=1)
flags.DEFINE_list("worker_hosts", [], "Addresses of all workers, host:port,host:port,..., the same for each")
flags.DEFINE_integer("task_index", 0, "Which of them this one is, from 0 [0]", lower_bound=0)
flags.DEFINE_string("kubernetes_label", "", "Find the workers by the label of their pods, name=value")
flags.DEFINE_integer("num_workers", 2, "With kubernetes_label: how many pods there will be [2]", lower_bound=1)
flags.DEFINE_float("start_timeout", 300, "Seconds to wait until all workers are there [300]", lower_bound=0)
flags.DEFINE_integer("worker_timeout", 600, "Seconds that a worker may be behind the others [600]", lower_bound=1)
flags.DEFINE_boolean("scale_learning_rate", False, "Multiply the learning rate by the number of batches [False]")
FLAGS = flags.FLAGS

flags.register_validator("image_size", lambda n: n >= 8 and n & (n - 1) == 0, "must be a power of two, 8 or more")
flags.register_validator("c_dim", lambda n: n in (1, 3), "must be 1 (gray) or 3 (RGB)")
flags.register_validator("train_size", lambda n: n >= 1, "must be 1 or more")
flags.register_validator("learning_rate", lambda x: 0 < x < np.inf, "must be a number greater than 0")
flags.register_validator("beta1", lambda x: 0 <= x < 1, "must lie in [0, 1)")
flags.register_validator("dataset", bool, "must name a folder")
flags.register_multi_flags_validator(["is_crop", "crop_size"], lambda f: f["is_crop"] or not f["crop_size"],
                                     "--crop_size has no effect without --is_crop")
flags.register_multi_flags_validator(["num_gpus", "num_devices"], lambda f: min(f.values()) == 1,
                                     "--num_gpus and --num_devices exclude each other")


def main():
    FLAGS.dataset = find_dataset(FLAGS.dataset)
    hosts, index = find_workers(FLAGS)

    # create some folders for the data
    with writing("folders"):
        if index == 0 and not os.path.exists(FLAGS.checkpoint_dir):
            os.makedirs(FLAGS.checkpoint_dir)
        if index == 0 and not os.path.exists(FLAGS.sample_dir):
            os.makedirs(FLAGS.sample_dir)

    config = tf.ConfigProto(intra_op_parallelism_threads=FLAGS.threads)
    tf.set_random_seed(FLAGS.seed)

    target, DCGAN = join(hosts, index, FLAGS, config)  # alone: no target, and the class of Part 4

    with tf.Session(target, config=config) as sess:
        dcgan = DCGAN(sess, image_size=FLAGS.image_size, batch_size=FLAGS.batch_size, is_crop=FLAGS.is_crop,
                      z_dim=FLAGS.z_dim, gf_dim=FLAGS.gf_dim, df_dim=FLAGS.df_dim, c_dim=FLAGS.c_dim,
                      checkpoint_dir=FLAGS.checkpoint_dir)

        if FLAGS.scale_learning_rate:
            FLAGS.learning_rate *= dcgan.replicas
        dcgan.train(FLAGS)


if __name__ == "__main__":
    gantut_console.run(main)
