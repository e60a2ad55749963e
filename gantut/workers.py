"""One process, or several that train one model: what a run asks of either. SingleProcess is one, WorkerGroup several.

Each of several is a tf.train.Server, and averages with the others by the collective operations of TensorFlow's runtime.
That runtime trusts whoever can reach its port: docs/cluster.md.
"""
import collections
import contextlib
import json
import os
import sys
import threading
import time

import numpy as np
import tensorflow.compat.v1 as tf

from gantut.errors import Stopped, UserError, one_line
from gantut.worker_discovery import cannot_listen, check_address, why_not_there


def join(workers, flags, config):
    """Take part in the training: returns a SingleProcess, or a WorkerGroup of what find_workers() has found.

    config: the tf.ConfigProto for the session. Raises UserError, also if the others have not come in time.
    """
    if not workers:
        return SingleProcess()
    return WorkerGroup(*workers, config, flags.start_timeout, flags.worker_timeout)


class SingleProcess:
    """A training of one process: what it says counts, and it has nothing to wait for."""

    count = 1  # of the processes
    target = ""  # of the session: the runtime in this process
    chief = True  # whether this one writes what there is to keep

    def session(self, config):
        """The session to train in, a context manager."""
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


Update = collections.namedtuple("Update", "optimizer alone loss var_list")  # alone: the op without the mean


