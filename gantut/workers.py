"""One process, or several that train one model. SingleProcess and WorkerGroup have the same interface for a run.

Each of several processes is a tf.train.Server, and averages with the others through the collective operations of
TensorFlow's runtime. That runtime trusts everyone who can reach its port: docs/cluster.md.
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
from gantut.worker_discovery import ENDED, cannot_listen, check_address, why_not_there


def join(workers, flags, config):
    """Join the training: returns a SingleProcess, or a WorkerGroup of the workers that find_workers() has found.

    config: the tf.ConfigProto for the session. Raises UserError, also if the others do not start in time.
    """
    if not workers:
        return SingleProcess()
    return WorkerGroup(*workers, config, flags.start_timeout, flags.worker_timeout)


class SingleProcess:
    """A training in one process."""

    count = 1  # of processes
    target = ""  # of the session: the runtime in this process
    chief = True  # whether this process reads and writes the run's files

    def session(self, config):
        """The session to train in, a context manager."""
        return tf.Session(config=config)

    def rows(self, size):
        """The rows of a step's pictures that this process takes, a slice. size: the number of rows per process."""
        return slice(None)

    def average(self, x):
        """A tensor: the mean of x over the processes."""
        return x

    def compare(self, sess, run):
        """Raise UserError if the other processes' runs, the dicts for run.json, differ where they must not."""

    def number_of_chief(self, sess, number):
        """The chief's number, an integer."""
        return number

    def begin(self, sess, variables):
        """Set all variables to the chief's values."""

    def average_moving(self, update, moving):
        """An op: an update, after which the moving averages become their mean over the processes."""
        return update

    def agree(self, sess, error):
        """The exception that ends the training in all processes, or None. error: this process's own, or None."""
        return error

    def leave(self, sess):
        """Wait until all processes have finished."""


Update = collections.namedtuple("Update", "optimizer alone loss var_list")  # alone: the op without the mean


