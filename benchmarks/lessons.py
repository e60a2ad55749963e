"""The lessons on MNIST, at their texts' sizes and steps, several seeds of each, judged as judge_digits.py does.

  python benchmarks/lessons.py --data mnist.npz --folder lessons
  python benchmarks/lessons.py --data mnist.npz --folder lessons --runs keras_gan mnist_dcgan --seeds 2 3

The training NAME with SEED is --folder/NAME-SEED: what the lesson leaves there, and log.txt, what it printed. "dcgan"
is the tutorial's class, trained by gantut_trainer.py on MNIST's training digits as pictures of 32 x 32. figures.json
keeps the judge's figures: a training that is in it is not done again. The same command continues a run that was
stopped: the trainer resumes its training, a lesson starts again. The table has all trainings that are done.
"""
import json
import os
import signal
import sys
import time

import machine
from machine import ROOT

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import judge_digits
import mnist
from tensorflow import keras

from gantut import scripts
from gantut.errors import UserError, write_whole
from gantut.scripts import argument_parser

RUNS = {  # the lesson, and its flags; each as long as in its text
    "keras_gan": ("keras_gan", []),
    "mnist_gan": ("mnist_gan", []),
    "mnist_gan_beta1": ("mnist_gan", ["--beta1", "0.5"]),
    "keras_dcgan": ("keras_dcgan", []),
    "mnist_dcgan": ("mnist_dcgan", []),
    "dcgan": ("gantut_trainer", ["--c_dim", "1", "--is_crop", "--image_size", "32"]),
}
COUNT = 1000  # samples of each
LENGTH = {"mnist_gan": "--epochs", "mnist_dcgan": "--steps", "keras_gan": "--epochs", "keras_dcgan": "--steps",
          "gantut_trainer": "--epoch"}


def train(name, seed, length, data, pictures, folder):
    """Train in a folder of its own; returns the folder that judge_digits.generate() takes."""
    lesson, flags = RUNS[name]
    if lesson == "gantut_trainer":
        generator, script = os.path.join(folder, "checkpoint"), "gantut_trainer.py"
        flags = ["--dataset", pictures, "--checkpoint_dir", generator, "--sample_dir", os.path.join(folder, "samples"),
                 "--logs_dir", os.path.join(folder, "logs"), *flags]
    else:
        generator, script = folder, os.path.join("variants", lesson + ".py")
        flags = ["--data", data, "--out_dir", folder, *flags]
    flags += ["--seed", str(seed), *([LENGTH[lesson], str(length)] if length else [])]
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "log.txt"), "a" if lesson == "gantut_trainer" else "w") as log:
        machine.trained([sys.executable, os.path.join(ROOT, script), *flags], log)
    return generator


def classifier_of(folder, images, labels):
    """The judge's classifier, trained once for the folder."""
    path = os.path.join(folder, "classifier.keras")
    if not os.path.exists(path):
        mnist.save_model(judge_digits.train_classifier(images, labels), folder, "classifier")
    return keras.models.load_model(path)


def begin(classifier, images, held_out, held_out_labels):
    """The figures that need no training of a GAN: of the classifier, of digits to train on, of noise."""
    features, probabilities = judge_digits.look(classifier, held_out)
    return {"machine": machine.describe(), "digits": [len(images), len(held_out)], "runs": {},
            "accuracy": float((probabilities.argmax(axis=1) == held_out_labels).mean()),
            "samples": {name: judge_digits.judge(classifier, digits, features)
                        for name, digits in judge_digits.references(images, COUNT).items()}}


def show(results):
    """Print the table of all that is done, a line for the seeds of each training."""
    accuracy, (_, held_out) = results["accuracy"], results["digits"]
    print(f"the classifier's accuracy on {held_out} held-out digits: {accuracy:.1%}\n")
    groups = {name: {"": figures} for name, figures in results["samples"].items()}
    for key, figures in results["runs"].items():
        name, seed = key.rsplit("-", 1)
        groups.setdefault(name, {})[seed] = figures
    machine.table([f"{COUNT} samples", "seeds", "classes of ten", "mean confidence", "Fréchet distance"], [
        [name, *(" ".join(column) for column in zip(*(
            [seed, str(f["classes"]), f"{f['confidence']:.3f}", f"{f['frechet']:.1f}"]
            for seed, f in sorted(group.items()))))] for name, group in groups.items()])


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--data", required=True, help="as the lessons' --data: mnist, or its file")
    parser.add_argument("--folder", required=True, help="for the trainings and their figures, and to continue from")
    parser.add_argument("--runs", nargs="+", default=list(RUNS), choices=RUNS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--length", type=int, help="epochs or steps, not the text's; the training is NAME-LENGTH-SEED")
    args = parser.parse_args()
    images, labels = mnist.load(args.data, "train")
    held_out, held_out_labels = mnist.load(args.data, "test")
    os.makedirs(args.folder, exist_ok=True)
    classifier = classifier_of(args.folder, images, labels)
    features, _ = judge_digits.look(classifier, held_out)

    path = os.path.join(args.folder, "figures.json")
    if os.path.exists(path):
        with open(path) as file:
            results = json.load(file)
        if results["digits"] != [len(images), len(held_out)]:
            raise UserError(f"{path} is of other digits than --data {args.data}: give another --folder")
    else:
        results = begin(classifier, images, held_out, held_out_labels)
    pictures = os.path.join(args.folder, "pictures")
    for seed in args.seeds:
        for name in args.runs:
            key = "-".join(str(part) for part in (name, args.length, seed) if part is not None)
            if key in results["runs"]:
                continue
            if name == "dcgan" and not os.path.exists(pictures):
                judge_digits.write(images, pictures + ".part")
                os.rename(pictures + ".part", pictures)
            start = time.monotonic()
            generator = train(name, seed, args.length, args.data, pictures, os.path.join(args.folder, key))
            digits = judge_digits.generate(RUNS[name][0], generator, COUNT)
            results["runs"][key] = {"seconds": time.monotonic() - start,
                                    **judge_digits.judge(classifier, digits, features)}
            write_whole(path, json.dumps(results, indent=1))
    show(results)


def stop(*_):
    sys.exit("stopped; the same command continues")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    scripts.call(main)
