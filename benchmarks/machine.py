"""What the benchmarks share: the project's path, what a training printed, tables, the machine. Import it first."""
import csv
import os
import platform
import re
import sys
from importlib import metadata

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, *(os.path.join(ROOT, folder) for folder in ("data", "variants"))]
BEST = "SWD, mean"  # the judge's score that counts


def describe():
    """The machine and the versions of the libraries, for a benchmark's JSON; None for what is not installed."""
    with open("/proc/cpuinfo") as file:
        cpu = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gb": round(memory / 1e9, 1), "system": platform.platform(),
            "python": platform.python_version(),
            **{name: version(name) for name in ("tensorflow", "numpy", "pillow", "torch")}}


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


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
