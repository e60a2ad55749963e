"""Run by test_cluster.py as a process, one for each worker: python cluster_checks.py HOSTS INDEX DEVICES OUT_DIR

Trains a small model for some steps by its moving averages, and from the same start by its batches' statistics, and
writes the value of every variable after them to OUT_DIR/INDEX.npz.
"""
import sys
from types import SimpleNamespace

import helpers  # noqa: F401  (finds benchmarks/)
import numpy as np
import tensorflow.compat.v1 as tf
from step import BareRun

from gantut.devices import find_devices, on_devices
from gantut.fused_step import update_both
from gantut.workers import SingleProcess, WorkerGroup
from gantut_gan import DCGAN

STEPS, BATCH, SIZE, Z_DIM = 5, 4, 8, 8


def batches(replicas):
    """Images and noise of each step, for this many replicas."""
    rng = np.random.RandomState(0)
    for _ in range(STEPS):
        yield rng.uniform(-1, 1, (BATCH * replicas, SIZE, SIZE, 3)), rng.uniform(-1, 1, (BATCH * replicas, Z_DIM))


def on(devices, config):
    """The class of a DCGAN on this many devices of the CPU."""
    if devices == 1:
        return DCGAN
    return on_devices(DCGAN, find_devices(SimpleNamespace(num_gpus=1, num_devices=devices), config))


def train(hosts, index, devices, batch=BATCH):
    """The value of every variable after the steps, by "mode/name"."""
    config = tf.ConfigProto()
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        Model = on(devices, config)
        processes = WorkerGroup(hosts, index, config, 120, 60) if hosts else SingleProcess()
        with tf.Session(processes.target, config=config) as sess:
            dcgan = Model(sess, image_size=SIZE, batch_size=batch, z_dim=Z_DIM, gf_dim=4, df_dim=4)
            run = BareRun(dcgan, processes, summaries=False)
            dg_optim, _ = update_both(dcgan, run.d_optim, run.g_optim)
            rows = processes.rows(batch * devices)
            sharper = [var.assign(8 * var) for var in tf.trainable_variables() if var.shape.ndims > 1]
            found = {}
            for mode in ("averages", "statistics"):
                sess.run(tf.global_variables_initializer())
                sess.run(sharper)  # else the gradients are near Adam's epsilon, and rounding decides
                processes.begin(sess, tf.global_variables())
                for images, z in batches(processes.count * devices * batch // BATCH):
                    feed = {dcgan.images: images[rows], dcgan.z: z[rows], dcgan.is_training: mode == "statistics"}
                    sess.run(dg_optim, feed)
                    sess.run(run.g_optim, feed)
                values = sess.run({var.op.name: var for var in tf.global_variables()})
                found.update({f"{mode}/{name}": value for name, value in values.items()})
            processes.leave(sess)
            return found


if __name__ == "__main__":
    hosts, index, devices, out_dir = sys.argv[1:]
    np.savez(f"{out_dir}/{index}.npz", **train(hosts.split(","), int(index), int(devices)))
