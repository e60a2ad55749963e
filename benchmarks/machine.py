"""What the benchmarks share: the project's path, what a training printed, tables, the machine. Import it first."""
import csv
import os
import re
import subprocess
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, *(os.path.join(ROOT, folder) for folder in ("data", "variants"))]

from gantut.__main__ import describe, version  # noqa: E402, F401  (for a benchmark's JSON)
from gantut.errors import UserError  # noqa: E402
from gantut.metrics import BEST  # noqa: E402


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


def step_seconds(stdout):
    """The median of the seconds of a step, from what the trainer has printed of it."""
    return float(np.median(np.diff([float(time) for time in re.findall(r"time: ([\d.]+)", stdout)])))


def curve(sample_dir):
    """What the judge has written during a training: a list of (epochs, steps, mean SWD)."""
    with open(os.path.join(sample_dir, "scores.csv"), newline="", encoding="utf-8") as file:
        return [(int(row["epoch"]) + 1, int(row["step"]), float(row[BEST])) for row in csv.DictReader(file)]


def spread(values):
    """The mean and the standard deviation of some seeds, in words."""
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=int(len(values) > 1)):.1f}"


def table(header, rows):
    """Print a markdown table."""
    for row in [header, ["---"] * len(header), *rows]:
        print("|", " | ".join(map(str, row)), "|", flush=True)
