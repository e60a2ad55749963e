"""Measure the loader: images/s against PyTorch's DataLoader and tf.data, and the fraction of a step spent waiting.

  python benchmarks/loader.py --json loader.json
  python benchmarks/loader.py --count 4000 --rounds 1 --only cold

Makes 64 x 64 PNGs in a temporary folder, then reads all of them, in a random order and in batches of 64, as float32 in
[-1, 1]: cold (every picture decoded) and cached (a second and third pass with all decoded pictures in memory). "Cold"
is about decoding: the files themselves are in the system's cache for everyone. Each measurement is a process of its
own; they take turns, round by round, and each ratio is that of two measurements of the same round.

Then it trains the full-size model for some steps with nothing cached and measures how long the loop waits for its
batches. Last, it starts on 200,000 files (hard links) and measures time and memory.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from types import SimpleNamespace

import machine
from machine import at_least, file_type

import numpy as np
from PIL import Image

from gantut.errors import UserError
from gantut.scripts import argument_parser

BATCH = 64
FACES = 100
PARTS = ["cold", "cached", "waiting", "start"]
FEWEST = 6 * BATCH  # of the first batches, five at most, are not counted, cold


def make_pictures(folder, count):
    """Write count PNGs: drawn faces, each shifted and in other colours, so that no two are the same."""
    import make_faces
    faces = [make_faces.draw_face(9, i).astype(int) for i in range(min(FACES, count))]

    def write(i):
        rng = np.random.RandomState(i)
        face = np.roll(faces[i % len(faces)], rng.randint(64), axis=1) + rng.randint(-9, 10, 3)
        Image.fromarray(face.clip(0, 255).astype(np.uint8)).save(os.path.join(folder, f"{i:06d}.png"))

    os.makedirs(folder)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, range(count)))


def paths(folder):
    return sorted(entry.path for entry in os.scandir(folder))


# the contenders: each yields the batches of one pass after another, cached or not

def gantut(folder, workers, cached):
    data = pictures(folder, cache_mb=2**14 if cached else 0)
    data.threads = workers
    yield from data.batches()


def pictures(folder, cache_mb):
    import gantut_imgfuncs
    from gantut.batches import Pictures
    from gantut.image_loader import Loader
    config = SimpleNamespace(skip_bad_images=False, seed=1, cache_mb=cache_mb, mirror=False)
    files = paths(folder)
    np.random.RandomState(1).shuffle(files)
    return Pictures(files, Loader(gantut_imgfuncs, image_size=64), config, BATCH)


def pytorch(folder, workers, cached):
    """PyTorch's DataLoader, workers processes (0: none); cached, over one uint8 tensor in memory."""
    import torch
    files = paths(folder)

    def read(path):
        with Image.open(path) as image:
            return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)

    class Files(torch.utils.data.Dataset):
        kept = torch.stack([read(path) for path in files]) if cached else None

        def __len__(self):
            return len(files)

        def __getitem__(self, i):
            return (self.kept[i] if cached else read(files[i])).float() / 127.5 - 1

    loader = torch.utils.data.DataLoader(Files(), BATCH, shuffle=True, num_workers=workers, drop_last=True,
                                         persistent_workers=workers > 0)
    while True:
        yield from loader


def tf_data(folder, workers, cached):
    """tf.data, workers threads; cached, .cache() behind the decoder, a shuffle behind it."""
    import tensorflow as tf
    files = paths(folder)

    def read(path):
        return tf.ensure_shape(tf.io.decode_png(tf.io.read_file(path), 3), [64, 64, 3])

    data = tf.data.Dataset.from_tensor_slices(files)
    if cached:
        data = data.map(read, workers).cache().shuffle(len(files)).batch(BATCH, drop_remainder=True)
    else:
        data = data.shuffle(len(files)).map(read, workers).batch(BATCH, drop_remainder=True)
    data = data.map(lambda batch: tf.cast(batch, tf.float32) / 127.5 - 1, workers).prefetch(workers)
    options = tf.data.Options()
    options.threading.private_threadpool_size = workers
    yield from data.with_options(options).repeat().as_numpy_iterator()


CONTENDERS = {"gantut": (gantut, range(1, 5), "numpy"), "PyTorch DataLoader": (pytorch, range(5), "torch"),
              "tf.data": (tf_data, range(1, 5), "tensorflow")}


def speed(folder, name, workers, cached):
    """Images/s of one pass; cached, of the two passes after the first. Importing and listing files do not count."""
    batches = CONTENDERS[name][0](folder, workers, cached)
    steps = len(paths(folder)) // BATCH
    if cached:
        for _ in range(steps + 1):  # one batch more: PyTorch starts a pass with its first batch
            next(batches)
    else:
        next(batches)
        steps -= 1 + workers  # what is read ahead by then is not counted
    start = time.perf_counter()
    count = steps * (2 if cached else 1)
    for _ in range(count):
        next(batches)
    return count * BATCH / (time.perf_counter() - start)


# inside a training, and at its start

def waiting(folder, steps):
    """Train the full-size model with nothing cached; returns the seconds of each step and those it waited in."""
    import gantut.quiet

    import tensorflow.compat.v1 as tf

    import gantut.run
    from gantut.recipe import with_parts
    from gantut_gan import DCGAN
    marks = []

    class Timed(gantut.run.Pictures):
        def batches(self, step=0):
            batches = super().batches(step)
            while True:
                start = time.perf_counter()
                batch = next(batches)
                marks.append((start, time.perf_counter() - start))
                yield batch

    gantut.run.Pictures = Timed
    out = os.path.join(os.path.dirname(folder), "waiting")
    config = SimpleNamespace(epoch=1, learning_rate=0.0002, beta1=0.5, train_size=(steps + 1) * BATCH, dataset=folder,
                             checkpoint_dir=out, sample_dir=out, logs_dir=out, cache_mb=0, fast=True)
    with tf.Session() as sess:
        with_parts(DCGAN, config)(sess, batch_size=BATCH, checkpoint_dir=out).train(config)
    starts, waits = zip(*marks)
    return {"steps": np.diff(starts).tolist(), "waits": waits[:-1]}