class AdamOptimizer(tf.train.AdamOptimizer):
    """Part 4's Adam on gradients averaged over the processes; each is computed where its layer was.

    moving: the variables that an update moves besides, the averages of batch norm, which become the processes' mean.
    d_learning_rate: the learning rate where d_loss is minimized, if it is not 0. updates: an Update for each op that
    minimize() has returned, which has it as .made.
    """

    def __init__(self, processes, moving, learning_rate, d_loss=None, d_learning_rate=0, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.processes, self.moving, self.updates = processes, moving, []
        self.d_loss, self.d_learning_rate = d_loss, d_learning_rate

    def compute_gradients(self, *args, **kwargs):
        kwargs["colocate_gradients_with_ops"] = True
        return [(self.processes.average(grad), var) for grad, var in super().compute_gradients(*args, **kwargs)]

    def minimize(self, loss, var_list=None, **kwargs):
        if loss is self.d_loss and self.d_learning_rate:
            self._lr = self.d_learning_rate
        update = super().minimize(loss, var_list=var_list, **kwargs)
        op = self.average(update)
        op.made = Update(self, update, loss, var_list or tf.trainable_variables())
        self.updates.append(op.made)
        return op

    def minimize_alone(self, loss, var_list):
        """An op: what minimize() makes, but for the mean of the moving averages."""
        return super().minimize(loss, var_list=var_list)

    def average(self, update):
        """An op: an update, after which the moving averages become the processes' mean."""
        return self.processes.average_moving(update, self.moving)


LOOK_EVERY = 2  # seconds between two looks at whether the other workers are there
PATIENCE = 5  # seconds that a worker may take to accept a connection
TRIES = 3  # how often it may fail to, unless it refuses: then its process has ended
NOTE = 4096  # bytes of the longest note that a worker tells the others
MAY_DIFFER = ["threads", "skip_bad_images"]  # from worker to worker


class WorkerGroup:
    """The processes of one training, seen from this one. Worker 0, the chief, alone reads and writes what is kept.

    hosts: the address "host:port" of each. index: this one's number. config: the tf.ConfigProto for server and session.
    start_timeout, timeout: how many seconds to wait for the others at the start, and later.
    Raises UserError if the port is taken, or the others do not come.
    """

    def __init__(self, hosts, index, config, start_timeout, timeout):
        self.hosts, self.index, self.timeout = hosts, index, timeout
        self.count, self.chief = len(hosts), index == 0
        self.keys = 0
        self.over = threading.Event()
        os.environ["no_grpc_proxy"] = ",".join(host.rsplit(":", 1)[0] for host in hosts)
        check_address(hosts[index], index, start_timeout)
        config.inter_op_parallelism_threads = 0  # one that waits for others must hold up none that they await
        config.experimental.collective_group_leader = "/job:worker/replica:0/task:0"
        config.device_filters.append(f"/job:worker/task:{index}")
        try:
            self.server = tf.train.Server(tf.train.ClusterSpec({"worker": hosts}), "worker", index, config=config)
        except tf.errors.OpError as error:  # another process has taken the port since check_address()
            raise cannot_listen(index, hosts[index], one_line(error)) from None
        self.target = self.server.target
        self.wait_for_all(start_timeout)
        threading.Thread(target=self.watch, daemon=True).start()

        self.number = tf.placeholder(tf.int32, [1])
        self.largest = self.reduce(self.number, "Max", "Id")
        self.note = tf.placeholder(tf.int32, [NOTE])
        self.notes = tf.raw_ops.CollectiveGatherV2(
            input=self.note, ordering_token=[], timeout_seconds=max(1, start_timeout), **self.group())

    def group(self):
        """What tells a collective operation from the others; each worker builds the same ones in the same order."""
        self.keys += 1
        return dict(group_size=len(self.hosts), group_key=1, instance_key=self.keys)

    def reduce(self, x, merge, final):
        return tf.raw_ops.CollectiveReduceV2(input=x, merge_op=merge, final_op=final, ordering_token=[],
                                             timeout_seconds=self.timeout, **self.group())

    def average(self, x):
        """The mean of x over the workers, the same bits on each."""
        return self.reduce(x, "Add", "Div")

    @contextlib.contextmanager
    def session(self, config):
        """The session to train in, a context manager; of the workers the chief alone prints."""
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(sys.stdout if self.chief else nowhere), \
                tf.Session(self.target, config=config) as sess:
            try:
                yield sess
            except tf.errors.OpError as error:
                raise self.explain(error) from None

    def rows(self, size):
        """Which rows of a batch for all are this worker's, a slice. size: how many those of one worker are."""
        return slice(self.index * size, (self.index + 1) * size)

    def begin(self, sess, variables):
        """Take the chief's value of all variables."""
        sess.run(self.from_chief(variables))

    def average_moving(self, update, moving):
        """An op: an update, after which the moving averages become their mean over the workers."""
        with tf.control_dependencies([update]):
            values = [tf.reshape(var.read_value(), [-1]) for var in moving]
        means = tf.split(self.average(tf.concat(values, 0)), [var.shape.num_elements() for var in moving])
        return tf.group(*[var.assign(tf.reshape(mean, var.shape)) for var, mean in zip(moving, means)])

    def from_chief(self, variables):
        """An op: each variable takes the chief's value."""
        if self.chief:
            return tf.group(*[tf.raw_ops.CollectiveBcastSendV2(input=var, timeout_seconds=self.timeout, **self.group())
                              for var in variables])
        return tf.group(*[var.assign(tf.raw_ops.CollectiveBcastRecvV2(
            T=var.dtype.base_dtype, shape=var.shape.as_list(), timeout_seconds=self.timeout, **self.group()))
            for var in variables])

    def number_of_chief(self, sess, number):
        """The chief's number, an integer."""
        return int(sess.run(self.largest, {self.number: [number if self.chief else -2**31]})[0])

    def agree(self, sess, ending):
        """What ends the training: None if no worker's ending is an exception, else an exception for each worker."""
        own = 0 if not ending else ending.args[0] if isinstance(ending, Stopped) else 1000 + self.index
        code = int(sess.run(self.largest, {self.number: [own]})[0])
        if code == own:
            return ending
        return Stopped(code) if code < 1000 else UserError(
            f"{self.name(code - 1000)} has come to an end, see what it says; the training is saved")

    def compare(self, sess, run):
        """Raise UserError if a worker's run, the dict for run.json, differs from the chief's where it must not."""
        mine = {"--" + name: value for name, value in run["flags"].items() if name not in MAY_DIFFER}
        mine.update(run["versions"], workers=len(self.hosts), replicas=run["replicas"],
                    **{name: run["data"][name] for name in ("pictures", "fingerprint")})
        note = np.frombuffer(json.dumps(mine).encode().ljust(NOTE), np.uint8)
        told = sess.run(self.notes, {self.note: note}).reshape(len(self.hosts), NOTE)
        notes = [json.loads(bytes(note.astype(np.uint8))) for note in told]
        differs = [f"{name} of worker {i} is {note.get(name)}, of worker 0 {value}"
                   for i, note in enumerate(notes) for name, value in notes[0].items() if note.get(name) != value]
        if differs:
            self.leave(sess)
            raise UserError("the workers do not agree: {}; start all with the same flags, versions and data".format(
                ", ".join(differs)))

    def leave(self, sess):
        """Wait until all have come to the end, so that none takes another's for a death."""
        sess.run(self.largest, {self.number: [0]})
        self.over.set()

    def name(self, i):
        return f"worker {i} ({self.hosts[i]})"

    def gone(self, patience=PATIENCE, tries=TRIES):
        """Names and reasons of the workers that do not accept a connection."""
        others = [i for i in range(len(self.hosts)) if i != self.index]
        reasons = [(self.name(i), why_not_there(self.hosts[i], patience, tries)) for i in others]
        return ["{}: {}".format(*one) for one in reasons if one[1]]

    def wait_for_all(self, seconds):
        start, silent = time.monotonic(), True
        while gone := self.gone(patience=1, tries=1):
            waited = time.monotonic() - start
            if waited > 3 and silent:
                print(" [*] Waiting for {}".format(", ".join(gone)))
                silent = False
            if waited > seconds:
                raise UserError("after {} s this worker, {}, still waits for {}: start all workers with the same "
                                "addresses, or give them more time with --start_timeout".format(
                                    seconds, self.index, ", ".join(gone)))
            time.sleep(0.2)

    def watch(self):
        """A thread: end this process when another worker is gone; the main thread may wait for it in vain."""
        while not self.over.wait(LOOK_EVERY):
            gone = self.gone()
            if gone and not self.over.wait(1):  # it may have come to the end a moment before this one
                print(f"error: {self.lost(gone)}", file=sys.stderr, flush=True)
                os._exit(1)

    def lost(self, gone):
        return "lost {}; what was saved before is intact: start all workers again to go on".format(", ".join(gone))

    def explain(self, error):
        """What a failed collective operation means, a UserError."""
        gone = self.gone(tries=1)
        if gone:
            return UserError(self.lost(gone))
        return UserError(f"a step with the other workers failed ({one_line(error)[:300]}); what was saved before is intact: start all again, "
                         "with the same --worker_hosts, to go on; if one was only slow, with a longer "
                         "--worker_timeout")
