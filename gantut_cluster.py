"""Several devices, several machines: one model, trained on all of them. Part 5 recommends a cluster, and stops there.

Every replica of the model trains on a batch of its own; the gradients are averaged over all of them before each update,
and the moving averages of batch norm after it. Within a process, DevicesDCGAN draws and judges the batch in parts, one
on each device. Between processes (workers, usually one on each machine), WorkersDCGAN averages with the collective
operations of TensorFlow's runtime, one tf.train.Server in each process. That runtime trusts whoever can reach its port:
docs/cluster.md.

Of all replicas together, a step takes the pictures and the noise that one process with their batches' sum would take.
"""
import contextlib
import os
import sys
from functools import partial

import numpy as np
import tensorflow.compat.v1 as tf

from gantut_console import Stopped, UserError
from gantut_datafuncs import batch_norm
from gantut_gan import DCGAN
from gantut_workers import Workers


def join(hosts, index, flags, config):
    """Take part in the training: returns (the target for tf.Session, a class or function to make the DCGAN with).

    hosts, index: from find_workers(). config: the tf.ConfigProto for the session, to which it adds what it needs.
    Alone and on one device: ("", DCGAN). Raises UserError, also if the others have not come in time.
    """
    devices = []
    if flags.num_devices > 1:
        config.device_count["CPU"] = flags.num_devices
        devices = ["/CPU:{}".format(i) for i in range(flags.num_devices)]
    elif flags.num_gpus > 1:
        found = len(tf.config.list_physical_devices("GPU"))
        if found < flags.num_gpus:
            raise UserError("--num_gpus {}, but TensorFlow sees {} here: see nvidia-smi, and pip install '.[gpu]'"
                            .format(flags.num_gpus, found))
        config.allow_soft_placement = True  # what GPUs cannot do is done by the CPU
        devices = ["/GPU:{}".format(i) for i in range(flags.num_gpus)]
    if len(hosts) < 2:
        return "", partial(DevicesDCGAN, devices) if devices else DCGAN
    workers = Workers(hosts, index, config, flags.start_timeout, flags.worker_timeout)
    return workers.server.target, partial(WorkersDCGAN, workers, devices)


