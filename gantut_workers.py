"""The processes of a training on several machines: where they are, whether they are there, what they do together.

Used by gantut_cluster.py. Who they are comes from --worker_hosts, or from TF_CONFIG, Slurm or Kubernetes through
TensorFlow's own cluster resolvers; what they do together are TensorFlow's collective operations.
"""
import json
import os
import socket
import sys
import threading
import time

import numpy as np
import tensorflow.compat.v1 as tf

from gantut_console import Stopped, UserError
from gantut_run import MAY_CHANGE, MUST_MATCH, without_places

LOOK_EVERY = 2  # seconds between two looks at whether the other workers are there
PATIENCE = 5  # seconds that a worker may take to accept a connection
TRIES = 3  # how often it may fail to, unless it refuses: then its process has ended
NOTE = 4096  # bytes of the longest note that a worker tells the others
MAY_DIFFER = ["threads", "skip_bad_images"]  # from worker to worker
PORT = 8470  # where nothing says another one


def find_workers(flags):
    """Where the workers of this training are: returns (their addresses "host:port", the number of this one).

    By the trainer's flags, else by TF_CONFIG, else by Slurm's variables. None of them: ([], 0), this process is alone.
    Raises UserError if they make no sense.
    """
    if flags.kubernetes_label:
        source, find = "--kubernetes_label", by_kubernetes
    elif not flags.worker_hosts and "TF_CONFIG" in os.environ:
        source, find = "TF_CONFIG", by_tf_config
    elif not flags.worker_hosts and int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        source, find = "Slurm's variables", by_slurm
    else:
        source, find = "--worker_hosts", by_flags
    try:
        hosts, index = find(flags)
        for host, _, port in (address.rpartition(":") for address in hosts):
            if not host or not port.isdigit() or not 0 < int(port) < 2**16:
                raise ValueError("{}:{} is no address host:port".format(host, port))
        if len(set(hosts)) < len(hosts):
            raise ValueError("an address stands there twice: {}".format(",".join(hosts)))
        if index >= max(1, len(hosts)):
            raise ValueError("there is no worker {} among {}, counted from 0".format(index, len(hosts)))
    except (ValueError, RuntimeError, LookupError, TypeError, AttributeError) as error:
        raise UserError("who are the workers, by {}? {}".format(source, " ".join(str(error).split()))) from None
    return hosts, index


def by_flags(flags):
    return flags.worker_hosts, flags.task_index


def by_tf_config(_):
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    jobs = resolver.cluster_spec().as_dict()
    if set(jobs) - {"chief", "master", "worker"}:
        raise ValueError("TF_CONFIG names {}; here there are only workers, and a chief perhaps".format(", ".join(jobs)))
    tasks = [(job, i) for job in ("chief", "master", "worker") for i in range(len(jobs.get(job, [])))]
    own = (resolver.task_type, resolver.task_id)
    if tasks and own not in tasks:
        raise ValueError("TF_CONFIG's task {} {} is none of its cluster {}".format(*own, jobs))
    return [jobs[job][i] for job, i in tasks], tasks.index(own) if tasks else 0


def by_slurm(_):
    """The tasks of a Slurm step, one worker each; Slurm itself gives each its GPU (--gpus-per-task)."""
    count = int(os.environ["SLURM_STEP_NUM_TASKS"])
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        port_base=PORT, gpus_per_node=count, gpus_per_task=1, auto_set_gpu=False)  # it cannot count to no GPUs
    hosts = resolver.cluster_spec().as_dict()["worker"]
    _, index = resolver.get_task_info()
    node = os.environ.get("SLURMD_NODENAME")
    if node and hosts[index].rpartition(":")[0] != node:
        raise ValueError("Slurm runs task {} on {}, TensorFlow's resolver expects it on {}, since it sorts the nodes "
                         "by name: use --worker_hosts".format(index, node, hosts[index]))
    return hosts, index


def by_kubernetes(flags):
    """The pods with a label, one worker each, on the network of their nodes; HOST_IP says which one this is."""
    try:
        from kubernetes import client, config
    except ImportError:
        raise ValueError("it needs Kubernetes's client: pip install '.[kubernetes]'") from None
    own = "{}:{}".format(os.environ.get("HOST_IP"), PORT)
    hosts, reason, end = [], None, time.monotonic() + flags.start_timeout
    try:
        config.load_incluster_config() if "KUBERNETES_SERVICE_HOST" in os.environ else config.load_kube_config()
        resolver = tf.distribute.cluster_resolver.KubernetesClusterResolver(
            {"worker": [flags.kubernetes_label]}, PORT, override_client=client.CoreV1Api())
        while len(hosts) < flags.num_workers and (reason is None or time.monotonic() < end):
            time.sleep(1 if reason else 0)
            try:
                hosts = resolver.cluster_spec().as_dict().get("worker", [])
                reason = "{} of {} pods with the label {}".format(len(hosts), flags.num_workers, flags.kubernetes_label)
            except RuntimeError as error:  # a pod is not running (yet)
                reason = str(error)
    except Exception as error:  # Kubernetes's client raises many kinds
        raise ValueError("Kubernetes does not answer: {}".format(error)) from None
    if len(hosts) < flags.num_workers:
        raise ValueError("after {} s there are not enough: {}".format(flags.start_timeout, reason))
    if own not in hosts:
        raise ValueError("HOST_IP, {}, is none of {}; it comes from status.hostIP: docs/cluster.md".format(
            os.environ.get("HOST_IP"), ",".join(hosts)))
    return hosts, hosts.index(own)


