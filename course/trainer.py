"""The last check: what passes all the others also trains, as a process, as the reader would start it."""
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

from .judging import Wrong, need, readers
from .start import skeleton

SECONDS = 300  # that so short a training may take, by the clock
FLAGS = ["--dataset", "pictures", "--epoch", "1", "--batch_size", "4"]
SMALL = ["--image_size", "64", "--gf_dim", "8"]  # the text's D knows 64 x 64 with 64 filters only
CASES = [(8, []), (12, ["--train_size", "8"])]  # pictures, flags: two batches of 4 each


def trainer(_):
    """Part 5's trainer trains two steps with the reader's files, and saves; the reader's own, if there is one."""
    with tempfile.TemporaryDirectory() as temporary:
        runs = []
        try:
            for pictures, flags in CASES:
                place = os.path.join(temporary, str(pictures))
                write_pictures(os.path.join(place, "pictures"), pictures)
                runs.append(Training(*the_trainer(place), flags, place))
            for run, (pictures, flags) in zip(runs, CASES):
                run.check(2, "checkpoint/DCGAN.model-*.index", "{} pictures in batches of 4{}".format(
                    pictures, "; is config.train_size heeded?" if flags else ""))
        finally:
            for run in runs:
                run.process.kill()
                run.process.wait()


def lesson(_):
    """The lesson trains two epochs, and saves."""
    with tempfile.TemporaryDirectory() as place:
        run = Training(os.path.join(readers.folder, "mnist_gan.py"), ["--epochs", "2"], None, [], place)
        try:
            run.check(2, "runs/*/checkpoints/generator.ckpt.index", "it was to train two epochs")
        finally:
            run.process.kill()
            run.process.wait()


def write_pictures(folder, n):
    os.makedirs(folder)
    for i in range(n):
        noise = np.random.RandomState(i).randint(0, 256, [64, 64, 3])
        Image.fromarray(noise.astype(np.uint8)).save(os.path.join(folder, "{}.png".format(i)))


def the_trainer(place):
    """The reader's own trainer, or else the one that start.py hands out, in place; the flags that it knows; and the
    folder in which it is to look for the reader's files."""
    script, folder = os.path.join(readers.folder, "gantut_trainer.py"), None
    if not os.path.exists(script):
        script, folder = os.path.join(place, "gantut_trainer.py"), readers.folder
        with open(script, "w", encoding="utf-8") as file:
            file.write(skeleton("gantut_trainer.py"))
    with open(script, encoding="utf-8") as file:
        return script, FLAGS + (SMALL if "gf_dim" in file.read() else SMALL[:2]), folder  # the text's has no --gf_dim


class Training:
    """A script at work in a place. path: a folder in which Python looks for modules as well."""

    def __init__(self, script, known, path, flags, place):
        self.place = place
        self.call = "python {} {}".format(os.path.basename(script), " ".join(known + flags))
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}  # this process may have taken the GPU's memory
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH")]))
        with open(os.path.join(place, "stdout"), "wb") as out, open(os.path.join(place, "stderr"), "wb") as err:
            self.process = subprocess.Popen([sys.executable, script, *known, *flags], cwd=place, stdout=out, stderr=err,
                                            stdin=subprocess.DEVNULL, env=environment)

    def check(self, n, checkpoint, words):
        """Raise Wrong unless it ends well, with n lines that say Epoch, and a checkpoint."""
        try:
            code = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise Wrong("{} has not ended after {} seconds".format(self.call, SECONDS)) from None
        said, complaints = self.lines("stdout"), self.lines("stderr")
        need(code == 0, "{} ends with exit code {}: {}".format(self.call, code, (complaints or ["without a word"])[-1]))
        steps = sum("Epoch" in line for line in said)
        need(steps == n, "{} prints {} lines with Epoch, expected {}: {}".format(self.call, steps, n, words))
        need(glob.glob(os.path.join(glob.escape(self.place), checkpoint)), "{} leaves no checkpoint {}".format(
            self.call, checkpoint))

    def lines(self, name):
        """What it wrote there, without empty lines."""
        with open(os.path.join(self.place, name), encoding="utf-8", errors="replace") as file:
            return [line.strip() for line in file if line.strip()]
