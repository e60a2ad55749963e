"""One process, or several: what a run asks of either. Alone is one; gantut/workers.py has its twin for a cluster."""
import os

import tensorflow.compat.v1 as tf

from gantut.errors import UserError


def join(flags, config, DCGAN):
    """Take part in the training: returns an Alone, or Workers if the trainer's flags or the environment name some.

    config: the tf.ConfigProto for the session. DCGAN: the class that is trained. Raises UserError, also if the others
    have not come in time.
    """
    if not (flags.worker_hosts or flags.task_index or flags.kubernetes_label or os.environ.get("TF_CONFIG")
            or os.environ.get("SLURM_STEP_NUM_TASKS")):
        return Alone()
    from gantut.addresses import find_workers
    hosts, index = find_workers(flags)
    if len(hosts) < 2:
        return Alone()
    check_class(DCGAN)
    from gantut.workers import Workers
    return Workers(hosts, index, config, flags.start_timeout, flags.worker_timeout)


def check_class(DCGAN):
    """Raise UserError unless the class trains with a run, which shares batches out, and has its step done."""
    if not hasattr(DCGAN, "step"):
        raise UserError("this class DCGAN trains in its own train() on one device of one process, as the text has it: "
                        "leave out the flags for several, or use the project's gantut_gan.py")


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

    def begin(self, sess, variables, averages):
        """Take the chief's value of all variables. averages: those of them that average_moving() averages."""

    def average_moving(self, sess):
        """After an update: the moving averages become their mean over the processes."""

    def agree(self, sess, ending):
        """What ends the training, an exception or None, as all processes see it."""
        return ending

    def leave(self, sess):
        """Wait until all have come to the end."""


class AveragingAdam(tf.train.AdamOptimizer):
    """Part 4's Adam on gradients averaged over the processes; each is computed where its layer was."""

    def __init__(self, average, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.average = average

    def compute_gradients(self, *args, **kwargs):
        kwargs["colocate_gradients_with_ops"] = True
        return [(self.average(grad), var) for grad, var in super().compute_gradients(*args, **kwargs)]