class AdamOptimizer(tf.train.AdamOptimizer):
    """Part 4's Adam on gradients averaged over the processes; each gradient is computed on its layer's device.

    moving: the other variables that an update changes, the moving averages of batch norm, which become the processes'
    mean. d_learning_rate: the learning rate for d_loss, if it is not 0. updates: an Update for each op that minimize()
    has returned; the op has it as .made.
    """

    def __init__(self, processes, moving, learning_rate, d_loss=None, d_learning_rate=0, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.processes, self.moving, self.updates = processes, moving, []
        self.d_loss, self.d_learning_rate = d_loss, d_learning_rate

    def compute_gradients(self, *args, **kwargs):
        kwargs["colocate_gradients_with_ops"] = True
        return [(grad if grad is None else self.processes.average(grad), var)  # None: the loss does not use it
                for grad, var in super().compute_gradients(*args, **kwargs)]

    def minimize(self, loss, var_list=None, **kwargs):
        if loss is self.d_loss and self.d_learning_rate:
            self._lr = self.d_learning_rate
        update = super().minimize(loss, var_list=var_list, **kwargs)
        op = self.average(update)
        op.made = Update(self, update, loss, var_list or tf.trainable_variables())
        self.updates.append(op.made)
        return op

    def minimize_alone(self, loss, var_list):
        """An op: what minimize() makes, without the mean of the moving averages."""
        return super().minimize(loss, var_list=var_list)

    def average(self, update):
        """An op: an update, after which the moving averages become the processes' mean."""
        return self.processes.average_moving(update, self.moving)


LOOK_EVERY = 2  # seconds between two checks whether the other workers are running
PATIENCE = 5  # seconds that a worker may take to accept a connection
TRIES = 3  # how often it may fail to, unless it refuses: then its process has ended
AFTER_FAILURE = 5  # looks, half a second apart: a killed process may refuse connections later than it breaks its own
NOTE = 4096  # bytes of the longest note that a worker sends to the others
MAY_DIFFER = ["threads", "skip_bad_images"]  # from worker to worker


class WorkerGroup:
    """The processes of one training. Only worker 0, the chief, reads and writes the run's files.

    hosts: the address "host:port" of each. index: the number of this worker. config: the tf.ConfigProto for server and
    session. start_timeout, timeout: seconds to wait for the others at the start, and later.
    Raises UserError if the port is in use, or the others do not start.
    """

    def __init__(self, hosts, index, config, start_timeout, timeout):
        self.hosts, self.index, self.timeout = hosts, index, timeout
        self.count, self.chief = len(hosts), index == 0
        self.keys = 0
        self.over = threading.Event()
        os.environ["no_grpc_proxy"] = ",".join(host.rsplit(":", 1)[0] for host in hosts)
        check_address(hosts[index], index, start_timeout)
        config.inter_op_parallelism_threads = 0  # an operation that waits for workers must not block others they need
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
        """The arguments that identify a collective operation; each worker builds the same ones in the same order."""
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
        """The session to train in, a context manager; only the chief prints."""
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(sys.stdout if self.chief else nowhere), \
                tf.Session(self.target, config=config) as sess:
            try:
                yield sess
            except tf.errors.OpError as error:
                raise self.explain(error) from None

    def rows(self, size):
        """The rows of a step's pictures that this worker takes, a slice. size: the number of rows per worker."""
        return slice(self.index * size, (self.index + 1) * size)

    def begin(self, sess, variables):
        """Set all variables to the chief's values."""
        sess.run(self.from_chief(variables))

    def average_moving(self, update, moving):
        """An op: an update, after which the moving averages, if there are any, become their mean over the workers."""
        if not moving:
            return update
        with tf.control_dependencies([update]):
            values = [tf.reshape(var.read_value(), [-1]) for var in moving]
        means = tf.split(self.average(tf.concat(values, 0)), [var.shape.num_elements() for var in moving])
        return tf.group(*[var.assign(tf.reshape(mean, var.shape)) for var, mean in zip(moving, means)])

    def from_chief(self, variables):
        """An op: each variable is set to the chief's value."""
        if self.chief:
            return tf.group(*[tf.raw_ops.CollectiveBcastSendV2(input=var, timeout_seconds=self.timeout, **self.group())
                              for var in variables])
        return tf.group(*[var.assign(tf.raw_ops.CollectiveBcastRecvV2(
            T=var.dtype.base_dtype, shape=var.shape.as_list(), timeout_seconds=self.timeout, **self.group()))
            for var in variables])

    def number_of_chief(self, sess, number):
        """The chief's number, an integer."""
        return int(sess.run(self.largest, {self.number: [number if self.chief else -2**31]})[0])

    def agree(self, sess, error):
        """The exception that ends the training in all workers, or None. error: this worker's own, or None."""
        own = 0 if not error else error.args[0] if isinstance(error, Stopped) else 1000 + self.index
        code = int(sess.run(self.largest, {self.number: [own]})[0])
        if code == own:
            return error
        return Stopped(code) if code < 1000 else UserError(
            f"{self.name(code - 1000)} has ended with an error, see its message; the training is saved")

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
            raise UserError(f"the workers do not agree: {', '.join(differs)}; start all with the same flags, versions "
                            "and data")

    def leave(self, sess):
        """Wait until all workers have finished, so that none takes another's end for a failure."""
        sess.run(self.largest, {self.number: [0]})
        self.over.set()

    def name(self, i):
        return f"worker {i} ({self.hosts[i]})"

    def gone(self, patience=PATIENCE, tries=TRIES):
        """Names and reasons of the workers that do not accept a connection.

        A try takes at least `patience` seconds, unless it is the last one: a name may not be known for a moment.
        """
        reasons = dict.fromkeys(i for i in range(len(self.hosts)) if i != self.index)
        for left in range(tries)[::-1]:
            start = time.monotonic()
            reasons = {i: why_not_there(self.hosts[i], patience) for i in reasons}
            reasons = {i: reason for i, reason in reasons.items() if reason}
            if not reasons or ENDED in reasons.values():
                break
            time.sleep(max(start + patience - time.monotonic(), 0) if left else 0)
        return [f"{self.name(i)}: {reason}" for i, reason in reasons.items()]

    def wait_for_all(self, seconds):
        start, silent = time.monotonic(), True
        while gone := self.gone(patience=1, tries=1):
            waited = time.monotonic() - start
            if waited > 3 and silent:
                print(f" [*] Waiting for {', '.join(gone)}")
                silent = False
            if waited > seconds:
                raise UserError(f"after {seconds} s this worker, {self.index}, is still waiting for {', '.join(gone)}: "
                                "start all workers with the same addresses, or give them more time with "
                                "--start_timeout")
            time.sleep(0.2)

    def watch(self):
        """A thread: end this process when another worker is gone; the main thread might wait for that one forever."""
        while not self.over.wait(LOOK_EVERY):
            gone = self.gone()
            if gone and not self.over.wait(1):  # it may have finished just before this one
                print(f"error: {self.lost(gone)}", file=sys.stderr, flush=True)
                os._exit(1)

    def lost(self, gone):
        return f"lost {', '.join(gone)}; what was saved before is intact: start all workers again to continue"

    def explain(self, error):
        """A UserError that explains a failed collective operation."""
        for i in range(AFTER_FAILURE):
            time.sleep(0.5 if i else 0)
            gone = self.gone(tries=1)
            if gone:
                return UserError(self.lost(gone))
        return UserError(f"a step with the other workers failed ({one_line(error)[:300]}); what was saved before is "
                         "intact: start all again with the same --worker_hosts to continue; if one was only slow, with "
                         "a longer --worker_timeout")
