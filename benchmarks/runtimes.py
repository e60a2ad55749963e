"""The generator in every runtime that it is exported to: pictures a second, and the sizes of the files.

  python benchmarks/runtimes.py --json runtimes.json

Trains a model for one step (or takes --checkpoint_dir), exports it in every format, and lets the session, TensorFlow
with the SavedModel, ONNX Runtime, LiteRT and the page in a headless Chromium draw in turns, each in a process of its
own, --seconds at a time, --rounds times; the table has the medians. Each has --threads threads: with more, figures mean
something only on an idle machine, as the pools wait for one another. The page, which has one, is measured inside the
browser, with WebAssembly and with WebGL, which a processor computes where there is no graphics card. Needs
pip install '.[test]', chromium and chromedriver.
"""
import atexit
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time

import machine
from machine import at_least, file_type, path_type, positive, power_of_two, table, version, write_figures

import numpy as np
from sample import make_model
from scale import run

from gantut.errors import UserError, one_line
from gantut.scripts import argument_parser
from gantut.seeding import sample_z

EXPORTS = {"saved_model": "export", "onnx": "export.onnx", "tflite": "export.tflite", "page": "page.html"}
PAGE = """
const [n, seconds, done] = arguments;
(async () => {
  const zs = Array.from({length: n}, (_, i) => noise(i));
  await draw(zs);
  const began = performance.now();
  let count = 0;
  for (; performance.now() - began < 1000 * seconds; count += n) await draw(zs);
  return 1000 * count / (performance.now() - began);
})().then(done);"""


def session(work, threads):
    import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

    import tensorflow.compat.v1 as tf

    from gantut.sampler import Sampler, load_model
    from gantut_gan import DCGAN
    config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    return Sampler(load_model(DCGAN, tf.Session(config=config), work), 1).draw_all


def saved_model(work, threads):
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    loaded = tf.saved_model.load(os.path.join(work, "export"))
    return lambda z: loaded.signatures["serving_default"](z=tf.constant(z))["images"].numpy()


def onnx(work, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    loaded = onnxruntime.InferenceSession(os.path.join(work, "export.onnx"), options)
    return lambda z: loaded.run(None, {"z": z})


def tflite(work, threads):
    from ai_edge_litert.interpreter import Interpreter
    loaded = Interpreter(os.path.join(work, "export.tflite"), num_threads=threads)
    runner = loaded.get_signature_runner("serving_default")
    return lambda z: runner(z=z)


def page(work, backend):
    """Pictures/s of the page for (n, seconds)."""
    from selenium import webdriver
    options, folder = webdriver.ChromeOptions(), tempfile.mkdtemp(dir=work)
    options.binary_location = shutil.which("chromium")
    for option in ("--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
                   "--no-first-run", "--disable-background-networking", "--user-data-dir=" + folder):
        options.add_argument(option)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    atexit.register(driver.quit)
    driver.set_script_timeout(600)
    driver.get(f"file://{work}/page.html#{backend}")
    while driver.execute_script("return busy"):
        time.sleep(0.1)
    if driver.execute_script("return tf.getBackend()") != backend:
        raise UserError(f"no {backend} in this Chromium")
    return lambda n, seconds: driver.execute_async_script(PAGE, n, seconds)


def timed(draw, z_dim):
    """Pictures/s of a function that draws, for (n, seconds)."""
    def measure(n, seconds):
        z = np.float32(sample_z(1, range(n), z_dim))
        draw(z)
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            draw(z)
            count += n
        return count / (time.perf_counter() - began)
    return measure


RUNTIMES = {"session": session, "TensorFlow, SavedModel": saved_model, "ONNX Runtime": onnx, "LiteRT": tflite,
            "page in Chromium, WebAssembly": "wasm", "page in Chromium, WebGL without a graphics card": "webgl"}


def serve(connection, name, work, args):
    """One runtime's process: answers (n, seconds) with pictures/s, or with a UserError."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the benchmark ends it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # and so its browser
    made = RUNTIMES[name]
    try:
        measure = page(work, made) if isinstance(made, str) else timed(made(work, args.threads), args.z_dim)
        connection.send("ready")
        while True:
            connection.send(measure(*connection.recv()))
    except Exception as error:
        connection.send(UserError(f"{name}: {one_line(error)}"))


def answer(connection, name):
    """What a runtime's process sends next; UserError if that is one, or if the process has been killed."""
    try:
        sent = connection.recv()
    except EOFError:
        raise UserError(f"{name}: its process was killed; out of memory?") from None
    if isinstance(sent, UserError):
        raise sent
    return sent


def size(path):
    """MB of a file, or of all in a folder."""
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names] or [path]
    return sum(map(os.path.getsize, paths)) / 1e6


def measure_all(work, args):
    """Pictures/s: {runtime: {n: one figure a round}}."""
    context, found, connections, processes = multiprocessing.get_context("spawn"), {}, {}, []
    try:
        for name in RUNTIMES:
            connections[name], end = context.Pipe()
            processes.append(context.Process(target=serve, args=(end, name, work, args), daemon=True))
            processes[-1].start()
            end.close()
            answer(connections[name], name)
            found[name] = {n: [] for n in args.batches if n == 1 or callable(RUNTIMES[name])}  # the page draws one
        for _ in range(args.rounds):
            for n in args.batches:
                for name, connection in connections.items():
                    if n in found[name]:
                        connection.send((n, args.seconds))
                        found[name][n].append(answer(connection, name))
            print({name: [round(one[-1], 1) for one in figures.values()] for name, figures in found.items()},
                  file=sys.stderr)
    finally:
        for process in processes:
            process.terminate()
            process.join()
    return found


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--checkpoint_dir", type=path_type, help="a trained model, in place of one made here")
    parser.add_argument("--image_size", type=power_of_two, default=64, help="of the model made here")
    parser.add_argument("--gf_dim", type=at_least(1), default=32, help="of the model made here")
    parser.add_argument("--z_dim", type=at_least(1), default=100, help="of the model given")
    parser.add_argument("--batches", type=at_least(1), nargs="+", default=[1, 64], help="pictures a call")
    parser.add_argument("--rounds", type=at_least(1), default=7)
    parser.add_argument("--seconds", type=positive, default=1.5, help="for each figure, at least")
    parser.add_argument("--limit", type=positive, default=300, help="seconds for each export")
    parser.add_argument("--threads", type=at_least(1), default=1, help="of each runtime, and of the training")
    parser.add_argument("--json", type=file_type, help="where to write the results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        shutil.copytree(args.checkpoint_dir or make_model(work, args), work, dirs_exist_ok=True)
        for form, out in EXPORTS.items():
            flags = {"mode": "page"} if form == "page" else {"mode": "export", "format": form}
            _, _, note = run("gantut_sample.py", {**flags, "checkpoint_dir": work, "out": os.path.join(work, out)},
                             args.limit)
            if note:
                raise UserError(f"the export: {note}")
        sizes = {form: size(os.path.join(work, out)) for form, out in EXPORTS.items()}
        found = measure_all(work, args)
    versions = {name: version(name) for name in ("onnxruntime", "ai-edge-litert", "tf2onnx")}
    write_figures(args.json, versions=versions, flags=vars(args), sizes=sizes, rounds=found)
    table(["pictures/s", *(f"{n} a call" for n in args.batches)],
          [[name, *(f"{np.median(one[n]):.1f}" if n in one else "" for n in args.batches)]
           for name, one in found.items()])
    table(["file", "MB"], [[form, f"{mb:.1f}"] for form, mb in sizes.items()])


if __name__ == "__main__":
    machine.run(main, "stopped")
