"""What the benchmarks share: the machine they ran on, how they print, and that they find the project. Import it first.
"""
import os
import platform
import sys
from importlib import metadata

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, *(os.path.join(ROOT, folder) for folder in ("data", "variants"))]


def describe():
    """The machine and the versions of what does the work, for a benchmark's JSON; None for what is not installed."""
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


def table(header, rows):
    """Print a markdown table."""
    for row in [header, ["---"] * len(header), *rows]:
        print("| {} |".format(" | ".join(map(str, row))), flush=True)