class Workers(object):
    """The processes of one training, seen from this one: their server, and what they do together.

    hosts: the address "host:port" of each. index: this one's number. config: the tf.ConfigProto for server and session.
    start_timeout, timeout: how many seconds to wait for the others at the start, and later.
    Raises UserError if the port is taken, or the others do not come.
    """

    def __init__(self, hosts, index, config, start_timeout, timeout):
        self.hosts, self.index, self.timeout = hosts, index, timeout
        self.keys = 0
        self.over = threading.Event()
        os.environ["no_grpc_proxy"] = ",".join(host.rsplit(":", 1)[0] for host in hosts)
        check_address(hosts[index], index, start_timeout)
        config.experimental.collective_group_leader = "/job:worker/replica:0/task:0"
        config.device_filters.append("/job:worker/task:{}".format(index))
        self.server = tf.train.Server(tf.train.ClusterSpec({"worker": hosts}), "worker", index, config=config)
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

    def average_after(self, update, variables):
        """An op: update, and then each of the variables becomes its mean over the workers."""
        with tf.control_dependencies([update]):
            values = [var.read_value() for var in variables]
        mean = self.average(tf.concat([tf.reshape(value, [-1]) for value in values], 0))
        means = tf.split(mean, [var.shape.num_elements() for var in variables])
        return tf.group(*[var.assign(tf.reshape(value, var.shape)) for var, value in zip(variables, means)])

    def from_chief(self, variables):
        """An op: each variable takes the chief's value."""
        if self.index == 0:
            return tf.group(*[tf.raw_ops.CollectiveBcastSendV2(input=var, timeout_seconds=self.timeout, **self.group())
                              for var in variables])
        return tf.group(*[var.assign(tf.raw_ops.CollectiveBcastRecvV2(
            T=var.dtype.base_dtype, shape=var.shape.as_list(), timeout_seconds=self.timeout, **self.group()))
            for var in variables])

    def number_of_chief(self, sess, number):
        """The chief's number, an integer."""
        return int(sess.run(self.largest, {self.number: [number if self.index == 0 else -2**31]})[0])

    def agree(self, sess, ending):
        """What ends the training: None if no worker's ending is an exception, else an exception for each worker."""
        own = 0 if not ending else ending.args[0] if isinstance(ending, Stopped) else 1000 + self.index
        code = int(sess.run(self.largest, {self.number: [own]})[0])
        if code == own:
            return ending
        return Stopped(code) if code < 1000 else UserError(
            "{} has come to an end, see what it says; the training is saved".format(self.name(code - 1000)))

    def compare(self, sess, run):
        """Raise UserError if a worker's run, the dict for run.json, differs from the chief's where it must not."""
        flags = {name: run["flags"][name] for name in MUST_MATCH + MAY_CHANGE if name not in MAY_DIFFER}
        mine = {"--" + name: value for name, value in flags.items()}
        mine.update(run["versions"], workers=len(self.hosts), replicas=run["replicas"],
                    **{name: run["data"][name] for name in ("pictures", "fingerprint")})
        note = np.frombuffer(json.dumps(mine).encode().ljust(NOTE), np.uint8)
        told = sess.run(self.notes, {self.note: note}).reshape(len(self.hosts), NOTE)
        notes = [json.loads(bytes(note.astype(np.uint8))) for note in told]
        differs = ["{} of worker {} is {}, of worker 0 {}".format(name, i, note.get(name), value)
                   for i, note in enumerate(notes) for name, value in notes[0].items() if note.get(name) != value]
        if differs:
            self.part(sess)
            raise UserError("the workers do not agree: {}; start all with the same flags, versions and data".format(
                ", ".join(differs)))

    def part(self, sess):
        """Wait until all have come to the end, so that none takes another's for a death."""
        sess.run(self.largest, {self.number: [0]})
        self.over.set()

    def name(self, i):
        return "worker {} ({})".format(i, self.hosts[i])

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
                print("error: {}".format(self.lost(gone)), file=sys.stderr, flush=True)
                os._exit(1)

    def lost(self, gone):
        return "lost {}; what was saved before is intact: start all workers again to go on".format(", ".join(gone))

    def explain(self, error):
        """What a failed collective operation means, a UserError."""
        gone = self.gone(tries=1)
        if gone:
            return UserError(self.lost(gone))
        return UserError("a step with the other workers failed ({}); what was saved before is intact: start all again, "
                         "with the same --worker_hosts, to go on; if one was only slow, with a longer "
                         "--worker_timeout".format(without_places(error)[:300]))


def why_not_there(address, patience, tries):
    """Why the worker at an address "host:port" does not accept a connection, in words; None if it does."""
    host, port = address.rsplit(":", 1)
    for _ in range(tries):
        try:
            socket.create_connection((host.strip("[]"), int(port)), patience).close()
            return None
        except ConnectionRefusedError:
            return "no process listens there"
        except OSError as error:
            reason = error.strerror or str(error)
    return reason


def check_address(address, index, seconds=0):
    """Raise UserError if this worker's address is not this machine's, or is taken: gRPC itself would share the port.

    seconds: how long to wait until the name of the host is known; in Kubernetes it becomes so while a pod starts.
    """
    host, port = address.rsplit(":", 1)
    end = time.monotonic() + seconds
    try:
        while True:
            try:
                family, kind, _, _, place = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
                break
            except socket.gaierror:
                if time.monotonic() > end:
                    raise
                time.sleep(1)
        with socket.socket(family, kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of a run that has just ended
            listener.bind(place)
            listener.listen()
    except OSError as error:
        raise UserError("worker {} cannot listen at {}: {}; does it run already, or should this be another "
                        "--task_index?".format(index, address, error.strerror)) from None
