"""Measure the training step: as written, --fast, the text's, PyTorch's and Keras', in turn, in two precisions.

  python benchmarks/step.py --rounds 7 --json step.json

Each contender is a process of its own, and every round asks each of them for one step, one after the other, since the
machine's speed drifts; what counts is the ratio within a round. In each round a large matrix product is timed as well:
the fraction of its GFLOP/s that the step reaches shows how much of the time is arithmetic. Names that end in 16 are
bfloat16, and are compared with this project in bfloat16. What is not installed is left out. PyTorch: pip install torch.
A contender that cannot run, without a compiler or enough memory, ends the benchmark: leave it out of --only.
"""
import argparse
import contextlib
import importlib.util
import subprocess
import sys
import time

import machine
from machine import at_least, file_type, power_of_two, table, write_figures

import numpy as np

from gantut.scripts import argument_parser

CONTENDERS = {
    "ours": "--fast", "tenth": "--fast --losses_every 10", "written": "this project, as written",
    "text": "the tutorial's text, its lrelu", "plain": "--fast without summaries", "torch": "PyTorch, channels_last",
    "compile": "PyTorch, channels_last, torch.compile", "torch_written": "PyTorch, the tutorial's schedule, NCHW",
    "keras": "Keras 3, tf.function", "keras_written": "Keras 3, the tutorial's schedule",
    "product": "matrix product, 3000 x 3000",
    "ours16": "--fast, bfloat16", "tenth16": "--fast --losses_every 10, bfloat16", "written16": "as written, bfloat16",
    "torch16": "PyTorch, channels_last, autocast", "compile16": "PyTorch, channels_last, autocast, torch.compile",
    "keras16": "Keras 3, mixed_bfloat16", "product16": "matrix product, bfloat16"}
BY_THE_TEXT = ("written", "text", "torch_written", "keras_written")  # its schedule
PRODUCT = 2 * 3000 ** 3 / 1e9  # GFLOP


def make_step(name, args):
    """A function (images, z) that does one step of a contender, or one matrix product."""
    sizes = {"image_size": args.image_size, "gf_dim": args.gf_dim, "df_dim": args.gf_dim}
    half, written = name.endswith("16"), name.endswith("_written")
    if name.startswith(("torch", "compile")):
        from other_frameworks import Torch
        return Torch(compiled=name.startswith("compile"), shared=not written, channels_last=not written, bfloat16=half,
                     **sizes).step
    import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

    import tensorflow.compat.v1 as tf
    if name.startswith("keras"):
        from other_frameworks import Keras
        return Keras(shared=not written, bfloat16=half, **sizes).step
    import gantut_gan
    from gantut.fused_step import faster
    from gantut.session import session_config, set_precision
    config = session_config()
    precision = set_precision(config, "bfloat16" if half else "float32")
    sess = tf.Session(config=config)
    if name.startswith("product"):
        matrix = tf.Variable(tf.cast(tf.random_uniform([3000, 3000]), precision))
        product = tf.matmul(matrix, matrix).op
        sess.run(tf.global_variables_initializer())
        return lambda images, z: sess.run(product)
    if name == "text":
        gantut_gan.lrelu = lrelu
    Model = gantut_gan.DCGAN
    if name.startswith(("ours", "tenth", "plain")):
        Model = faster(Model, 10 if name.startswith("tenth") else 1)
    run = BareRun(Model(sess, **sizes), summaries=name != "plain")
    sess.run(tf.global_variables_initializer())
    return run.step


def lrelu(x, leak=0.2, name="lrelu"):
    """As in Part 4's text, four operations: the only layer that the project computes differently."""
    import tensorflow.compat.v1 as tf
    with tf.variable_scope(name):
        f1 = 0.5 * (1 + leak)
        f2 = 0.5 * (1 - leak)
        return f1 * x + f2 * abs(x)


class BareRun:
    """What step() needs beside a model whose graph is built: optimizers and summaries, but nothing that is saved.

    summaries: whether they are computed.
    """

    def __init__(self, dcgan, processes=None, summaries=True):
        import tensorflow.compat.v1 as tf

        from gantut.workers import AdamOptimizer, SingleProcess
        self.dcgan, self.summaries, self.counter = dcgan, summaries, 0
        moving = [var for var in dcgan.saver.model if not var.trainable]
        self.optimizers = [AdamOptimizer(processes or SingleProcess(), moving, 0.0002, beta1=0.5) for _ in range(2)]
        self.d_optim = self.optimizers[0].minimize(dcgan.d_loss, var_list=dcgan.d_vars)
        self.g_optim = self.optimizers[1].minimize(dcgan.g_loss, var_list=dcgan.g_vars)
        dcgan.g_sum = tf.summary.merge([dcgan.z_sum, dcgan.d__sum, dcgan.G_sum, dcgan.d_loss_fake_sum,
                                        dcgan.g_loss_sum])
        dcgan.d_sum = tf.summary.merge([dcgan.z_sum, dcgan.d_sum, dcgan.d_loss_real_sum, dcgan.d_loss_sum])
        dcgan.writer = self

    def wants(self, step):
        return self.summaries

    def add_summary(self, summary, step):
        """The writer's method: it keeps nothing."""

    def step(self, images, z):
        """One step; returns the three losses: D's of the fakes, D's of the real ones, G's."""
        self.counter += 1
        with self.dcgan.sess.as_default():
            return self.dcgan.step(self.d_optim, self.g_optim, images, z, self.counter)


