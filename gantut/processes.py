"""One process, or several: what a run asks of either. Alone is one; gantut/workers.py has its twin for a cluster."""
import os

import tensorflow.compat.v1 as tf


def find_workers(flags):
    """Where the workers are, (addresses, this one's index), if flags or environment name two or more; else None."""
    if not (flags.worker_hosts or flags.task_index or flags.kubernetes_label or os.environ.get("TF_CONFIG")
            or os.environ.get("SLURM_STEP_NUM_TASKS")):
        return None
    from gantut import addresses
    hosts, index = addresses.find_workers(flags)
    return (hosts, index) if len(hosts) > 1 else None


def join(workers, flags, config):
    """Take part in the training: returns an Alone, or Workers if find_workers() has found some.

    config: the tf.ConfigProto for the session. Raises UserError, also if the others have not come in time.
    """
    if not workers:
        return Alone()
    from gantut.workers import Workers
    return Workers(*workers, config, flags.start_timeout, flags.worker_timeout)


class Alone(object):
    """A training of one process: what it says counts, and it has nothing to wait for."""

    count = 1  # of the processes
    target = ""  # of the session: the runtime in this process
    chief = True  # whether this one writes what there is to keep

    def session(self, config):
        """The session to train in, to be entered."""
        return tf.Session(config=config)

    def rows(self, size):
        """Which rows of a batch for all are this process's, a slice. size: how many those of one process are."""
        return slice(None)

    def average(self, x):
        """A tensor: the mean of x over the processes."""
        return x

    def compare(self, sess, run):
        """Raise UserError if the runs of the others, the dicts for run.json, differ where they must not."""

    def number_of_chief(self, sess, number):
        """The chief's number, an integer."""
        return number

    def begin(self, sess, variables):
        """Take the chief's value of all variables."""

    def average_moving(self, update, moving):
        """An op: an update, after which the moving averages become their mean over the processes."""
        return update

    def agree(self, sess, ending):
        """What ends the training, an exception or None, as all processes see it."""
        return ending

    def leave(self, sess):
        """Wait until all have come to the end."""


class AdamOptimizer(tf.train.AdamOptimizer):
    """Part 4's Adam on gradients averaged over the processes; each is computed where its layer was.

    moving: the variables that an update moves besides, the averages of batch norm, which become the processes' mean.
    rates: the learning rate, if another than the optimizer's, by the id() of a loss. updates: what minimize() has
    returned; each op has .loss and .var_list, and .minimize, which makes an update of another loss, without the mean.
    """

    def __init__(self, processes, moving, rates, learning_rate, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.processes, self.moving, self.rates, self.updates = processes, moving, rates, []

    def compute_gradients(self, *args, **kwargs):
        kwargs["colocate_gradients_with_ops"] = True
        return [(self.processes.average(grad), var) for grad, var in super().compute_gradients(*args, **kwargs)]

    def minimize(self, loss, var_list=None, **kwargs):
        self._lr = self.rates.get(id(loss)) or self._lr
        update = super().minimize(loss, var_list=var_list, **kwargs)
        op = self.processes.average_moving(update, self.moving)
        op.update, op.minimize, op.average = update, super().minimize, self.average
        op.loss, op.var_list = loss, var_list or tf.trainable_variables()
        self.updates.append(op)
        return op

    def average(self, update):
        """An op: an update, after which the moving averages become the processes' mean."""
        return self.processes.average_moving(update, self.moving)