def start(folder, cache_mb=100):
    """Start on very many files, and take twice as many batches as the cache holds.

    Returns the seconds until the first batch, and the memory in MB that the files and the batches took.
    """
    from gantut_gan import dataset_files
    begin, before = time.perf_counter(), peak_memory()
    files = dataset_files(folder)
    listed = time.perf_counter()
    data = pictures(folder, cache_mb)
    looked_over = peak_memory()
    batches = data.batches()
    next(batches)
    seconds = time.perf_counter() - begin
    for _ in range(2 * len(data.cache) // BATCH):
        next(batches)
    return {"files": len(files), "listing_s": listed - begin, "seconds": seconds, "cache_mb": cache_mb,
            "list_mb": looked_over - before, "batches_mb": peak_memory() - looked_over}


def peak_memory():
    """The most memory that this process has held, in MB (Linux)."""
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# the rounds

def measure(folder, *what):
    """speed(), waiting() or start() in a process of its own; its last line is the result as JSON."""
    command = [sys.executable, os.path.abspath(__file__), "--measure", json.dumps([folder, *what])]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        raise UserError(f"{what} failed: {machine.last_line(process.stderr)}")
    return json.loads(process.stdout.splitlines()[-1])


def all_rounds(folder, rounds, kinds):
    """Images/s as a dict {(kind, name, workers): one number of each round}."""
    names = [name for name, (_, _, package) in CONTENDERS.items() if find_spec(package)]
    for name in CONTENDERS.keys() - set(names):
        print(f"{name} is left out: not installed")
    cases = [(kind, name, workers) for kind in kinds for name in names for workers in CONTENDERS[name][1]]
    found = {case: [] for case in cases}
    for i in range(rounds):
        for kind, name, workers in cases:
            found[kind, name, workers].append(measure(folder, "speed", name, workers, kind == "cached"))
            print(f"round {i + 1} {kind} {name} {workers}: {found[kind, name, workers][-1]:,.0f}",
                  file=sys.stderr)
    return found


def summary(found):
    """The rows of the table. The last column: gantut with the threads it takes by itself, divided by this row."""
    rows = []
    for (kind, name, workers), speeds in found.items():
        ours = found[kind, "gantut", min(os.cpu_count(), 4)]
        rows.append({"pictures": kind, "loader": name, "workers": workers, "images/s": round(np.median(speeds)),
                     "lowest": round(min(speeds)), "highest": round(max(speeds)),
                     "gantut / it": round(float(np.median(np.divide(ours, speeds))), 2)})
    return rows


def link_many(folder, count):
    """Make count hard links to the pictures in folder, in a folder beside it."""
    many, files = os.path.join(os.path.dirname(folder), "many"), paths(folder)
    os.makedirs(many)
    for i in range(count):
        os.link(files[i % min(len(files), 1000)], os.path.join(many, f"{i:06d}.png"))
    return many


def main():
    parser = argument_parser((__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=at_least(FEWEST), default=20000, help="pictures [20000]")
    parser.add_argument("--rounds", type=at_least(1), default=5, help="measurements of each [5]")
    parser.add_argument("--steps", type=at_least(2), default=8, help="training steps [8]")
    parser.add_argument("--files", type=at_least(BATCH), default=200000, help="files to start on [200000]")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="what to measure [all]")
    parser.add_argument("--json", type=file_type, help="file for the numbers")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        folder, what, *rest = json.loads(args.measure)
        print("\n" + json.dumps({"speed": speed, "waiting": waiting, "start": start}[what](folder, *rest)))
        sys.stdout.flush()
        os._exit(0)  # so that the contenders' threads print nothing

    results = {"pictures": args.count, "batch": BATCH}
    with tempfile.TemporaryDirectory() as temporary:
        folder = os.path.join(temporary, "pictures")
        make_pictures(folder, args.count)
        kinds = [kind for kind in args.only if kind in ("cold", "cached")]
        if kinds:
            found = all_rounds(folder, args.rounds, kinds)
            results["speeds"] = summary(found)
            results["rounds"] = [[*case, speeds] for case, speeds in found.items()]
            machine.write_figures(args.json, **results)
            machine.table(list(results["speeds"][0]), [row.values() for row in results["speeds"]])
        if "waiting" in args.only:
            results["waiting"] = measure(folder, "waiting", args.steps)
            machine.write_figures(args.json, **results)
            steps, waits = results["waiting"].values()
            print(f"\nwaiting: {sum(waits):.3f} s of {sum(steps):.1f} s in {len(steps)} steps, "
                  f"{sum(waits) / sum(steps):.2%}; without the first {sum(waits[1:]) / sum(steps[1:]):.2%}")
        if "start" in args.only:
            one = results["start"] = measure(link_many(folder, args.files), "start")
            machine.write_figures(args.json, **results)
            print(f"\nstart: {one['files']:,} files, the first batch after {one['seconds']:.1f} s; "
                  f"{one['list_mb']:.0f} MB for the list, "
                  f"{one['batches_mb']:.0f} MB more with --cache_mb {one['cache_mb']}")
    print("\n" + ", ".join(f"{name} {value}" for name, value in machine.describe().items()))


if __name__ == "__main__":
    machine.run(main, "stopped")
