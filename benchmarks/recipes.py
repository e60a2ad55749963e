"""The parts of a better recipe, alone and together, against the text's recipe in the same training time.

  python benchmarks/recipes.py --seeds 3 --json recipes.json

Trains small models on 1,500 digits and on 2,000 drawn faces, draws 1,000 samples of each with G's weights as they are
and with their moving average, and judges as learning.py does. First the seconds of a step are measured in turn, in two
epochs each; the text's recipe then takes --epoch epochs, the others as many as fit into its time. The same command
continues a run that was stopped: what the JSON file holds is not done again.
"""
import os
import tempfile

import machine
from machine import PRECISIONS, at_least, file_type

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import judge_faces
import learning

from gantut.scripts import argument_parser

RECIPES = {  # each keeps the average beside the weights, which changes no bit of them
    "the text's": [],
    "+ augment": ["--augment"],
    "+ R1": ["--r1", "1"],
    "+ two rates": ["--d_learning_rate", "0.0004"],
    "+ one update of G": ["--g_updates", "1"],
    "+ two rates, one update": ["--d_learning_rate", "0.0004", "--g_updates", "1"],
    "+ all four": ["--augment", "--r1", "1", "--d_learning_rate", "0.0004", "--g_updates", "1"],
}
DATA = {"digits": (learning.digits, 32), "faces 32": (learning.faces, 32), "faces 64": (learning.faces, 64)}


def train(size, folder, flags):
    """The trainer's output, with the average kept."""
    return machine.trained(machine.trainer(folder, "--fast", "--is_crop", "--image_size", size, "--ema", 0.999, *flags))


def seconds_per_step(size, flags):
    """In the second epoch: in the first, pictures are still decoded."""
    with tempfile.TemporaryDirectory() as folder:
        return machine.step_seconds(train(size, folder, [*flags, "--epoch", "2"]))


def measure(size, flags, recipes, known):
    """The seconds of a step of the recipes that are not known: {name: seconds}."""
    return machine.in_turns(recipes, lambda name: seconds_per_step(size, [*flags, *RECIPES[name]]), known)


def judged(size, folder, flags, judge):
    """Train and judge: the Fréchet distances of the samples, with the weights and with their average."""
    train(size, folder, flags)
    distances = {}
    for weights in ("latest", "average"):
        paths, samples = judge_faces.draw(os.path.join(folder, "checkpoint"), 1000, "--weights", weights)
        distances[weights] = judge(paths)
        samples.cleanup()
    return distances


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=at_least(1), default=3)
    parser.add_argument("--epoch", type=at_least(1), default=20, help="of the text's recipe [20: 920 and 1,240 steps]")
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--precision", default="auto", choices=PRECISIONS)
    parser.add_argument("--json", type=file_type, required=True, help="file for the figures, and to continue from")
    args = parser.parse_args()
    names = list(dict.fromkeys(["the text's", *args.recipes]))  # whose time the others have
    figures = machine.Figures(args.json, {"epoch": args.epoch, "precision": args.precision}, "seconds", "frechet")
    with tempfile.TemporaryDirectory() as folder:
        for data in args.data:
            prepare, size = DATA[data]
            flags, judge = prepare(os.path.join(folder, data), size)
            flags += ["--gf_dim", "16", "--df_dim", "16", "--batch_size", "32", "--precision", args.precision]
            seconds = figures["seconds"].get(data, {})
            seconds = seconds | measure(size, flags, names, seconds)
            figures.keep("seconds", data, seconds)
            for seed in range(1, args.seeds + 1):
                for name in names:
                    key = f"{data}, {name}, {seed}"
                    if key not in figures["frechet"]:
                        epochs = max(round(args.epoch * seconds["the text's"] / seconds[name]), 1)
                        figures.keep("frechet", key, judged(size, os.path.join(folder, key), [
                            *flags, *RECIPES[name], "--epoch", str(epochs), "--seed", str(seed)], judge))

    rows = []
    for data in args.data:
        for name in names:
            found = [figures["frechet"][f"{data}, {name}, {seed}"] for seed in range(1, args.seeds + 1)]
            seconds = figures["seconds"][data]
            ratio = seconds[name] / seconds["the text's"]
            for weights in found[0]:
                rows.append([data, name, weights, f"{ratio:.2f}", machine.spread([one[weights] for one in found])])
    machine.table(["", "recipe", "weights", "time of a step", "Fréchet distance"], rows)


if __name__ == "__main__":
    machine.run(main)
