"""The last check: files that pass all other checks must also train, in a process as the reader would start it."""
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

from .judging import Wrong, need, readers
from .start import skeleton

SECONDS = 300  # that such a short training may take, by the clock
FLAGS = ["--dataset", "pictures", "--epoch", "1", "--batch_size", "4"]
SMALL = ["--image_size", "64", "--gf_dim", "8"]  # the text's D works only for 64 x 64 with 64 filters
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
                hint = "; is config.train_size used?" if flags else ""
                run.check(2, "checkpoint/DCGAN.model-*.index", f"{pictures} pictures in batches of 4{hint}")
        finally:
            for run in runs:
                run.process.kill()
                run.process.wait()


def lesson(_):
    """The lesson trains two epochs, and saves."""
    with tempfile.TemporaryDirectory() as place:
        run = Training(os.path.join(readers.folder, "mnist_gan.py"), ["--epochs", "2"], None, [], place)
        try:
            run.check(2, "runs/*/checkpoints/generator.ckpt.index", "it should train two epochs")
        finally:
            run.process.kill()
            run.process.wait()


def write_pictures(folder, n):
    os.makedirs(folder)
    for i in range(n):
        noise = np.random.RandomState(i).randint(0, 256, [64, 64, 3])
        Image.fromarray(noise.astype(np.uint8)).save(os.path.join(folder, f"{i}.png"))


def the_trainer(place):
    """The reader's own trainer, or otherwise the one that start.py writes, in the folder `place`; its flags; and the
    folder where it must look for the reader's files."""
    script, folder = os.path.join(readers.folder, "gantut_trainer.py"), None
    if not os.path.exists(script):
        script, folder = os.path.join(place, "gantut_trainer.py"), readers.folder
        with open(script, "w", encoding="utf-8") as file:
            file.write(skeleton("gantut_trainer.py"))
    with open(script, encoding="utf-8") as file:
        return script, FLAGS + (SMALL if "gf_dim" in file.read() else SMALL[:2]), folder  # the text's has no --gf_dim


class Training:
    """A script that runs in the folder `place`. path: another folder where Python looks for modules."""

    def __init__(self, script, known, path, flags, place):
        self.place = place
        self.call = f"python {os.path.basename(script)} {' '.join(known + flags)}"
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}  # this process may have taken the GPU's memory
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH")]))
        with open(os.path.join(place, "stdout"), "wb") as out, open(os.path.join(place, "stderr"), "wb") as err:
            self.process = subprocess.Popen([sys.executable, script, *known, *flags], cwd=place, stdout=out, stderr=err,
                                            stdin=subprocess.DEVNULL, env=environment)

    def check(self, n, checkpoint, words):
        """Raise Wrong unless it succeeds, prints n lines with Epoch, and writes a checkpoint."""
        try:
            code = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise Wrong(f"{self.call} has not ended after {SECONDS} seconds") from None
        said, complaints = self.lines("stdout"), self.lines("stderr")
        need(code == 0, f"{self.call} ends with exit code {code}: {(complaints or ['without a message'])[-1]}")
        steps = sum("Epoch" in line for line in said)
        need(steps == n, f"{self.call} prints {steps} lines with Epoch, expected {n}: {words}")
        need(glob.glob(os.path.join(glob.escape(self.place), checkpoint)),
             f"{self.call} writes no checkpoint {checkpoint}")

    def lines(self, name):
        """What it wrote to stdout or stderr, without empty lines."""
        with open(os.path.join(self.place, name), encoding="utf-8", errors="replace") as file:
            return [line.strip() for line in file if line.strip()]