def serve(name, args):
    """Do one step for each line on stdin, and print its seconds."""
    rng = np.random.RandomState(0)
    images = rng.uniform(-1, 1, (args.batch_size, args.image_size, args.image_size, 3)).astype(np.float32)
    z = rng.uniform(-1, 1, (args.batch_size, 100)).astype(np.float32)
    step, steps = make_step(name, args), 10 if name.startswith("tenth") else 1  # of these, one reads the losses
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(steps):
            step(images, z)
        print("seconds", (time.perf_counter() - start) / steps, flush=True)


def start(name):
    """A contender's process, as a context manager."""
    return machine.child([sys.executable, *sys.argv, "--serve", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def go(process):
    """Ask a contender for one step."""
    with contextlib.suppress(BrokenPipeError):  # answer() says why
        print("go", file=process.stdin, flush=True)


def answer(process, what="seconds"):
    """The numbers that a contender prints next after this word. Raises UserError if it has ended instead."""
    for line in process.stdout:
        if line.startswith(what + " "):
            return list(map(float, line.split()[1:]))
    raise machine.has_ended(process, f"the contender {process.args[-1]}")


def work(args):
    """GFLOP of a step by this project's schedule and by the tutorial's, convolutions and matrix products alone."""
    s, f, n = args.image_size, args.gf_dim, args.batch_size
    depths, size, depth = [8], 8, 8
    while size < s:
        depths.append(depth)
        size, depth = size * 2, max(depth // 2, 1)
    layers = [50 * f * f * a * b * 16 * 4 ** i for i, (a, b) in enumerate(zip(depths, depths[1:]))]
    g = sum(layers) + 50 * f * depths[-1] * 3 * s * s / 4 + 200 * f * 128
    d0 = 50 * 3 * f * s * s / 4
    d = d0 + sum(50 * f * f * 2 ** (2 * i + 1) * s * s / 4 ** (i + 2) for i in range(3))
    written = (g + 2 * d + 2 * d + 2 * (d - d0)) + 2 * (g + d + d + 2 * g) + 2 * (g + d) + d
    return (written - 2 * g - d) * n / 1e9, written * n / 1e9


def main():
    parser = argument_parser((__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=at_least(1), default=7)
    parser.add_argument("--image_size", type=power_of_two, default=64)
    parser.add_argument("--gf_dim", type=at_least(1), default=64, help="filters of both networks")
    parser.add_argument("--batch_size", type=at_least(1), default=64)
    parser.add_argument("--only", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS), metavar="NAME",
                        help=" ".join(CONTENDERS))
    parser.add_argument("--json", type=file_type, help="file for the figures")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve, args)
    names = [name for name in CONTENDERS if name in args.only
             and (not name.startswith(("torch", "compile")) or importlib.util.find_spec("torch"))]
    seconds = {name: [] for name in names}
    with contextlib.ExitStack() as running:
        processes = {name: running.enter_context(start(name)) for name in names}
        for process in [*processes.values()] * 2:  # one after the other: starting and compiling is not measured
            go(process)
            answer(process)
        for _ in range(args.rounds):
            for name, process in processes.items():
                go(process)
                seconds[name] += answer(process)
    report(args, {name: np.array(times) for name, times in seconds.items()})


def report(args, seconds):
    """Write the JSON, and print the table."""
    ours, written = work(args)
    write_figures(args.json, flags=vars(args), gflop={"ours": ours, "written": written},
                  seconds={name: list(times) for name, times in seconds.items()})
    rows = []
    for name, times in seconds.items():
        half = "16" if name.endswith("16") else ""
        ratio = seconds.get("ours" + half, seconds.get("written" + half, times * np.nan)) / times
        name = name.removesuffix("16")
        gflop = PRODUCT if name == "product" else written if name in BY_THE_TEXT else ours
        rate = gflop / times
        share = np.median(rate / (PRODUCT / seconds.get("product" + half, times * np.nan)))
        rows.append([CONTENDERS[name + half], f"{np.median(times):.2f}", f"{np.median(ratio):.2f}",
                     f"{ratio.min():.2f} to {ratio.max():.2f}", f"{np.median(rate):.0f}",
                     f"{100 * share:.0f} %"])
    print(f"{ours:.0f} GFLOP a step by --fast's schedule, {written:.0f} by the tutorial's; {args.rounds} rounds")
    first = "--fast's" if "ours" in seconds else "as written"
    table(["", "seconds, median", first + " / its", "in the rounds", "GFLOP/s", "of the product's"], rows)


if __name__ == "__main__":
    machine.run(main, "stopped")
