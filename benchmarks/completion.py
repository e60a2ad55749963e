"""Measure image completion on faces that no training has seen, against two simpler ways to fill a hole.

  python benchmarks/completion.py --checkpoint_dir checkpoint
  python benchmarks/completion.py --checkpoint_dir pretrained/lfw --dataset portraits --count 64

Completes held-out faces for every mask: drawn ones (data/make_faces.py with another seed), or with --dataset the first
--count of a folder's pictures in a random order. It prints the mean absolute error inside the hole (0..255) of: the
completion; the mean of data/aligned, or of the folder's other pictures; the best of as many random samples as the
completion took iterations, chosen by the same contextual loss. With mask full nothing is missing and with lowres
everything: there the error is that of the whole picture. The last line is the cost of an iteration.
"""
import os
import time
from types import SimpleNamespace

import machine
from machine import ROOT, at_least, path_type

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import imageio.v3 as iio
import numpy as np
import tensorflow.compat.v1 as tf
from make_faces import draw_face

import gantut_imgfuncs
from gantut.checkpoints import model_sizes
from gantut.completion import make_mask
from gantut.datasets import find_dataset
from gantut.errors import UserError, check_outside, check_writable
from gantut.image_loader import LUMINANCE, Loader
from gantut.paths import find_model
from gantut.sampler import Sampler, load_model
from gantut.scripts import argument_parser
from gantut.seeding import random_state
from gantut_complete import Completion, complete, join, strip
from gantut_gan import DCGAN, dataset_files
from gantut_imgfuncs import merge

MASKS = ["center", "left", "random", "grid", "lowres", "full"]


def best_of_random(completion, pictures, masks, lowres_weight, count):
    """For each picture, the one of count random samples with the least contextual loss; all draw from the same z."""
    dcgan = completion.dcgan
    z = random_state(1, "random samples").uniform(-1, 1, [count, dcgan.z_dim])
    samples = Sampler(dcgan, 1).draw_all(z)
    size, low = dcgan.image_size, dcgan.lowres_size
    fills = []
    for picture, mask in zip(pictures, masks):
        losses = (mask[..., np.newaxis] * abs(samples - picture)).sum(axis=(1, 2, 3))
        if lowres_weight:
            blocks = (samples - picture).reshape(count, low, size // low, low, size // low, -1).mean(axis=(2, 4))
            losses += abs(blocks).sum(axis=(1, 2, 3))
        fills.append(samples[losses.argmin()])
    return np.array(fills)


def hole_error(fills, pictures, masks):
    """Mean absolute error inside the holes, 0..255; of the whole picture where nothing is missing."""
    holes = np.array([~mask if not mask.all() else mask for mask in masks])
    return abs(fills - pictures)[holes].mean() * 127.5


def iteration_cost(completion, pictures, masks, config):
    """Median of seconds per iteration of the whole search / per forward and backward pass alone, in turn."""
    dcgan = completion.dcgan
    feed = {dcgan.z: np.zeros([len(pictures), dcgan.z_dim]), dcgan.images: pictures,
            completion.weights: masks[..., np.newaxis], completion.lowres_weight: 0.0, dcgan.is_training: False}
    names = [str(i) for i in range(len(pictures))]
    config = SimpleNamespace(**{**vars(config), "n_iter": 10})
    ratios = []
    for _ in range(6):  # the first warms up
        start = time.perf_counter()
        complete(completion, pictures, masks, names, config)
        middle = time.perf_counter()
        for _ in range(10):
            dcgan.sess.run(completion.gradient, feed)
        ratios.append((middle - start) / (time.perf_counter() - middle))
    return float(np.median(ratios[1:]))


def held_out(args, size, c_dim):
    """The pictures to complete [count, size, size, c_dim], and the mean of others [size, size, c_dim]."""
    loader = Loader(gantut_imgfuncs, size, is_crop=True, c_dim=c_dim)
    if args.dataset:
        root = find_dataset(args.dataset)
        files = dataset_files(root)
        check_outside(args.out_dir, root, "out_dir", files)
        if len(files) <= args.count:
            raise UserError(f"{len(files)} picture(s) in {root}: give a smaller --count, as the mean is that of the "
                            "others")
        random_state(1, "data").shuffle(files)
        return loader.load_all(files[:args.count]), loader.load_all(files[args.count:]).mean(axis=0)
    pictures = np.array([draw_face(2, i, size) for i in range(args.count)]) / 127.5 - 1
    return (pictures @ LUMINANCE if c_dim == 1 else pictures,
            loader.load_all(dataset_files(os.path.join(ROOT, "data", "aligned"))).mean(axis=0))


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--checkpoint_dir", type=path_type, default="checkpoint")
    parser.add_argument("--dataset", type=path_type, help="pictures that the model has not learnt [faces drawn here]")
    parser.add_argument("--count", type=at_least(1), default=16, help="how many faces")
    parser.add_argument("--n_iter", type=at_least(1), default=1000)
    parser.add_argument("--out_dir", type=path_type, default="completion_benchmark",
                        help="for the results and pictures")
    args = parser.parse_args()
    sizes = model_sizes(find_model(args.checkpoint_dir))
    size = sizes["image_size"]
    record = os.path.join(args.out_dir, "results.json")
    machine.check_ours(record, *(os.path.join(args.out_dir, kind + ".png") for kind in MASKS))
    pictures, mean = held_out(args, size, sizes["c_dim"])
    check_writable(record)
    results = {"tensorflow": tf.__version__, "count": args.count, "n_iter": args.n_iter}
    with tf.Session() as sess:
        completion = Completion(load_model(DCGAN, sess, args.checkpoint_dir))
        print(f"| mask | completion | mean face | best of {args.n_iter} samples |\n|---|---|---|---|")
        for kind in MASKS:
            masks = np.array([make_mask(kind, size, random_state(1, "mask", i)) for i in range(args.count)])
            config = SimpleNamespace(restarts=1, weighted=False, mask=kind, approach="adam", n_iter=args.n_iter,
                                     lr=0.01, beta1=0.9, beta2=0.999, film_every=0, seed=1)
            names = [f"face_{i}" for i in range(args.count)]
            film, losses = complete(completion, pictures, masks, names, config)
            ways = {"completion": film[-1], "mean": np.broadcast_to(mean, pictures.shape),
                    "random": best_of_random(completion, pictures, masks, kind == "lowres", args.n_iter)}
            results[kind] = {name: float(hole_error(fills, pictures, masks)) for name, fills in ways.items()}
            results[kind]["loss"] = losses[:, :, 0].mean(axis=1)[::100].tolist()
            machine.write_figures(record, **results)
            numbers = " | ".join(f"{results[kind][name]:.1f}" for name in ("completion", "mean", "random"))
            print(f"| {kind} | {numbers} |", flush=True)
            strips = np.array([strip(p, m, join(p, f, m)) for p, m, f in zip(pictures, masks, film[-1])][:8])
            sheet = merge(strips, [-(-len(strips) // 2), min(len(strips), 2)]).astype(np.uint8)
            iio.imwrite(os.path.join(args.out_dir, kind + ".png"), sheet.squeeze())
        cost = results["iteration / forward and backward pass"] = iteration_cost(completion, pictures, masks, config)
    machine.write_figures(record, **results)
    print(f"an iteration costs {cost:.2f} x one forward and backward pass")


if __name__ == "__main__":
    machine.run(main, "stopped")
