"""The networks on several devices of a machine: on each device, G draws and D judges a batch of its own.

The gradients are those of the mean over all batches, and the moving averages of batch norm move towards the mean of the
devices' statistics. A step takes the same pictures and noise as one device would with all batches together.
"""
import contextlib
from functools import partial

import tensorflow.compat.v1 as tf

from gantut.errors import UserError
from gantut.fused_step import FusedBatchNorm, check_class, in_use, move_again
from gantut.paths import in_words


def find_devices(flags, config):
    """The names of the devices, if the trainer's flags ask for several. config: the session's tf.ConfigProto."""
    if flags.num_devices > 1 or flags.num_gpus > 1:
        config.inter_op_parallelism_threads = 0  # the devices work at the same time
    if flags.num_devices > 1:
        config.device_count["CPU"] = flags.num_devices
        return [f"/CPU:{i}" for i in range(flags.num_devices)]
    if flags.num_gpus == 1:
        return []
    found = len(tf.config.list_physical_devices("GPU"))
    if found < flags.num_gpus:
        raise UserError(in_words(f"--num_gpus {flags.num_gpus}, but TensorFlow sees {found} here: see nvidia-smi, pip "
                                 "install '.[gpu]', and docs/when-it-does-not-work.md"))
    config.allow_soft_placement = True  # operations that have no GPU version run on the CPU
    return [f"/GPU:{i}" for i in range(flags.num_gpus)]


def on_devices(DCGAN, devices):
    """A DCGAN whose networks run on several devices of this process, each on its part of the batch."""
    check_class(DCGAN)

    class DevicesDCGAN(DCGAN):
        def generator(self, z):
            network = super().generator
            (images,) = on_each(devices, lambda part: [network(part)], z, self.g_bns, self.is_training)
            return images

        def discriminator(self, image, reuse=False):
            network = partial(super().discriminator, reuse=reuse)
            return on_each(devices, network, image, self.d_bns, self.is_training)

    return DevicesDCGAN


def on_each(devices, network, x, bns, train):
    """Apply a network to x [N, ...] in parts, one part per device; returns its joined results, each [N, ...].

    bns: the network's batch norms; if train, their moving averages take one step towards the mean over the devices.
    """
    n, size = len(devices), tf.shape(x)[0]
    parts = tf.split(x, [(size + i) // n for i in range(n)], num=n)
    results, statistics = [], []
    for i, (device, part) in enumerate(zip(devices, parts)):
        part.set_shape([None] + x.shape.as_list()[1:])
        with tf.device(device), tf.variable_scope(tf.get_variable_scope(), reuse=i > 0 or None), not_moving(bns):
            results.append(network(part))
        statistics.append([(bn.mean, bn.variance) for bn in in_use(bns)])
    moves = [move_to_mean(bn, of_devices, train) for bn, of_devices in zip(in_use(bns), zip(*statistics))]
    with tf.control_dependencies(moves):
        return [tf.concat(of_parts, 0) for of_parts in zip(*results)]


@contextlib.contextmanager
def not_moving(bns):
    """A context in which the moving averages do not follow the statistics of a single device."""
    if not all(hasattr(bn, "move") for bn in bns):
        raise UserError("several devices move the averages of batch norm with its move(), which this batch_norm does "
                        "not have: train on one device, or add it as in gantut_datafuncs.py")
    bns = [bn.bn if isinstance(bn, FusedBatchNorm) else bn for bn in bns]
    before = [vars(bn).get("move") for bn in bns]
    for bn in bns:
        bn.move = lambda mean, variance: tf.no_op()
    try:
        yield
    finally:
        for bn, move in zip(bns, before):
            if move is None:
                del bn.move
            else:
                bn.move = move


def move_to_mean(bn, of_devices, train):
    """An op: if train, one step towards the mean of the devices' (mean, variance). Sets bn.mean and bn.variance."""
    bn.mean, bn.variance = (tf.add_n(values) / len(values) for values in zip(*of_devices))
    moved = tf.cond(tf.convert_to_tensor(train), lambda: move_again(bn), tf.no_op)
    with tf.control_dependencies([moved]):
        bn.mean, bn.variance = tf.identity(bn.mean), tf.identity(bn.variance)
    return moved
