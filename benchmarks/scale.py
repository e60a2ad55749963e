"""How the training scales: step time and peak memory over its sizes; start-up time and memory over many files.

  python benchmarks/scale.py --json scale.json

Each row is a process of its own that runs gantut_trainer.py. A step is the time between two of its progress lines,
without the first two steps, in which it builds and saves; the row has the median. Memory is the most that was
resident, and holds the grid of 64 samples that the trainer draws at the end of an epoch, whatever the batch. Start-up
is the time from the start of the process to its first progress line, with a tiny model and files that were written
just before. One size is changed at a time; df_dim is as gf_dim. GFLOP are those of the convolutions and products in a
step. The files lie under TMPDIR and are removed at the end.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from types import SimpleNamespace

import machine
from machine import PRECISIONS, ROOT, at_least, file_type, positive, table, write_figures

import imageio.v3 as iio
import numpy as np
from make_faces import draw_face
from step import work as gflop_of

from gantut.scripts import argument_parser

FULL = ({"image_size": 64, "batch_size": 64, "gf_dim": 64},  # the sizes, and the values that each takes in turn
        {"image_size": [16, 32, 64, 128, 256], "batch_size": [1, 16, 64, 256], "gf_dim": [16, 32, 64, 128]})
QUICK = ({"image_size": 16, "batch_size": 4, "gf_dim": 8},
         {"image_size": [16, 32], "batch_size": [1, 4], "gf_dim": [4, 8]}, [100, 1000])
PROGRESS = re.compile(r"Epoch \[ *\d+\] \[ *\d+/ *\d+\] time: ([\d.]+)")


def run(script, flags, limit):
    """Run a script of the project, at most limit seconds.

    Returns its lines [(seconds since its start, line)], its peak resident memory in MB, and what went wrong or "".
    """
    words = [f"--{name}={value}" for name, value in flags.items()]
    start = time.perf_counter()
    with machine.child([sys.executable, os.path.join(ROOT, script), *words], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT) as process:
        timer = threading.Timer(limit, os.kill, [process.pid, signal.SIGKILL])
        timer.daemon = True  # a stopped benchmark does not wait for it
        timer.start()
        lines = [(time.perf_counter() - start, line.strip()) for line in process.stdout]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode == -signal.SIGKILL:
        note = f"stopped after {limit:g} s" if timer.finished.is_set() else "killed: out of memory?"
    else:
        note = f"exit code {process.returncode}: {lines and lines[-1][1]}" if process.returncode else ""
    timer.cancel()
    return lines, round(usage.ru_maxrss * 1024 / 1e6), note


def train(work, dataset, limit, **flags):
    """Train from the start in the folder work; returns its steps [(seconds since its start, its own time)], its peak
    memory in MB, and a note."""
    for name in ("checkpoint_dir", "sample_dir", "logs_dir"):
        flags[name] = os.path.join(work, name)
        shutil.rmtree(flags[name], ignore_errors=True)
    lines, memory, note = run("gantut_trainer.py", {"fast": True, "dataset": dataset, "epoch": 1, **flags}, limit)
    return [(seconds, float(when)) for seconds, line in lines for when in PROGRESS.findall(line)], memory, note


def make_pictures(folder, count, size):
    """Write count drawn faces, 16 of them different."""
    os.makedirs(folder)
    faces = [draw_face(2, i, size) for i in range(min(count, 16))]
    for i in range(count):
        iio.imwrite(os.path.join(folder, f"{i:05d}.png"), faces[i % 16])


def steps_row(cell, args, work):
    """Measure the steps of one cell, a dict of sizes."""
    dataset = os.path.join(work, "pictures")
    make_pictures(dataset, cell["batch_size"] * args.steps, cell["image_size"])
    steps, memory, note = train(work, dataset, args.limit, threads=args.threads, precision=args.precision,
                                df_dim=cell["gf_dim"], **cell)
    shutil.rmtree(dataset)
    times = np.diff([when for _, when in steps])[1:]  # after the first step there is a checkpoint
    step = float(np.median(times)) if len(times) else None
    gflop = gflop_of(SimpleNamespace(**cell))[0]
    return {**cell, "GFLOP": gflop, "s/step": step, "images/s": step and cell["batch_size"] / step,
            "GFLOP/s": step and gflop / step, "peak MB": memory, "note": note}


def add_files(folder, first, count):
    """Write the files first to count, tiny pictures, all of different bytes."""
    os.makedirs(folder, exist_ok=True)
    noise = np.random.RandomState(1).randint(0, 256, [256, 16, 16, 3], np.uint8)
    pictures = [iio.imwrite("<bytes>", pixels, extension=".png") for pixels in noise]
    for i in range(first, count):
        with open(os.path.join(folder, f"{i:06d}.png"), "wb") as file:
            file.write(pictures[i % 256] + i.to_bytes(4, "big"))  # what follows a PNG's end is ignored


def start_row(files, args, work):
    """Measure the start with this many files."""
    steps, memory, note = train(work, os.path.join(work, "files"), args.limit, image_size=16, batch_size=8, gf_dim=4,
                                df_dim=4, train_size=16, threads=args.threads)
    return {"files": files, "s to first step": steps[0][0] if steps else None, "peak MB": memory, "note": note}


def measure(cells, args):
    """All rows; each is shown on stderr as soon as it is measured."""
    results = {"steps": [], "start": []}
    with tempfile.TemporaryDirectory() as work:
        for cell in cells:
            results["steps"].append(steps_row(cell, args, work))
            print(results["steps"][-1], file=sys.stderr)
        for before, files in zip([0, *args.files], args.files):
            add_files(os.path.join(work, "files"), before, files)
            results["start"].append(start_row(files, args, work))
            print(results["start"][-1], file=sys.stderr)
    return results


def show(rows, names):
    """Print these entries of the rows."""
    shown = {float: "{:.4g}".format, type(None): lambda _: "-"}
    table(names, [[shown.get(type(row[name]), str)(row[name]) for name in names] for row in rows])


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--steps", type=at_least(3), default=6, help="of each run")
    parser.add_argument("--limit", type=positive, default=300, help="seconds for each run")
    parser.add_argument("--files", type=at_least(1), nargs="*", default=[1000, 10000, 100000, 200000],
                        help="of the start-up")
    parser.add_argument("--quick", action="store_true", help="small sizes and few files, to try the benchmark")
    parser.add_argument("--precision", default="float32", choices=PRECISIONS, help="as the trainer's")
    parser.add_argument("--threads", type=at_least(0), default=0, help="as the trainer's")
    parser.add_argument("--json", type=file_type, help="where to write the results")
    args = parser.parse_args()
    default, sizes, args.files = QUICK if args.quick else (*FULL, sorted(args.files))
    cells = [default] + [{**default, name: value} for name in sizes for value in sizes[name] if value != default[name]]
    results = measure(cells, args)
    write_figures(args.json, threads=args.threads, precision=args.precision, **results)
    show(results["steps"], ["image_size", "batch_size", "gf_dim", "GFLOP", "s/step", "images/s", "GFLOP/s", "peak MB",
                             "note"])
    print()
    show(results["start"], ["files", "s to first step", "peak MB", "note"])


if __name__ == "__main__":
    machine.run(main, "stopped")
