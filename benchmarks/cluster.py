"""Two workers against one process: images per second, the cost of exchanging gradients, and the bytes that it sends.

  python benchmarks/cluster.py --rounds 5 --json cluster.json

All processes run on this machine, each worker on a core of its own. Every round asks each contender for one step, one
after the other, since the machine's speed drifts; what counts is the ratio within a round. Two processes that do not
know of each other do the same work as two workers, without the exchange. The bytes are those of the loopback device.
"""
import argparse
import contextlib
import json
import os
import socket
import sys
import time

import machine
from machine import at_least, file_type, power_of_two, table, write_figures

import numpy as np
from step import BareRun, answer, go, start

from gantut.scripts import argument_parser

CONTENDERS = {"one core": [[0]], "two cores": [[0, 1]], "two workers": [[0], [1]], "two strangers": [[0], [1]],
              "three workers": [[0], [1], [0]]}  # the cores of each process
WORDS = {"one core": "1 process, 1 core", "two cores": "1 process, 2 cores", "two workers": "2 workers, 1 core each",
         "two strangers": "2 processes, 1 core each, no exchange"}


def serve(task, args):
    """Do one step for each line on stdin, and print its seconds. task: cores, hosts and index, as JSON."""
    cores, hosts, index = json.loads(task)
    os.sched_setaffinity(0, cores)  # before TensorFlow counts them
    import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

    import tensorflow.compat.v1 as tf

    from gantut.fused_step import faster
    from gantut.workers import SingleProcess, WorkerGroup
    from gantut_gan import DCGAN
    config = tf.ConfigProto(intra_op_parallelism_threads=len(cores))
    processes = WorkerGroup(hosts, index, config, 120, 600) if hosts else SingleProcess()
    rng = np.random.RandomState(index)
    images = rng.uniform(-1, 1, (args.batch_size, args.image_size, args.image_size, 3)).astype(np.float32)
    z = rng.uniform(-1, 1, (args.batch_size, 100)).astype(np.float32)
    with tf.Session(processes.target, config=config) as sess:
        dcgan = faster(DCGAN)(sess, image_size=args.image_size, gf_dim=args.gf_dim, df_dim=args.gf_dim)
        run = BareRun(dcgan, processes, summaries=False)
        sess.run(tf.global_variables_initializer())
        processes.begin(sess, tf.global_variables())
        d, g = (sum(var.shape.num_elements() for var in some) for some in (dcgan.d_vars, dcgan.g_vars))
        print("parameters", d, g, flush=True)
        for _ in sys.stdin:
            before = time.perf_counter()
            run.step(images, z)
            processes.agree(sess, None)
            print("seconds", time.perf_counter() - before, flush=True)


def start_all(name, running):
    """Start the processes of a contender; they end with running, an ExitStack."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in CONTENDERS[name]]
    hosts = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
    for listener in listeners:
        listener.close()
    return [running.enter_context(start(json.dumps([cores, hosts if "workers" in name else [], i])))
            for i, cores in enumerate(CONTENDERS[name])]


def sent():
    """Bytes that the loopback device has sent."""
    with open("/proc/net/dev") as file:
        return next(int(line.split()[9]) for line in file if line.split()[0] == "lo:")


def step_of_all(processes):
    """The seconds of one step of all processes at once, the slowest one's; and the bytes that it sent."""
    before = sent()
    for process in processes:
        go(process)
    seconds = max(answer(process)[0] for process in processes)
    return seconds, sent() - before


def main():
    parser = argument_parser((__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=at_least(1), default=5)
    parser.add_argument("--image_size", type=power_of_two, default=64)
    parser.add_argument("--gf_dim", type=at_least(1), default=64, help="filters of both networks")
    parser.add_argument("--batch_size", type=at_least(1), default=64)
    parser.add_argument("--json", type=file_type, help="file for the figures")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve, args)
    found = {name: [] for name in CONTENDERS}
    with contextlib.ExitStack() as running:
        contenders = {name: start_all(name, running) for name in CONTENDERS}
        d, g = map(int, answer(contenders["one core"][0], "parameters"))
        for processes in contenders.values():  # one after the other: starting is not measured
            step_of_all(processes)
        for _ in range(args.rounds):
            for name, processes in contenders.items():
                found[name].append(step_of_all(processes))
    report(args, {name: np.array(steps) for name, steps in found.items()}, d, g)


def report(args, found, d, g):
    """Write the JSON, and print the tables. found: [rounds, 2] of each contender, seconds and bytes."""
    write_figures(args.json, flags=vars(args), parameters=[d, g],
                  **{"seconds and bytes": {name: steps.tolist() for name, steps in found.items()}})
    rows = []
    for name, words in WORDS.items():
        rate = len(CONTENDERS[name]) * args.batch_size / found[name][:, 0]
        ratio = rate / (args.batch_size / found["one core"][:, 0])
        rows.append([words, f"{np.median(found[name][:, 0]):.2f}", f"{np.median(rate):.1f}",
                     f"{np.median(ratio):.2f}", f"{ratio.min():.2f} to {ratio.max():.2f}"])
    table(["", "seconds a step, median", "images/s", "to 1 process, 1 core", "in the rounds"], rows)
    percent = 100 * (1 - found["two strangers"][:, 0] / found["two workers"][:, 0])
    print(f"\nThe exchange takes {np.median(percent):.0f} % of a step "
          f"(median; {percent.min():.0f} to {percent.max():.0f} % in the rounds)\n")
    gradients = 4 * (d + 2 * g)
    print(f"{d:,} + {g:,} parameters of D and G; gradients of a step, D once and G twice: {gradients / 1e6:.1f} MB")
    table(["workers", "MB a step of all, measured", "2 (n - 1) times the gradients, MB", "ratio"],
          [[n, f"{np.median(found[name][:, 1]) / 1e6:.2f}", f"{2 * (n - 1) * gradients / 1e6:.2f}",
            f"{np.median(found[name][:, 1]) / (2 * (n - 1) * gradients):.3f}"]
           for name, n in (("two workers", 2), ("three workers", 3))])


if __name__ == "__main__":
    machine.run(main, "stopped")
