"""run.json, beside the checkpoints: what a run is made with, and whether it may go on with what there is now.

Since the order of the pictures and the noise depend on (seed, step) alone, run.json and the newest checkpoint are all
it takes to go on as if the run had never stopped. A lock beside it: one run in a checkpoint folder at a time.
"""
import contextlib
import errno
import json
import os
import platform
import socket
import sys

import numpy as np
import PIL
import tensorflow.compat.v1 as tf
from filelock import FileLock, Timeout

from gantut.checkpoints import newest_checkpoint, step_of
from gantut.errors import UserError, one_line, whole, writing
from gantut.flags import RECIPE

OF_THE_MODEL = ["image_size", "c_dim", "z_dim", "gf_dim", "df_dim", "batch_size", "is_crop"]
MUST_MATCH = OF_THE_MODEL + ["seed", "crop_size"]
MAY_CHANGE = ["learning_rate", "beta1", "epoch", "threads", "precision", "fast", "skip_bad_images", *RECIPE]
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, 524}  # the last is the kernel's, of NFS


def describe(dcgan, config, data, replicas):
    """What a run is made with: its flags, the versions of what computes it, its data. A dict for run.json.

    data: its folder, the number of its pictures, their fingerprint. init_from: the other model whose weights it has
    begun with (gantut/weights.py), None without one.
    ahead: by how many steps the checkpoint's number is ahead of the place in the data, after check(). checkpoints:
    those that the run has written. The flags are words, as the command line has them.
    """
    flags = {name: str(getattr(dcgan if name in OF_THE_MODEL else config, name)) for name in MUST_MATCH + MAY_CHANGE}
    flags["batch_size"] = str(dcgan.batch_size // config.devices)
    return {
        "flags": flags,
        "versions": {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__,
                     "pillow": PIL.__version__},
        "data": data,
        "init_from": None,
        "replicas": replicas,
        "ahead": 0,
        "checkpoints": [],
    }


def check(checkpoint_dir, run, saver, skip_bad=False):
    """Compare a run with the one whose checkpoint lies in checkpoint_dir, if any.

    Says which of the flags and versions that may change have done so. Raises UserError if another one has, or the data.
    With another number of replicas the epoch goes on at the same place: sets run["ahead"]. saver: the model's.
    skip_bad: --skip_bad_images, with which other data are no error.
    """
    path = os.path.join(checkpoint_dir, "run.json")
    newest = newest_checkpoint(checkpoint_dir)
    if not (os.path.exists(path) and newest):
        return
    before = read(path)
    flags, flags_before, data, data_before = run["flags"], before["flags"], run["data"], before["data"]
    other = [name for name in MUST_MATCH if flags_before.get(name, flags[name]) != flags[name]]
    if other:
        _, misfit = saver.compare(newest)
        raise UserError("the run in {} was made with {}, not {}{}: use its flags to go on, or another --checkpoint_dir "
                        "for a new run".format(checkpoint_dir, as_flags(flags_before, other),
                                               as_flags(flags, other), f" ({misfit})" if misfit else ""))
    if any(data_before[name] != data[name] for name in ("pictures", "fingerprint")):
        differs = "the run in {} was made with other data: {} pictures in {}, now {} in {}, or other contents".format(
            checkpoint_dir, data_before["pictures"], data_before["folder"], data["pictures"], data["folder"])
        if data_before["fingerprint"] == data["fingerprint"] and not skip_bad:
            raise UserError("the run in {0} was made with {1} of the pictures, now it is {2}: use --train_size {1} to "
                            "go on, or another --checkpoint_dir for a new run".format(
                                checkpoint_dir, data_before["pictures"], data["pictures"]))
        if not skip_bad:
            raise UserError(f"{differs}; bring them back, or use another --checkpoint_dir for a new run; to go on with the new "
                            f"data all the same, delete {path}")
        print(f" [!] {differs}; going on with them, because of --skip_bad_images", file=sys.stderr)
    run["init_from"] = before.get("init_from")
    run["ahead"] = steps_ahead(before, run, step_of(newest) - 1)
    replicas_before = before.get("replicas", 1)
    if replicas_before != run["replicas"]:
        size = flags["batch_size"]
        print(" [*] going on with {} x {} pictures a step (it was {} x {})".format(
            run["replicas"], size, replicas_before, size))
    for kind in ("flags", "versions"):
        for name, value in run[kind].items():
            value_before = before.get(kind, {}).get(name, value)
            if name == "fast" and value_before != value:
                print(" [*] going on {}: the rounding of a step changes".format(
                    "with --fast (it was as written)" if value == "True" else "as written (it was with --fast)"))
            elif name != "epoch" and value_before != value:
                print(f" [*] going on with {name} {value} (it was {value_before})")


def read(path):
    try:
        with open(path) as file:
            before = json.load(file)
        before["flags"].setdefault("precision", "float32")  # what runs had before there was a choice
        before["flags"].setdefault("fast", "True")
        before["flags"].setdefault("mirror", "False")
        before["data"]["pictures"], before["data"]["folder"], before["data"]["fingerprint"]
        return before
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path} cannot be read ({error}): delete it to go on without the comparison") \
            from None