class DevicesDCGAN(DCGAN):
    """A DCGAN whose networks run on several devices of this process, on each for its part of the batch.

    devices: their names; none: the one that TensorFlow takes. The other arguments are those of DCGAN.
    """

    def __init__(self, devices, *args, **kwargs):
        self.devices = devices or [None]
        self.replicas = len(self.devices)
        super().__init__(*args, **kwargs)

    def build_model(self):
        if len(self.devices) > 1:
            self.d_bns, self.g_bns = ([shared_batch_norm(name=bn.name) for bn in bns]
                                      for bns in (self.d_bns, self.g_bns))
        super().build_model()

    def generator(self, z):
        if len(self.devices) == 1:
            return super().generator(z)
        (images,) = self.on_each_device(lambda part: [super(DevicesDCGAN, self).generator(part)], z, self.g_bns[:-2])
        return images

    def discriminator(self, image, reuse=False):
        if len(self.devices) == 1:
            return super().discriminator(image, reuse)
        return self.on_each_device(partial(super().discriminator, reuse=reuse), image, self.d_bns[:-1])

    def on_each_device(self, network, x, bns):
        """Apply a network to x [N, ...] in parts; returns its results of all parts, each [N, ...].

        bns: what it normalises with; their moving averages take one step, towards the mean over the devices.
        """
        n, rows = len(self.devices), tf.shape(x)[0]
        parts = tf.split(x, [(rows + i) // n for i in range(n)], num=n)
        results, statistics = [], []
        for i, (device, part) in enumerate(zip(self.devices, parts)):
            part.set_shape([None] + x.shape.as_list()[1:])
            with tf.device(device), tf.variable_scope(tf.get_variable_scope(), reuse=i > 0 or None):
                results.append(network(part))
            statistics.append([(bn.mean, bn.variance) for bn in bns])
        moves = [bn.move_to_mean(of_devices, self.is_training) for bn, of_devices in zip(bns, zip(*statistics))]
        with tf.control_dependencies(moves):
            return [tf.concat(of_parts, 0) for of_parts in zip(*results)]

    def adam(self, learning_rate, beta1):
        return AveragingAdam(self.average, learning_rate, beta1=beta1)

    def average(self, x):
        """Average x over the processes: here there is one."""
        return x


class shared_batch_norm(batch_norm):
    """Batch norm on several devices: each by its own statistics; the moving averages move towards their mean."""

    def move(self, mean, variance):
        return tf.no_op()  # not towards what one device alone has seen

    def move_again(self):
        with tf.control_dependencies([self.mean, self.variance]):
            return super().move(self.mean, self.variance)

    def move_to_mean(self, of_devices, train):
        """An op: if train, one step towards the mean of the devices' (mean, variance), which the layer then has."""
        self.mean, self.variance = (tf.add_n(values) / len(values) for values in zip(*of_devices))
        moved = tf.cond(tf.convert_to_tensor(train), self.move_again, tf.no_op)
        with tf.control_dependencies([moved]):
            self.mean, self.variance = tf.identity(self.mean), tf.identity(self.variance)
        return moved


class AveragingAdam(tf.train.AdamOptimizer):
    """Adam on gradients that average() makes of each process's own; each is computed where its layer was."""

    def __init__(self, average, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.average = average

    def compute_gradients(self, *args, **kwargs):
        kwargs["colocate_gradients_with_ops"] = True
        return [(self.average(grad), var) for grad, var in super().compute_gradients(*args, **kwargs)]


class WorkersDCGAN(DevicesDCGAN):
    """A DCGAN that trains in several processes at once. Worker 0, the chief, alone writes; all start from its weights.

    workers: a Workers. The other arguments are those of DevicesDCGAN.
    """

    def __init__(self, workers, *args, **kwargs):
        self.workers = workers
        self.chief = workers.index == 0
        super().__init__(*args, **kwargs)
        self.replicas *= len(workers.hosts)

    def average(self, x):
        return self.workers.average(x)

    def build_updates(self, learning_rate, beta1):
        moving = [var for var in self.model_vars if not var.trainable]
        return [self.workers.average_after(update, moving) for update in super().build_updates(learning_rate, beta1)]

    def train(self, config):
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(sys.stdout if self.chief else nowhere):
            try:
                super().train(config)
                self.workers.part(self.sess)
            except tf.errors.OpError as error:
                raise self.workers.explain(error) from None

    def check(self, checkpoint_dir, run):
        self.workers.compare(self.sess, run)
        if self.chief:
            super().check(checkpoint_dir, run)
        run["ahead"] = self.workers.number_of_chief(self.sess, run["ahead"])

    def keep(self, config, run, counter):
        if self.chief:
            super().keep(config, run, counter)

    def load(self, checkpoint_dir):
        if self.chief:
            super().load(checkpoint_dir)
        self.saved_step = self.workers.number_of_chief(self.sess, self.saved_step or 0) or None
        self.sess.run(self.workers.from_chief(self.saved_vars))
        return self.saved_step is not None

    def share(self, rows):
        rows = np.split(rows, len(self.workers.hosts))
        return rows[self.workers.index]

    def next_batch(self, *args):
        try:
            return super().next_batch(*args)
        except (Stopped, UserError):  # all workers have agreed to end here
            self.workers.part(self.sess)
            raise

    def agree(self, ending):
        return self.workers.agree(self.sess, ending)

    def update(self, optim, summary, step, feed):
        super().update(optim, summary, step if self.chief else None, feed)

    def sample(self, sample_dir, name, step):
        return super().sample(sample_dir, name, step) if self.chief else (np.nan, np.nan)

    def checkpoint(self, checkpoint_dir, step):
        if self.chief:
            super().checkpoint(checkpoint_dir, step)
