"""The lessons on MNIST, at their texts' sizes and steps, several seeds of each, judged as judge_digits.py does.

  python benchmarks/lessons.py --data mnist.npz --folder lessons
  python benchmarks/lessons.py --data mnist.npz --folder lessons --runs keras_gan mnist_dcgan --seeds 2 3

The training NAME with SEED is --folder/NAME-SEED: what the lesson leaves there, and log.txt, what it printed. "dcgan"
is the tutorial's class, trained by gantut_trainer.py --fast on MNIST's training digits as pictures of 32 x 32.
figures.json keeps the judge's figures: a training that is in it is not done again. The same command continues a run
that was stopped: the trainer resumes its training, a lesson starts again. The table has all trainings that are done.
"""
import os
import sys
import zlib

import machine
from machine import ROOT, at_least, path_type

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import judge_digits
import mnist
import numpy as np
from filelock import FileLock
from tensorflow import keras

from gantut.scripts import argument_parser

RUNS = {  # the lesson, and its flags; each as long as in its text
    "keras_gan": ("keras_gan", []),
    "mnist_gan": ("mnist_gan", []),
    "mnist_gan_beta1": ("mnist_gan", ["--beta1", "0.5"]),
    "keras_dcgan": ("keras_dcgan", []),
    "mnist_dcgan": ("mnist_dcgan", []),
    "dcgan": ("gantut_trainer", ["--c_dim", "1", "--is_crop", "--image_size", "32", "--fast", "--precision", "auto"]),
}
COUNT = 1000  # samples of each
LENGTH = {"mnist_gan": "--epochs", "mnist_dcgan": "--steps", "keras_gan": "--epochs", "keras_dcgan": "--steps",
          "gantut_trainer": "--epoch"}


def train(name, seed, length, data, pictures, folder):
    """Train in a folder of its own; returns the folder that judge_digits.generate() takes."""
    lesson, flags = RUNS[name]
    if lesson == "gantut_trainer":
        generator, command = os.path.join(folder, "checkpoint"), machine.trainer(folder, "--dataset", pictures, *flags)
    else:
        generator, script = folder, os.path.join(ROOT, "variants", lesson + ".py")
        command = [sys.executable, script, "--data", data, "--out_dir", folder, *flags]
    command += ["--seed", str(seed), *([LENGTH[lesson], str(length)] if length else [])]
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "log.txt"), "a") as log:
        machine.trained(command, log)
    return generator


def classifier_of(folder, images, labels):
    """The judge's classifier, trained once for the folder, of which another process may train another part."""
    path = os.path.join(folder, "classifier.keras")
    with FileLock(path + ".lock"):
        if not os.path.exists(path):
            mnist.save_model(judge_digits.train_classifier(images, labels), folder, "classifier")
    return keras.models.load_model(path)


def begin(figures, classifier, images, held_out, held_out_labels):
    """Keep the figures that need no training of a GAN: of the classifier, of digits to train on, of noise."""
    features, probabilities = judge_digits.look(classifier, held_out)
    for name, digits in judge_digits.references(images, COUNT).items():
        figures.keep("samples", name, judge_digits.judge(classifier, digits, features))
    figures.keep("classifier", "accuracy", float((probabilities.argmax(axis=1) == held_out_labels).mean()))


def show(found):
    """Print the table of all that is done, a line for the seeds of each training."""
    print(f"the classifier's accuracy on {found['flags']['held out']} held-out digits: "
          f"{found['classifier']['accuracy']:.1%}\n")
    groups = {name: {"": figures} for name, figures in found["samples"].items()}
    for key, figures in found["runs"].items():
        name, seed = key.rsplit("-", 1)
        groups.setdefault(name, {})[int(seed)] = figures
    machine.table([f"{COUNT} samples", "seeds", "classes of ten", "mean confidence", "Fréchet distance"], [
        [name, *(" ".join(column) for column in zip(*(
            [str(seed), str(f["classes"]), f"{f['confidence']:.3f}", f"{f['frechet']:.1f}"]
            for seed, f in sorted(group.items()))))] for name, group in groups.items()])


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--data", type=path_type, required=True, help="as the lessons' --data: mnist, or its file")
    parser.add_argument("--folder", type=path_type, required=True,
                        help="for the trainings and their figures, and to continue from")
    parser.add_argument("--runs", nargs="+", default=list(RUNS), choices=RUNS)
    parser.add_argument("--seeds", type=at_least(0), nargs="+", default=[1, 2, 3])
    parser.add_argument("--length", type=at_least(1),
                        help="epochs or steps, not the text's; the training is NAME-LENGTH-SEED")
    args = parser.parse_args()
    images, labels = mnist.load(args.data, "train")
    held_out, held_out_labels = mnist.load(args.data, "test")
    os.makedirs(args.folder, exist_ok=True)
    which = {"digits": f"{zlib.crc32(np.uint8(np.round(images * 255))):08x}", "held out": len(held_out)}
    path, pictures = (os.path.join(args.folder, name) for name in ("figures.json", "pictures"))
    runs = {"-".join(str(part) for part in (name, args.length, seed) if part is not None): (name, seed)
            for seed in args.seeds for name in args.runs}
    machine.check_ours(path, pictures, *(os.path.join(args.folder, name) for name in ("classifier.keras", *runs)))
    figures = machine.Figures(path, which, "classifier", "samples", "runs")
    classifier = classifier_of(args.folder, images, labels)
    features, _ = judge_digits.look(classifier, held_out)
    if not figures["classifier"]:
        begin(figures, classifier, images, held_out, held_out_labels)
    for key, (name, seed) in runs.items():
        if key in figures["runs"]:
            continue
        if name == "dcgan" and not os.path.exists(pictures):
            judge_digits.write(images, pictures + ".part")
            os.rename(pictures + ".part", pictures)
        generator = train(name, seed, args.length, args.data, pictures, os.path.join(args.folder, key))
        digits = judge_digits.generate(RUNS[name][0], generator, COUNT)
        figures.keep("runs", key, judge_digits.judge(classifier, digits, features))
    show(figures.found)


if __name__ == "__main__":
    machine.run(main)
