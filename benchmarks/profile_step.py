"""Where a training step's time goes: TensorFlow's own trace of each kernel, for the tutorial's text and this project,
in both precisions.

  python benchmarks/profile_step.py --trace trace

Prints the milliseconds of each kind of kernel in one step. Kernels run side by side on several cores, so they add up to
more than the step takes. --trace writes files for chrome://tracing or ui.perfetto.dev.
"""
import collections

import machine
from machine import at_least, path_type, power_of_two, table

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import numpy as np
import tensorflow.compat.v1 as tf
from step import BareRun, lrelu
from tensorflow.python.client import timeline

import gantut_gan
from gantut.errors import check_writable
from gantut.fused_step import faster
from gantut.scripts import argument_parser
from gantut.session import session_config, set_precision

KINDS = {"Conv2DBackpropFilter": "gradients of kernels", "Conv2DBackpropInput": "transposed convolutions and gradients",
         "Conv2D": "convolutions", "MatMul": "matrix products", "BatchNorm": "batch norm in one kernel",
         "Adam": "Adam", "Cast": "casts"}
CONTENDERS = {"text": "the tutorial's text", "written": "as written", "ours": "--fast", "ours16": "--fast, bfloat16"}


class TracedSession(tf.Session):
    """A session that keeps the trace of every run, also of the text's .eval()."""

    def __init__(self, config):
        super().__init__(config=config)
        self.traces = []

    def run(self, fetches, feed_dict=None):
        trace = tf.RunMetadata()
        self.traces.append(trace)
        return super().run(fetches, feed_dict, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), trace)


def profile(name, args):
    """Trace one step; returns the milliseconds by kind of kernel."""
    rng = np.random.RandomState(0)
    images = rng.uniform(-1, 1, (args.batch_size, args.image_size, args.image_size, 3))
    z = rng.uniform(-1, 1, (args.batch_size, 100))
    ours = gantut_gan.lrelu
    config = session_config()
    set_precision(config, "bfloat16" if name.endswith("16") else "float32")
    with tf.Graph().as_default(), TracedSession(config) as sess:
        if name == "text":
            gantut_gan.lrelu = lrelu
        Model = faster(gantut_gan.DCGAN) if name.startswith("ours") else gantut_gan.DCGAN
        dcgan = Model(sess, image_size=args.image_size, gf_dim=args.gf_dim, df_dim=args.gf_dim)
        gantut_gan.lrelu = ours
        step = BareRun(dcgan).step
        sess.run(tf.global_variables_initializer())
        step(images, z)
        sess.traces.clear()
        step(images, z)
    spent = collections.Counter()
    for i, trace in enumerate(sess.traces):
        if args.trace:
            with open(f"{args.trace}_{name}_{i}.json", "w") as file:
                file.write(timeline.Timeline(trace.step_stats).generate_chrome_trace_format())
        for node in (node for device in trace.step_stats.dev_stats for node in device.node_stats):
            kernel = node.timeline_label.split(" = ")[-1].split("(")[0]
            kind = next((what for part, what in KINDS.items() if part in kernel), "all else")
            spent[kind] += (node.op_end_rel_micros - node.op_start_rel_micros) / 1000
    return spent


def main():
    parser = argument_parser((__doc__ or "").split("\n")[0])
    parser.add_argument("--image_size", type=power_of_two, default=64)
    parser.add_argument("--gf_dim", type=at_least(1), default=64, help="filters of both networks")
    parser.add_argument("--batch_size", type=at_least(1), default=64)
    parser.add_argument("--trace", type=path_type, help="beginning of the names of the trace files")
    args = parser.parse_args()
    if args.trace:
        check_writable(f"{args.trace}_{next(iter(CONTENDERS))}_0.json")
    spent = [profile(name, args) for name in CONTENDERS]
    rows = [[kind, *(f"{one[kind]:.0f}" for one in spent)] for kind in [*KINDS.values(), "all else"]]
    table(["ms of kernels in a step", *CONTENDERS.values()],
          [*rows, ["together", *(f"{sum(one.values()):.0f}" for one in spent)]])


if __name__ == "__main__":
    machine.run(main, "stopped")
