"""What the benchmarks share: the project's path, trainings, figures, tables, the machine. Import it first."""
import argparse
import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec

import numpy as np
from filelock import FileLock

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PRECISIONS = ["float32", "bfloat16", "auto"]  # the trainer's
sys.path[:0] = [ROOT, *(os.path.join(ROOT, folder) for folder in ("data", "variants"))]

from gantut.__main__ import describe, version  # noqa: E402, F401  (for a benchmark's JSON)
from gantut.console import protect, reopen_closed  # noqa: E402
from gantut.errors import UserError, check_writable, temporary_folder, write_whole, writing  # noqa: E402
from gantut.metrics import BEST  # noqa: E402
from gantut.scripts import SIGNALS, at_least, call  # noqa: E402, F401


def run(main, words="stopped; the same command continues"):
    """Call main() of a benchmark: a signal ends it, and what it has started, which saves if it is a training.

    A stream that cannot be written to, such as a closed pipe, ends nothing. words: printed after a signal.
    """
    def stop(*_):
        sys.exit(words)
    reopen_closed()
    protect()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup does with SIGHUP
            signal.signal(number, stop)
    call(main)


def positive(text):
    """A type of a flag for argparse, as at_least() makes them: a number above 0."""
    with contextlib.suppress(ValueError):
        if 0 < float(text) < float("inf"):  # False for nan
            return float(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")


def power_of_two(text):
    """The same: a size of pictures that the networks can have, as the trainer's --image_size."""
    if text.isdecimal() and int(text) >= 8 and int(text) & (int(text) - 1) == 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' must be a power of two, 8 or more")


def path_type(text):
    """The same: the path of a file or folder; ~ is the home folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path")
    return os.path.expanduser(text)


def file_type(text):
    """The same: a file to write in the end, so it is tried now."""
    path = path_type(text)
    try:
        check_writable(path)
    except UserError as error:  # which argparse would take for a value of the wrong kind
        raise argparse.ArgumentTypeError(str(error)) from None
    return path


def check_ours(record, *paths):
    """Raise UserError if something is at the paths that a benchmark writes, but its record, a file, is not there."""
    there = [path for path in paths if os.path.lexists(path)]
    if there and not os.path.exists(record):
        raise UserError(f"{there[0]} is there, but not from this benchmark: it would have left {record}; move it away, "
                        "or give another folder")


@contextlib.contextmanager
def new_folder(path):
    """Yield a folder to write into; when that has succeeded, it becomes path. Before, nothing is there."""
    with writing(path):
        beside = os.path.dirname(os.path.abspath(path))
        os.makedirs(beside, exist_ok=True)
        with temporary_folder(prefix=".part-", dir=beside) as part:
            folder = os.path.join(part, "new")
            os.mkdir(folder)
            yield folder
            os.rename(folder, path)


def need_torch():
    """UserError where PyTorch is not installed: called after the flags are read, so that --help is shown without it."""
    if not find_spec("torch"):
        raise UserError("this needs PyTorch: pip install torch")


def trainer(folder, *flags):
    """The command line of a training whose model, samples and logs are in a folder of its own."""
    places = [part for name, place in (("checkpoint_dir", "checkpoint"), ("sample_dir", "samples"),
                                       ("logs_dir", "logs")) for part in ("--" + name, os.path.join(folder, place))]
    return [sys.executable, os.path.join(ROOT, "gantut_trainer.py"), *places, *map(str, flags)]


def trained(command, log=None):
    """Run a training; returns what it has printed, if that does not go to log, an open file, with its errors.

    When the benchmark is stopped, so is the training, which saves.
    """
    streams = {"stdout": log, "stderr": subprocess.STDOUT} if log else {"stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, start_new_session=True,  # Ctrl-C reaches it only from here
                          **streams) as process:
        try:
            said, _ = process.communicate()
        finally:
            process.terminate()
    if process.returncode:
        see = f": see {log.name}" if log else ""
        raise UserError(f"{os.path.basename(command[1])} ended with exit code {process.returncode}{see}")
    return said


@contextlib.contextmanager
def child(command, **streams):
    """A process, which is killed at the end of the block with all that it has started; .errors: a file with its stderr.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors, subprocess.Popen(
            command, text=True, errors="replace", start_new_session=True, **{"stderr": errors, **streams}) as process:
        process.errors = errors
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            if process.stdin:
                with contextlib.suppress(BrokenPipeError):  # what it has not read
                    process.stdin.close()


def has_ended(process, name):
    """The UserError for a process of child() that should not have ended."""
    code = process.wait()
    process.errors.seek(0)
    return UserError(f"{name} ended with exit code {code}: {last_line(process.errors.read())}")


def last_line(stderr):
    """What a process has said last, which is why it ended."""
    return next(filter(None, map(str.strip, reversed(stderr.splitlines()))), "killed?").removeprefix("error: ")


def step_seconds(stdout):
    """The median of the seconds of a step in the last epoch, from what the trainer has printed of it."""
    steps = re.findall(r"Epoch \[ *(\d+)\].*? time: ([\d.]+)", stdout)
    times = [float(time) for epoch, time in steps if epoch == steps[-1][0]]
    if len(times) < 2:
        raise UserError("an epoch needs two steps to measure the time of one: take more pictures, or smaller batches")
    return float(np.median(np.diff(times)))


def in_turns(names, seconds_of, known):
    """The seconds of a step of those names that are not known yet, measured in turn: {name: seconds}.

    seconds_of: measures one. known: {name: seconds} of earlier; the first of them takes its turns too, and how much
    longer another takes within a round, the median, is what counts, whatever the machine's speed is now.
    """
    missing = [name for name in names if name not in known]
    if not missing:
        return {}
    reference = next(iter(known), missing[0])
    found = [{name: seconds_of(name) for name in dict.fromkeys([reference, *missing])} for _ in range(3)]
    seconds = known.get(reference) or np.median([one[reference] for one in found])
    return {name: float(seconds * np.median([one[name] / one[reference] for one in found])) for name in missing}


def judged(epochs, times=20):
    """(How many epochs to train, after how many of them to judge): about so many times, the last one too."""
    every = max(1, round(epochs / times))
    return max(1, round(epochs / every)) * every, every


def curve(sample_dir):
    """What the judge has written during a training: a list of (epochs, steps, mean SWD)."""
    with open(os.path.join(sample_dir, "scores.csv"), newline="", encoding="utf-8") as file:
        return [(int(row["epoch"]) + 1, int(row["step"]), float(row[BEST])) for row in csv.DictReader(file)]


def spread(values):
    """The mean of some seeds, and their standard deviation if there are several, in words."""
    return f"{np.mean(values):.1f}" + (f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else "")


def table(header, rows):
    """Print a markdown table."""
    for row in [header, ["---"] * len(header), *rows]:
        print("|", " | ".join(map(str, row)), "|", flush=True)


def write_figures(path, **figures):
    """Write figures, and the machine, to a JSON file; path: the flag --json, which may be None."""
    if path:
        write_whole(path, json.dumps({"machine": describe(), **figures}, indent=1), to_disk=True)


class Figures:
    """The figures of a benchmark in a JSON file, from which the same command continues: {kind: {key: figure}}.

    flags: what all figures must have in common; UserError if those in the file are of others. Several processes may
    keep figures in one file.
    """

    def __init__(self, path, flags, *kinds):
        self.path, self.kinds = path, kinds
        self.found = {"machine": describe(), "flags": flags, **{kind: {} for kind in kinds}}
        with FileLock(path + ".lock"):
            if os.path.exists(path):
                self.read()
            else:
                self.write()
        other = [name for name, value in flags.items() if self.found["flags"].get(name) != value]
        if other:
            raise UserError(f"{path} was made with other flags ({', '.join(other)}): use another file or folder")

    def read(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                self.found = json.load(file)
            if not all(isinstance(self.found[kind], dict) for kind in ("flags", *self.kinds)):
                raise ValueError
        except (ValueError, TypeError, KeyError):
            raise UserError(f"{self.path} is damaged, or of another program: restore it from a copy, or begin "
                            "again with another file or folder") from None

    def write(self):
        write_whole(self.path, json.dumps(self.found, indent=1), to_disk=True)

    def __getitem__(self, kind):
        return self.found[kind]

    def keep(self, kind, key, figure):
        with FileLock(self.path + ".lock"):
            self.read()  # what another process has kept meanwhile
            self.found[kind][key] = figure
            self.write()
