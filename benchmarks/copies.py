"""Has a model copied? How near its samples come to what it has learnt, beside pictures that it has not learnt.

  python benchmarks/copies.py --checkpoint_dir checkpoint --dataset lfw-divided/learnt --held_out lfw-divided/held_out

(hold_out.py divides.) The table has percentiles of the distance to the nearest learnt picture, as in gantut_judge.py:
gray levels, at 16 x 16 pixels. A model that copies has samples far below the held-out ones. --out gets the twelve
samples that are nearest to a learnt picture, each with that picture on its right.
"""
import os

import machine
from machine import at_least, path_type

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import numpy as np
import tensorflow.compat.v1 as tf
from scipy.spatial.distance import cdist

import gantut_imgfuncs
from gantut.checkpoints import model_sizes
from gantut.datasets import check_number, find_dataset
from gantut.errors import UserError, check_outside, check_writable, writing
from gantut.image_loader import Loader
from gantut.images import pixels
from gantut.metrics import nearest, thumbnails
from gantut.paths import find_model
from gantut.sampler import Sampler, load_model
from gantut.scripts import argument_parser
from gantut_gan import DCGAN, dataset_files
from gantut_imgfuncs import save_images

BATCH = 1000  # pictures that are in memory as float32 at once
PERCENTILES = (1, 10, 25, 50, 75, 90)
PAIRS = 12


def points_of(files, loader):
    """The pictures as points [N, d], between which the judge measures distances."""
    return np.concatenate([thumbnails(np.float32(pixels(loader.load_all(files[i:i + BATCH]))))
                           for i in range(0, len(files), BATCH)])


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--checkpoint_dir", type=path_type, default="checkpoint")
    parser.add_argument("--dataset", type=path_type, required=True, help="folder of pictures that the model has learnt")
    parser.add_argument("--held_out", type=path_type, required=True, help="folder of others")
    parser.add_argument("--count", type=at_least(PAIRS), default=1000, help="how many samples [1000]")
    parser.add_argument("--out", type=path_type, default="copies.png", help="picture to write, which must not be there")
    args = parser.parse_args()
    sizes = model_sizes(find_model(args.checkpoint_dir))
    roots = find_dataset(args.dataset), find_dataset(args.held_out, "held_out")
    learnt, held_out = map(dataset_files, roots)
    for root, files in zip(roots, (learnt, held_out)):
        check_number(files, root)
        check_outside(args.out, root, "out", files)
    if os.path.lexists(args.out):
        raise UserError(f"--out {args.out} is there already: give another file")
    check_writable(args.out)
    loader = Loader(gantut_imgfuncs, sizes["image_size"], is_crop=True, c_dim=sizes["c_dim"])
    known, others = points_of(learnt, loader), points_of(held_out, loader)
    with tf.Session() as sess:
        sampler = Sampler(load_model(DCGAN, sess, args.checkpoint_dir), 1)
        samples = sampler.draw_all(sampler.noise(range(args.count)))
    distances = cdist(thumbnails(np.float32(pixels(samples))), known)
    of_samples = distances.min(axis=1)
    rows = [[name, *(f"{one:.1f}" for one in np.percentile(of, PERCENTILES))]
            for name, of in (("held-out pictures", nearest(others, known)), ("samples", of_samples))]
    machine.table(["to the nearest learnt picture", *(f"{one} %" for one in PERCENTILES)], rows)
    best = np.argsort(of_samples)[:PAIRS]
    pictures = loader.load_all([learnt[i] for i in distances[best].argmin(axis=1)])
    with writing(args.out):
        save_images(np.stack([samples[best], pictures], axis=1).reshape([-1, *samples.shape[1:]]), [PAIRS // 2, 4],
                    args.out)


if __name__ == "__main__":
    machine.run(main, "stopped; nothing was written")
