"""Do bfloat16 and the same DCGAN in PyTorch learn as well? Several seeds of each, the same number of steps, judged.

  python benchmarks/learning.py --seeds 5 --json learning.json
  python benchmarks/learning.py --seeds 5 --contenders float32 pytorch

Trains the trainer's model, small, on the 1,500 training digits and on 2,000 drawn faces, both at 32 x 32, and draws
1,000 samples of each run. The judges are those of judge_digits.py and judge_faces.py: a Fréchet distance, smaller is
better, in the features of a classifier of the same real pictures.
"""
import os
import sys
import tempfile

import machine
from machine import ROOT, at_least, file_type

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import judge_digits
import judge_faces
import mnist

from gantut.scripts import argument_parser

SIZE = 32


def digits(folder, _=SIZE):  # of any size: the judge scales the samples
    """Write the training digits as pictures; returns the trainer's flags, and a judge of samples' paths."""
    images, labels = mnist.load("digits", "train")
    judge_digits.write(images, os.path.join(folder, "digits"))
    classifier = judge_digits.train_classifier(images, labels)
    held_out = judge_digits.look(classifier, mnist.load("digits", "test")[0])[0]

    def judge(paths):
        return judge_digits.frechet(judge_digits.look(classifier, judge_digits.read(paths))[0], held_out)
    return ["--dataset", os.path.join(folder, "digits"), "--c_dim", "1"], judge


def faces(_, size=SIZE):
    judge = judge_faces.Judge(size)
    return ["--dataset", "aligned", "--train_size", "2000"], lambda paths: judge(judge_faces.load(paths, size))[0]


def train(folder, flags):
    """A training in a folder of its own; returns the paths of its samples and the folder that holds them."""
    machine.trained(machine.trainer(folder, "--fast", "--is_crop", "--image_size", SIZE, *flags))
    return judge_faces.draw(os.path.join(folder, "checkpoint"), 1000)


def train_pytorch(folder, flags):
    """The same in PyTorch."""
    os.makedirs(folder)
    samples = tempfile.TemporaryDirectory(dir=folder)
    machine.trained([sys.executable, os.path.join(ROOT, "benchmarks", "train_pytorch.py"), "--image_size", str(SIZE),
                     "--out", samples.name, *flags])
    return [os.path.join(samples.name, name) for name in sorted(os.listdir(samples.name))], samples


DATA = {"digits": digits, "faces": faces}
CONTENDERS = {"float32": (train, ["--precision", "float32"]), "bfloat16": (train, ["--precision", "bfloat16"]),
              "pytorch": (train_pytorch, [])}


def main():
    parser = argument_parser((__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=at_least(1), default=5)
    parser.add_argument("--epoch", type=at_least(1), default=16, help="as the trainer's [16: 368 and 496 steps]")
    parser.add_argument("--batch_size", type=at_least(1), default=64)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--gf_dim", type=at_least(1), default=16, help="filters of both networks [16]")
    parser.add_argument("--contenders", nargs="+", default=["float32", "bfloat16"], choices=CONTENDERS)
    parser.add_argument("--json", type=file_type, help="file for the figures")
    args = parser.parse_args()
    if "pytorch" in args.contenders:
        machine.need_torch()
    rows, results = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for data in args.data:
            flags, judge = DATA[data](folder)
            flags += ["--epoch", str(args.epoch), "--batch_size", str(args.batch_size), "--gf_dim", str(args.gf_dim),
                      "--df_dim", str(args.gf_dim)]
            found = {contender: [] for contender in args.contenders}
            for seed in range(1, args.seeds + 1):
                for contender in args.contenders:
                    train_it, more = CONTENDERS[contender]
                    run = os.path.join(folder, f"{data}_{contender}_{seed}")
                    paths, samples = train_it(run, [*flags, "--seed", str(seed), *more])
                    found[contender].append(judge(paths))
                    samples.cleanup()
            for contender, distances in found.items():
                rows.append([data, contender, machine.spread(distances),
                             " ".join(f"{distance:.1f}" for distance in distances)])
            results[data] = found
    machine.write_figures(args.json, flags=vars(args), frechet=results)
    machine.table(["", "", "Fréchet distance", "seeds"], rows)


if __name__ == "__main__":
    machine.run(main, "stopped")