def write(checkpoint_dir, run):
    with whole(os.path.join(checkpoint_dir, "run.json")) as path, open(path, "w") as file:
        json.dump(run, file, indent=1)


def add_checkpoint(checkpoint_dir, run, name):
    """Write down that the run writes a checkpoint, before it does: only its own may be removed later."""
    run["checkpoints"] = [one for one in run["checkpoints"] if one != name and os.path.exists(
        os.path.join(checkpoint_dir, one + ".index"))] + [name]
    write(checkpoint_dir, run)


def steps_ahead(before, run, done):
    """By how many steps `done`, the steps of the run so far, is ahead of its place in the data, counted as it goes on.

    Between two steps of the run before that are one step now, the place is the first one's: no picture is left out.
    """
    def in_an_epoch(replicas):
        return run["data"]["pictures"] // (int(run["flags"]["batch_size"]) * replicas)

    then, now, ahead = before.get("replicas", 1), run["replicas"], before.get("ahead", 0)
    if then == now:
        return ahead
    epoch, idx = divmod(done - ahead, in_an_epoch(then))
    return done - (epoch * in_an_epoch(now) + idx * then // now)


def as_flags(values, names):
    return " ".join(f"--{name}={values[name]}" for name in names)


@contextlib.contextmanager
def locked(checkpoint_dir):
    """A context in which, or until the process ends in any way, no other run may train in the folder.

    Raises UserError that says who does.
    """
    path = os.path.join(checkpoint_dir, "run.json.lock")
    holder = os.path.join(checkpoint_dir, "run.json.holder")
    try:
        os.makedirs(checkpoint_dir, exist_ok=True)
        lock = acquire(path)
    except Timeout:
        raise UserError(f"another run trains in {checkpoint_dir}: {who_holds(holder)}; wait for it, or use another --checkpoint_dir") from None
    except OSError as error:
        raise UserError(f"cannot write {checkpoint_dir}: {error.strerror}") from None
    try:
        with writing(checkpoint_dir), open(holder, "w") as file:
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        for name in (holder, path):  # while the lock is held, so that it is this run's
            with contextlib.suppress(OSError):
                os.remove(name)
        lock.release()


def acquire(path):
    """Lock the file at path; where its file system has no locks a line says so."""
    try:
        lock = FileLock(path, fallback_to_soft=False)  # a soft one outlives a run that is killed
    except TypeError:  # older versions of filelock have none
        lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (NotImplementedError, OSError) as error:
        if getattr(error, "errno", errno.ENOSYS) not in NO_LOCKS:
            raise
        print(" [!] {} has no locks ({}): see to it yourself that no other run trains there".format(
            os.path.dirname(path) or ".", one_line(error)), file=sys.stderr)
    return lock


def who_holds(holder):
    try:
        with open(holder) as file:
            return file.read()
    except OSError:
        return "a process that has not said which it is"
