#!/usr/bin/env python3
"""How good are the pictures of a checkpoint, or those in a folder? Beyond the tutorial.

  python gantut_judge.py --dataset aligned
  python gantut_judge.py --dataset aligned --pictures images

Each score is shown beside its floor, real pictures against other real ones, and its ceiling, noise: docs/quality.md
says what they mean. --inception adds the scores of the literature, computed with Keras' weights.
"""
import csv
import os

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import numpy as np
import tensorflow.compat.v1 as tf

import gantut_imgfuncs
from gantut.checkpoints import model_sizes
from gantut.datasets import check_number, find_dataset
from gantut.errors import UserError, check_outside, check_writable, is_table, say, whole, writing
from gantut.flags import define, forget, run
from gantut.image_loader import Loader
from gantut.images import pixels, read, reason
from gantut.inception import check_weights, features_of
from gantut.metrics import MOST, Judge, frechet, kid, precision_recall
from gantut.paths import find_model
from gantut.sampler import Sampler, load_model
from gantut.seeding import random_state
from gantut.session import session_config
from gantut_gan import DCGAN, dataset_files

flags = tf.app.flags
FLAGS = flags.FLAGS

BATCH = 1000  # pictures that are in memory as float32 at once
HEADER = ["score", "samples", "floor", "ceiling"]  # of the table


def define_flags():
    forget()
    flags.DEFINE_string("dataset", None, "Real pictures to compare with: a folder, or the name of one under data/.",
                        required=True)
    flags.DEFINE_string("checkpoint_dir", "checkpoint", "Directory of the trained model [checkpoint]")
    flags.DEFINE_string("pictures", None, "A folder of pictures to judge, instead of a model's")
    flags.DEFINE_integer("count", 1000, "How many of each kind, at most half of the data [1000]", lower_bound=1)
    flags.DEFINE_string("out", "scores.csv", "Table to write [scores.csv]")
    flags.DEFINE_string("inception", None, "Also FID, KID, precision and recall: a file with the weights of Keras' "
                        "InceptionV3 without its top, or imagenet, which Keras downloads")
    define("is_crop", "crop_size", "seed", "threads", "precision", "weights")


def load(loader, files, number):
    """Read some of the files, at random: uint8 [up to number, size, size, c_dim]."""
    if len(files) > number:
        files = [files[i] for i in np.sort(random_state(FLAGS.seed, "files").permutation(len(files))[:number])]
    return np.concatenate([pixels(loader.load_all(files[i:i + BATCH])) for i in range(0, len(files), BATCH)])


def size_of(files):
    """The sizes of the first of the files, in the form of model_sizes()."""
    try:
        return {"image_size": min(read(files[0]).shape[:2]), "c_dim": 3}
    except Exception as error:  # a broken file may make Pillow raise anything
        raise UserError(f"{files[0]}: {reason(error)}; remove or replace such a file") from None


def check_out(path):
    """Raise UserError if the table cannot be written, or would overwrite a file that is not such a table."""
    check_writable(path)
    if os.path.isfile(path):
        if not is_table(path, HEADER):
            raise UserError(f"--out {path} exists and is not a table of this script: give another")
        say(f"{path} exists and will be overwritten")


def draw(count):
    """Pictures of the model, uint8 [count, size, size, c_dim]."""
    config = session_config(FLAGS.threads, FLAGS.precision)
    with tf.Graph().as_default(), tf.Session(config=config) as sess:
        sampler = Sampler(load_model(DCGAN, sess, FLAGS.checkpoint_dir, FLAGS.weights), FLAGS.seed)
        return pixels(sampler.draw_all(sampler.noise(range(count))))


def inception_scores(features, real):
    """The scores of the literature, from the features of Keras' InceptionV3."""
    mean, error = kid(features, real, random_state(FLAGS.seed, "kid"))
    precision, recall = precision_recall(real, features)
    return {"FID, Keras' weights": frechet(features, real), "KID x 1000, Keras' weights": mean,
            "its standard error": error, "precision": precision, "recall": recall}


def write(columns):
    """Print the table, a column {score: number} by name, and write it as CSV."""
    rows = [HEADER]
    rows += [[name, *(f"{columns[kind][name]:.3f}" for kind in HEADER[1:])] for name in columns["samples"]]
    for row in rows:
        print(f"{row[0]:28s}" + "".join(f"{cell:>14s}" for cell in row[1:]))
    with writing(FLAGS.out), whole(FLAGS.out) as part, open(part, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def main():
    check_weights(FLAGS.inception)
    root = find_dataset(FLAGS.dataset)
    files = dataset_files(root)
    check_outside(os.path.dirname(os.path.abspath(FLAGS.out)), root, "out", files)
    check_out(FLAGS.out)
    check_number(files, root)
    judged = dataset_files(find_dataset(FLAGS.pictures, "pictures")) if FLAGS.pictures else None
    if judged is not None:
        check_number(judged, FLAGS.pictures)
    sizes = model_sizes(find_model(FLAGS.checkpoint_dir)) if judged is None else size_of(judged)
    loader = Loader(gantut_imgfuncs, sizes["image_size"], FLAGS.is_crop, FLAGS.crop_size, sizes["c_dim"])
    judge = Judge(load(loader, files, MOST), min(FLAGS.count, len(judged or range(FLAGS.count))), FLAGS.seed)
    count = judge.count
    if judged is None:
        images = draw(count)
    else:
        images = load(Loader(gantut_imgfuncs, sizes["image_size"], FLAGS.is_crop, c_dim=sizes["c_dim"]), judged, count)

    kinds = {"samples": images, "floor": judge.other, "ceiling": judge.noise()}
    columns = {"samples": judge.scores(images), "floor": judge.floor(), "ceiling": judge.scores(kinds["ceiling"])}
    if FLAGS.inception:
        real = features_of(judge.real, FLAGS.inception)
        for name, pictures in kinds.items():
            columns[name].update(inception_scores(features_of(pictures, FLAGS.inception), real))
    print(f"{count} pictures of each kind, of {len(files)} in {root}")
    write(columns)


def command():
    """What gantut-judge calls."""
    define_flags()
    run(main)


if __name__ == "__main__":
    command()
