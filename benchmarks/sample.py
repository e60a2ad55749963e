"""Measure drawing: images/s of gantut_sample.py --mode images, and the time to the first image from a cold start.

  python benchmarks/sample.py --json sample.json

Trains a model for one step (or takes --checkpoint_dir), then draws --count images in a process of its own, --rounds
times. All times are those at which the image files were written: the rate is that of the images after the first batch
of 64; the first image's latency is from the start of the process, and the whole batch is drawn before it. The disk's
cache is warm. Memory is the most that was resident.
"""
import os
import shutil
import sys
import tempfile
import time

import machine
from machine import at_least, file_type, path_type, positive, power_of_two, table, write_figures

import numpy as np
from scale import make_pictures, run, train

from gantut.errors import UserError
from gantut.scripts import argument_parser

BATCH = 64  # as in gantut_sample.py


def make_model(work, args):
    """Train a model for one step; returns its checkpoint's folder."""
    dataset = os.path.join(work, "pictures")
    make_pictures(dataset, 4, args.image_size)
    _, _, note = train(work, dataset, args.limit, image_size=args.image_size, batch_size=4, gf_dim=args.gf_dim,
                       df_dim=args.gf_dim, threads=args.threads)
    if note:
        raise UserError(f"the training of a model failed: {note}")
    return os.path.join(work, "checkpoint_dir")


def draw(checkpoint_dir, work, args):
    """Draw the images once; returns what was measured."""
    out = os.path.join(work, "images")
    shutil.rmtree(out, ignore_errors=True)
    started = time.time()
    _, memory, note = run("gantut_sample.py", {"mode": "images", "count": args.count, "out": out,
                                               "threads": args.threads, "checkpoint_dir": checkpoint_dir}, args.limit)
    seconds = time.time() - started
    if note:
        raise UserError(f"drawing the images: {note}")
    first, warm, last = (os.path.getmtime(os.path.join(out, f"image_{i:05d}.png"))
                         for i in (0, BATCH - 1, args.count - 1))
    return {"images/s": (args.count - BATCH) / (last - warm), "first image, s": first - started,
            "all images, s": seconds, "peak MB": memory}


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--checkpoint_dir", type=path_type, help="a trained model, in place of one made here")
    parser.add_argument("--image_size", type=power_of_two, default=64, help="of the model made here")
    parser.add_argument("--gf_dim", type=at_least(1), default=64, help="of the model made here")
    parser.add_argument("--count", type=at_least(BATCH + 1), default=640, help=f"how many images, more than {BATCH}")
    parser.add_argument("--rounds", type=at_least(1), default=5)
    parser.add_argument("--limit", type=positive, default=300, help="seconds for each process")
    parser.add_argument("--threads", type=at_least(0), default=0, help="as in gantut_sample.py")
    parser.add_argument("--json", type=file_type, help="where to write the results")
    args = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as work:
        checkpoint_dir = args.checkpoint_dir or make_model(work, args)
        for _ in range(args.rounds):
            rounds.append(draw(checkpoint_dir, work, args))
            print(rounds[-1], file=sys.stderr)
    write_figures(args.json, flags=vars(args), rounds=rounds)
    table([f"{args.count} images", "median", "least", "most"],
          [[name, *(f"{f([one[name] for one in rounds]):.4g}" for f in (np.median, min, max))]
           for name in rounds[0]])


if __name__ == "__main__":
    machine.run(main, "stopped")
