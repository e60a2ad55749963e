"""What learns photographs best in the same time, and how long each takes to a score: recipes, and PyTorch's tutorial.

  python benchmarks/photographs.py --dataset lfw-aligned-64 --folder photographs --size 32 --seeds 3 --minutes 20

Every recipe is the trainer with --filters filters and a summary every 100 steps, all but "as written" with --fast, all
from "average" on with a moving average; "pytorch" is pytorch_tutorial.py. First the seconds of a step are measured, in
turn, so that other load of the machine affects all alike, and after the pictures have been decoded; each then trains
the steps that take --minutes, judged at some twenty of its epochs (mean SWD of 1,000 samples and 1,000 pictures). The
tables have the last score, and the minutes until --score was reached. Everything is kept in --folder: the same command
continues a run that was stopped.
"""
import os
import re
import sys
import tempfile

import machine
from machine import ROOT

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import numpy as np

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
    "+ two rates, mirror": ["--fast", *AVERAGE, "--d_learning_rate", "0.0004", "--mirror"],
    "+ two rates, R1, one update, mirror": ["--fast", *AVERAGE, "--d_learning_rate", "0.0004", "--r1", "1",
                                            "--g_updates", "1", "--mirror"],
    "pytorch": None,
}


def command(name, args, folder, epoch, judge_every, seed=1):
    """The command line of a training in a folder of its own."""
    common = ["--dataset", args.dataset, "--image_size", str(args.size), "--epoch", str(epoch), "--judge_every",
              str(judge_every), "--seed", str(seed)]
    if RECIPES[name] is None:
        return [sys.executable, os.path.join(ROOT, "benchmarks", "pytorch_tutorial.py"), *common, "--folder",
                os.path.join(folder, "samples"), "--precision", args.precision, "--filters", str(args.filters)]
    precision = ["--precision", args.precision] if RECIPES[name] else []
    return machine.trainer(folder, *common, "--is_crop", "--gf_dim", args.filters, "--df_dim", args.filters,
                           "--summary_every", 100, *precision, *RECIPES[name])


def steps_of(name, args):
    """How many steps an epoch has."""
    return args.pictures // (128 if RECIPES[name] is None else 64)


def seconds_per_step(name, args):
    """The median of an epoch, when all its pictures are in memory."""
    with tempfile.TemporaryDirectory() as folder:
        if RECIPES[name] is None:  # which decodes them first
            return float(re.findall(r"([\d.]+) s a step", machine.trained(command(name, args, folder, 1, 1000)))[-1])
        return machine.step_seconds(machine.trained([*command(name, args, folder, 2, 1000), "--train_size", "1280"]))


def curve(name, args, seconds, seed):
    """Train as long as --minutes allow; returns minutes and scores [[minutes, mean SWD], ...]."""
    folder = os.path.join(args.folder, str(args.size), name, str(seed))
    machine.trained(command(name, args, folder, *machine.judged(args.minutes * 60 / seconds / steps_of(name, args)),
                            seed))
    return [[step * seconds / 60, score] for _, step, score in machine.curve(os.path.join(folder, "samples"))]


def report(args, figures):
    rows = []
    for name in args.recipes:
        curves = [np.array(figures["curves"][key]) for seed in range(1, args.seeds + 1)
                  if (key := f"{args.size} {name} {seed}") in figures["curves"]]
        if not curves:
            continue
        reached = [next((minutes for minutes, score in one if score <= args.score), np.inf) for one in curves]
        seconds = figures["seconds"][f"{args.size} {name}"]
        rows.append([name, f"{seconds:.3f}", machine.spread([one[-1, 1] for one in curves]),
                     f"{np.median(reached):.1f}", len(curves)])
    machine.table([f"{args.size} px", "s a step", "last score", f"minutes to {args.score}", "seeds"], rows)


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--dataset", required=True, help="folder of aligned photographs")
    parser.add_argument("--folder", required=True, help="for the trainings and the figures")
    parser.add_argument("--size", type=int, default=32, help="of the pictures [32]")
    parser.add_argument("--filters", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=20, help="of each training [20]")
    parser.add_argument("--score", type=float, default=40, help="the mean SWD to be reached [40]")
    parser.add_argument("--precision", default="bfloat16", help="of all but as written")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES, metavar="NAME",
                        help=", ".join(RECIPES))
    args = parser.parse_args()
    args.dataset = os.path.abspath(args.dataset)
    args.pictures = len(dataset_files(args.dataset))
    path = os.path.join(args.folder, "figures.json")
    os.makedirs(args.folder, exist_ok=True)
    flags = {name: value for name, value in vars(args).items() if name not in ("size", "seeds", "score", "recipes")}
    figures = machine.Figures(path, flags, "seconds", "curves")
    missing = [name for name in args.recipes if f"{args.size} {name}" not in figures["seconds"]]
    rounds = [{name: seconds_per_step(name, args) for name in missing} for _ in range(3 if missing else 0)]
    for name in missing:
        figures.keep("seconds", f"{args.size} {name}", float(np.median([seconds[name] for seconds in rounds])))
    for seed in range(1, args.seeds + 1):
        for name in args.recipes:
            key = f"{args.size} {name} {seed}"
            if key not in figures["curves"]:
                figures.keep("curves", key, curve(name, args, figures["seconds"][f"{args.size} {name}"], seed))
                report(args, figures)
    report(args, figures)


if __name__ == "__main__":
    machine.run(main)
