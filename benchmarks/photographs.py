"""What learns photographs best in the same time, and how long each takes to a score: recipes, and PyTorch's tutorial.

  python benchmarks/photographs.py --dataset lfw-aligned-64 --folder photographs --size 32 --seeds 3 --minutes 20

Every recipe is the trainer with --filters filters and a summary every 100 steps, all but "as written" with --fast, all
from "average" on with a moving average. "pytorch" is pytorch_tutorial.py with its own 64 filters, and with --filters:
its layers are smaller: at 32 x 32, with 16 filters, it has a sixth of our weights. First the seconds of a step are
measured, in turn, so that other load of the machine affects all alike, and after the pictures have been decoded; each
then trains about as many epochs as --minutes allow, and is judged after each, or ten to thirty times (mean SWD of
1,000 samples and 1,000 pictures). The table has the minutes until --score was reached. Everything is kept in --folder:
the same command continues a run that was stopped.
"""
import os
import re
import sys
import tempfile
from importlib.util import find_spec

import machine
from machine import ROOT, at_least, path_type, positive, power_of_two

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import numpy as np

from gantut.datasets import find_dataset
from gantut.errors import check_outside
from gantut.scripts import argument_parser
from gantut_gan import dataset_files

AVERAGE = ["--ema", "0.999"]
RECIPES = {
    "as written": [],
    "the text's": ["--fast"],
    "average": ["--fast", *AVERAGE],
    "+ augment": ["--fast", *AVERAGE, "--augment"],
    "+ R1": ["--fast", *AVERAGE, "--r1", "1"],
    "+ two rates": ["--fast", *AVERAGE, "--d_learning_rate", "0.0004"],
    "+ one update of G": ["--fast", *AVERAGE, "--g_updates", "1"],
    "+ mirror": ["--fast", *AVERAGE, "--mirror"],
    "+ two rates, one update": ["--fast", *AVERAGE, "--d_learning_rate", "0.0004", "--g_updates", "1"],
}
TORCH = {"pytorch": 64, "pytorch, our filters": None}  # None: those of --filters


def command(name, args, folder, epoch, judge_every, seed=1):
    """The command line of a training in a folder of its own."""
    common = ["--dataset", args.dataset, "--image_size", str(args.size), "--epoch", str(epoch), "--judge_every",
              str(judge_every), "--seed", str(seed)]
    if name in TORCH:
        return [sys.executable, os.path.join(ROOT, "benchmarks", "pytorch_tutorial.py"), *common, "--folder",
                os.path.join(folder, "samples"), "--precision", args.precision, "--filters",
                str(TORCH[name] or args.filters)]
    precision = ["--precision", args.precision] if RECIPES[name] else []
    return machine.trainer(folder, *common, "--is_crop", "--gf_dim", args.filters, "--df_dim", args.filters,
                           "--summary_every", 100, *precision, *RECIPES[name])


def batch_of(name):
    return 128 if name in TORCH else 64


def seconds_per_step(name, args):
    """The median of an epoch, when all its pictures are in memory."""
    with tempfile.TemporaryDirectory() as folder:
        if name in TORCH:  # which decodes them first
            return float(re.findall(r"([\d.]+) s a step", machine.trained(command(name, args, folder, 1, 1000)))[-1])
        return machine.step_seconds(machine.trained([*command(name, args, folder, 2, 1000), "--train_size", "1280"]))


def curve(name, args, seconds, seed):
    """Train as long as --minutes allow; returns minutes and scores [[minutes, mean SWD], ...]."""
    folder = os.path.join(args.folder, str(args.size), name, str(seed))
    epochs, every = machine.judged(args.minutes * 60 / (seconds * (args.pictures // batch_of(name))))
    machine.trained(command(name, args, folder, epochs, every, seed))
    return [[step * seconds / 60, score] for _, step, score in machine.curve(os.path.join(folder, "samples"))]


def report(args, figures):
    rows = []
    for name in args.recipes:
        curves = [np.array(figures["curves"][key]) for seed in range(1, args.seeds + 1)
                  if (key := f"{args.size} {name} {seed}") in figures["curves"]]
        if not curves:
            continue
        reached = [next((minutes for minutes, score in one if score <= args.score), np.inf) for one in curves]
        rate = batch_of(name) / figures["seconds"][f"{args.size} {name}"]
        rows.append([name, f"{rate:.0f}", f"{curves[0][-1, 0]:.1f}", machine.spread([one[-1, 1] for one in curves]),
                     f"{np.median(reached):.1f}", len(curves)])
    machine.table([f"{args.size} px", "pictures/s", "minutes", "last score", f"minutes to {args.score:g}", "seeds"],
                  rows)


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--dataset", type=path_type, required=True, help="folder of aligned photographs")
    parser.add_argument("--folder", type=path_type, required=True, help="for the trainings and the figures")
    parser.add_argument("--size", type=power_of_two, default=32, help="of the pictures [32]")
    parser.add_argument("--filters", type=at_least(1), default=32)
    parser.add_argument("--seeds", type=at_least(1), default=3)
    parser.add_argument("--minutes", type=positive, default=20, help="of each training [20]")
    parser.add_argument("--score", type=positive, default=40, help="the mean SWD to be reached [40]")
    parser.add_argument("--precision", default="bfloat16", choices=["float32", "bfloat16"],
                        help="of all but as written")
    names = [*RECIPES, *(TORCH if find_spec("torch") else [])]
    parser.add_argument("--recipes", nargs="+", default=names, choices=names, metavar="NAME",
                        help=f"{'; '.join([*RECIPES, *TORCH])} (the last two need pip install torch) [all]")
    args = parser.parse_args()
    args.dataset = os.path.abspath(find_dataset(args.dataset))
    files = dataset_files(args.dataset)
    check_outside(args.folder, args.dataset, "folder", files)
    args.pictures = len(files)
    if args.pictures < 2 * max(map(batch_of, args.recipes)):
        parser.error(f"{args.pictures} pictures in {args.dataset} make fewer than two steps of an epoch")
    path = os.path.join(args.folder, "figures.json")
    os.makedirs(args.folder, exist_ok=True)
    flags = {name: value for name, value in vars(args).items() if name not in ("size", "seeds", "score", "recipes")}
    figures = machine.Figures(path, flags, "seconds", "curves")
    known = {key.partition(" ")[2]: seconds for key, seconds in figures["seconds"].items()
             if key.startswith(f"{args.size} ")}
    for name, seconds in machine.in_turns(args.recipes, lambda name: seconds_per_step(name, args), known).items():
        figures.keep("seconds", f"{args.size} {name}", seconds)
    for seed in range(1, args.seeds + 1):
        for name in args.recipes:
            key = f"{args.size} {name} {seed}"
            if key not in figures["curves"]:
                figures.keep("curves", key, curve(name, args, figures["seconds"][f"{args.size} {name}"], seed))
                report(args, figures)
    report(args, figures)


if __name__ == "__main__":
    machine.run(main)
