"""Run by test_cluster.py as a process, one for each worker: python cluster_checks.py HOSTS INDEX DEVICES OUT_DIR

Trains a small model for some steps by its moving averages, and from the same start by its batches' statistics, and
leaves what every variable then is in OUT_DIR/INDEX.npz.
"""
import sys
from types import SimpleNamespace

import conftest  # noqa: F401  (finds the project, and keeps TensorFlow quiet)
import numpy as np
import tensorflow.compat.v1 as tf

from gantut_cluster import join

STEPS, BATCH, SIZE, Z_DIM = 5, 4, 8, 8
FLAGS = SimpleNamespace(num_gpus=1, num_devices=1, start_timeout=120, worker_timeout=60)


def batches(replicas):
    """Images and noise of each step, for so many replicas."""
    rng = np.random.RandomState(0)
    for _ in range(STEPS):
        yield rng.uniform(-1, 1, (BATCH * replicas, SIZE, SIZE, 3)), rng.uniform(-1, 1, (BATCH * replicas, Z_DIM))


def train(hosts, index, devices, batch=BATCH):
    """What every variable is after the steps, by "mode/name"."""
    config = tf.ConfigProto()
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        flags = SimpleNamespace(**{**vars(FLAGS), "num_devices": devices})
        target, make = join(hosts, index, flags, config)
        with tf.Session(target, config=config) as sess:
            dcgan = make(sess, image_size=SIZE, batch_size=batch, z_dim=Z_DIM, gf_dim=4, df_dim=4)
            dg_optim, g_optim = dcgan.build_updates(0.0002, 0.5)
            dcgan.build_saver()
            take_over = dcgan.workers.from_chief(dcgan.saved_vars) if hosts else []
            sharper = [var.assign(8 * var) for var in tf.trainable_variables() if var.shape.ndims > 1]
            found = {}
            for mode in ("averages", "statistics"):
                sess.run(tf.global_variables_initializer())
                sess.run(sharper)  # else the gradients are near Adam's epsilon, and rounding decides
                sess.run(take_over)
                for images, z in batches(dcgan.replicas * batch // BATCH):
                    feed = {dcgan.images: dcgan.share(images), dcgan.z: dcgan.share(z),
                            dcgan.is_training: mode == "statistics"}
                    sess.run(dg_optim, feed)
                    sess.run(g_optim, feed)
                values = sess.run({var.op.name: var for var in dcgan.saved_vars})
                found.update({"{}/{}".format(mode, name): value for name, value in values.items()})
            if hosts:
                dcgan.workers.part(sess)
            return found


if __name__ == "__main__":
    hosts, index, devices, out_dir = sys.argv[1:]
    np.savez("{}/{}.npz".format(out_dir, index), **train(hosts.split(","), int(index), int(devices)))
