"""Where the workers of a cluster are: from the trainer's flags, TF_CONFIG, Slurm or Kubernetes.

The last three use TensorFlow's own cluster resolvers.
"""
import os
import socket
import time

import tensorflow.compat.v1 as tf

from gantut.errors import UserError, one_line
from gantut.paths import in_words

PORT = 8470  # unless another one is given
ENDED = "no process listens there"


def find_workers(flags):
    """The workers of this training: (their addresses "host:port", the number of this one); None if there is only one.

    From the trainer's flags, otherwise from TF_CONFIG or Slurm's variables. Raises UserError if they make no sense.
    """
    if flags.kubernetes_label:
        source, find = "--kubernetes_label", by_kubernetes
    elif not flags.worker_hosts and os.environ.get("TF_CONFIG"):
        source, find = "TF_CONFIG", by_tf_config
    elif not flags.worker_hosts and os.environ.get("SLURM_STEP_NUM_TASKS", "1") not in ("", "0", "1"):
        source, find = "Slurm's variables", by_slurm
    else:
        source, find = "--worker_hosts", by_flags
    try:
        hosts, index = find(flags)
        for host, _, port in (address.rpartition(":") for address in hosts):
            if not host or not port.isdigit() or not 0 < int(port) < 2**16:
                raise ValueError(f"{host}:{port} is not an address host:port")
        if len(set(hosts)) < len(hosts):
            raise ValueError(f"an address occurs twice: {','.join(hosts)}")
        if index >= max(1, len(hosts)):
            raise ValueError(f"there is no worker {index} among {len(hosts)}, counted from 0")
    except (ValueError, RuntimeError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"cannot find the workers by {source}: {one_line(error)}") from None
    if len(hosts) < 2:
        return None
    if index == 0 and find in VARIABLES:
        print(f" [*] {len(hosts)} workers, by {source}; to train in this process alone: unset {VARIABLES[find]}",
              flush=True)
    return hosts, index


def by_flags(flags):
    return flags.worker_hosts, flags.task_index


def by_tf_config(_):
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    jobs = resolver.cluster_spec().as_dict()
    if set(jobs) - {"chief", "master", "worker"}:
        raise ValueError(f"TF_CONFIG names {', '.join(jobs)}; only workers, and perhaps a chief, can be used here")
    tasks = [(job, i) for job in ("chief", "master", "worker") for i in range(len(jobs.get(job, [])))]
    own = (resolver.task_type, resolver.task_id)
    if tasks and own not in tasks:
        raise ValueError(f"TF_CONFIG's task {own[0]} {own[1]} is not in its cluster {jobs}")
    return [jobs[job][i] for job, i in tasks], tasks.index(own) if tasks else 0


def by_slurm(_):
    """The tasks of a Slurm step, one worker each; Slurm itself gives each task its GPU (--gpus-per-task)."""
    tasks = os.environ["SLURM_STEP_NUM_TASKS"]
    if not tasks.isdecimal():
        raise ValueError(f"SLURM_STEP_NUM_TASKS is {tasks}, not a number")
    count = int(tasks)
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        port_base=PORT, gpus_per_node=count, gpus_per_task=1, auto_set_gpu=False)  # it does not allow 0 GPUs
    hosts = resolver.cluster_spec().as_dict()["worker"]
    _, index = resolver.get_task_info()
    node = os.environ.get("SLURMD_NODENAME")
    if node and hosts[index].rpartition(":")[0] != node:
        raise ValueError(f"Slurm runs task {index} on {node}, but TensorFlow's resolver expects it on {hosts[index]}, "
                         "since it sorts the nodes by name: use --worker_hosts")
    return hosts, index


def by_kubernetes(flags):
    """The pods with a label, one worker each, on the network of their nodes; HOST_IP says which one this is."""
    try:
        from kubernetes import client, config
    except ImportError:
        raise ValueError(in_words("it needs Kubernetes's client: pip install '.[kubernetes]'")) from None
    host_ip = os.environ.get("HOST_IP")
    own = f"{host_ip}:{PORT}"
    hosts, reason, end = [], None, time.monotonic() + flags.start_timeout
    try:
        config.load_incluster_config() if "KUBERNETES_SERVICE_HOST" in os.environ else config.load_kube_config()
        resolver = tf.distribute.cluster_resolver.KubernetesClusterResolver(
            {"worker": [flags.kubernetes_label]}, PORT, override_client=client.CoreV1Api())
        while len(hosts) < flags.num_workers and (reason is None or time.monotonic() < end):
            time.sleep(1 if reason else 0)
            try:
                hosts = resolver.cluster_spec().as_dict().get("worker", [])
                reason = f"{len(hosts)} of {flags.num_workers} pods with the label {flags.kubernetes_label}"
            except RuntimeError as error:  # a pod is not running (yet)
                reason = str(error)
    except Exception as error:  # Kubernetes's client raises many kinds
        raise ValueError(f"Kubernetes does not answer: {error}") from None
    if len(hosts) < flags.num_workers:
        raise ValueError(f"after {flags.start_timeout} s there are not enough: {reason}")
    if own not in hosts:
        raise ValueError(f"HOST_IP, {host_ip}, is not in {','.join(hosts)}; it comes from status.hostIP: "
                         "docs/cluster.md")
    return hosts, hosts.index(own)


VARIABLES = {by_tf_config: "TF_CONFIG", by_slurm: "SLURM_STEP_NUM_TASKS"}  # they may be set for another purpose


def why_not_there(address, patience):
    """Why the worker at an address "host:port" does not accept a connection, in words; None if it does."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host.strip("[]"), int(port)), patience).close()
        return None
    except ConnectionRefusedError:
        return ENDED
    except (OSError, UnicodeError) as error:  # UnicodeError: no host can have that name
        return getattr(error, "strerror", None) or one_line(error)


def check_address(address, index, seconds=0):
    """Raise UserError if this worker's address is not on this machine, or is in use: gRPC itself would share the port.

    seconds: how long to wait until the name of the host is known; Kubernetes makes it known while a pod starts.
    """
    host, port = address.rsplit(":", 1)
    start, silent = time.monotonic(), True
    try:
        while True:
            try:
                family, kind, _, _, place = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
                break
            except socket.gaierror:
                waited = time.monotonic() - start
                if waited > seconds:
                    raise
                if waited > 3 and silent:
                    print(f" [*] Waiting until this worker's own name is known here: {host}", flush=True)
                    silent = False
                time.sleep(1)
        with socket.socket(family, kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of a run that has just ended
            listener.bind(place)
            listener.listen()
    except (OSError, UnicodeError) as error:
        raise cannot_listen(index, address, getattr(error, "strerror", None) or one_line(error)) from None


def cannot_listen(index, address, reason):
    return UserError(f"worker {index} cannot listen at {address}: {reason}; is it running already, or should this be "
                     "another --task_index?")
