"""run.json, beside the checkpoints: the settings of a run, and whether it can continue with the present ones.

Since the order of the pictures and the noise depend only on (seed, step), run.json and the newest checkpoint are enough
to continue as if the run had never stopped.
"""
import contextlib
import json
import os
import platform
import uuid

import numpy as np
import PIL
import tensorflow.compat.v1 as tf

from gantut.checkpoints import newest_checkpoint, step_of
from gantut.errors import UserError, say, whole
from gantut.flags import BEYOND, OF_DCGAN, RECIPE

MUST_MATCH = OF_DCGAN + ["seed", "crop_size"]
POSITION = ["replicas", "ahead", "data"]  # what tells where in the data a checkpoint is
MAY_CHANGE = ["learning_rate", "beta1", "epoch", "threads", "precision", "fast", "skip_bad_images", *RECIPE]


def describe(dcgan, config, data, replicas):
    """The settings of a run: its flags, the versions of the software, its data. A dict for run.json.

    data: its folder, as given and in full, the number of its pictures, their fingerprint. init_from: the other model
    whose weights it started with (gantut/weights.py), or None. ahead: by how many steps the checkpoint's number is
    ahead of the position in the data, set by check(). checkpoints: those that the run has written. positions: replicas,
    ahead and data of each of these, as they were then. The flags are strings, as on the command line. id: of this run,
    the same when it continues.
    """
    flags = {name: str(getattr(dcgan if name in OF_DCGAN else config, name)) for name in MUST_MATCH + MAY_CHANGE}
    flags["batch_size"] = str(dcgan.batch_size // config.devices)
    return {
        "id": uuid.uuid4().hex,
        "flags": flags,
        "versions": {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__,
                     "pillow": PIL.__version__},
        "data": data,
        "init_from": None,
        "replicas": replicas,
        "ahead": 0,
        "checkpoints": [],
        "positions": {},
    }


def check(checkpoint_dir, run, saver, skip_bad=False):
    """Compare a run with the one that has left a checkpoint in checkpoint_dir, if any.

    Prints the flags and versions that have changed, if they may change. Raises UserError if another flag or the data
    have changed. With another number of replicas the epoch continues at the same position in the data: sets
    run["ahead"]. saver: the model's. skip_bad: --skip_bad_images, with which other pictures in the same folder are no
    error.
    """
    path = os.path.join(checkpoint_dir, "run.json")
    newest = newest_checkpoint(checkpoint_dir)
    if not os.path.exists(path):
        return
    if not newest:  # another program's file is not replaced
        read(path, "move it away, or use another --checkpoint_dir")
        return
    before = read(path)
    folder, name = os.path.split(os.path.realpath(checkpoint_dir))
    if "score" in before and name == "best" and os.path.exists(os.path.join(folder, "run.json")):
        raise UserError(f"{checkpoint_dir} is the best model of the run in {folder}, which replaces it: copy it, and "
                        "give the copy as --checkpoint_dir")
    flags, flags_before = run["flags"], before["flags"]
    other = [name for name in MUST_MATCH if flags_before.get(name, flags[name]) != flags[name]]
    if other:
        _, misfit = saver.compare(newest)
        misfit = f" ({misfit})" if misfit else ""
        raise UserError(f"the run in {checkpoint_dir} was made with {as_flags(flags_before, other)}, not "
                        f"{as_flags(flags, other)}{misfit}: use its flags to continue, or another --checkpoint_dir for "
                        "a new run")
    name = os.path.basename(newest)
    then = {**before, **before["positions"].get(name, {})}  # a later start may have saved nothing
    check_data(checkpoint_dir, then["data"], run["data"], skip_bad)
    run["init_from"] = before.get("init_from")
    if "score" not in before:  # a copy of a `best` is a run of its own
        run["id"] = before.get("id", run["id"])
    run["positions"] = {**before["positions"], name: {key: then[key] for key in POSITION}}
    run["ahead"] = steps_ahead(then, run, step_of(newest) - 1)
    replicas_before = then["replicas"]
    if replicas_before != run["replicas"]:
        size = flags["batch_size"]
        print(f" [*] going on with {run['replicas']} x {size} pictures a step (it was {replicas_before} x {size})")
    say_changes(before, run)


def check_data(checkpoint_dir, data_before, data, skip_bad):
    """Raise UserError if the pictures are not those of the run, and are not to be used all the same."""
    if same_pictures(data_before, data):
        return
    count_before, count = data_before["pictures"], data["pictures"]
    if data_before["fingerprint"] == data["fingerprint"]:
        raise UserError(f"the run in {checkpoint_dir} was made with {count_before} of the pictures, now there are "
                        f"{count}: use --train_size {count_before} to continue, or another --checkpoint_dir for a "
                        "new run")
    differs = (f"the run in {checkpoint_dir} was made with other data: {count_before} pictures in "
               f"{data_before['folder']}, now {count} in {data['folder']}, or other contents")
    before_path = data_before.get("path") or os.path.realpath(data_before["folder"])
    if not (skip_bad and before_path == data["path"]):
        anyway = "use --skip_bad_images" if before_path == data["path"] else (
            f"delete {os.path.join(checkpoint_dir, 'run.json')}, but then the epochs are counted by the new pictures")
        raise UserError(f"{differs}; restore them, or use another --checkpoint_dir for a new run; to continue with "
                        f"the new data anyway, {anyway}")
    say(f"{differs}; continuing with them, because of --skip_bad_images")


def same_pictures(data, other):
    return all(data[name] == other[name] for name in ("pictures", "fingerprint"))


def is_of_other_pictures(folder, run):
    """Whether the model in a folder, such as a run's best, has learnt other pictures than those of a run."""
    path = os.path.join(folder, "run.json")
    with contextlib.suppress(UserError):  # who needs it says what is wrong with it
        return os.path.exists(path) and not same_pictures(read(path)["data"], run["data"])
    return False


def say_changes(before, run):
    """Print the flags and versions that have changed since the run began, of those that may change."""
    for kind in ("flags", "versions"):
        for name, value in run[kind].items():
            value_before = before.get(kind, {}).get(name, value)
            if name == "fast" and value_before != value:
                now = "with --fast (it was as written)" if value == "True" else "as written (it was with --fast)"
                print(f" [*] going on {now}: the rounding of a step changes")
            elif name != "epoch" and value_before != value:
                print(f" [*] going on with {name} {value} (it was {value_before})")


def read(path, advice="delete it to continue without the comparison"):
    try:
        with open(path) as file:
            before = json.load(file)
        before["flags"].setdefault("fast", "True")  # run.json without it: the fused step
        for name in BEYOND.keys() & {*MUST_MATCH, *MAY_CHANGE}:  # a flag that did not exist then had its default
            before["flags"].setdefault(name, str(BEYOND[name][0]))
        before = {"replicas": 1, "ahead": 0, "positions": {}, **before}
        for one in (before, *before["positions"].values()):  # LookupError if something is missing
            one["replicas"], one["ahead"], [one["data"][name] for name in ("pictures", "folder", "fingerprint")]
        return before
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a training's, or is damaged ({error}): {advice}") from None


def write(checkpoint_dir, run):
    with whole(os.path.join(checkpoint_dir, "run.json"), to_disk=True) as path, open(path, "w") as file:
        json.dump(run, file, indent=1)


def add_checkpoint(checkpoint_dir, run, name):
    """Record a checkpoint in run.json before it is written: the run may later remove only its own."""
    run["checkpoints"] = [one for one in run["checkpoints"] if one != name and os.path.exists(
        os.path.join(checkpoint_dir, one + ".index"))] + [name]
    run["positions"] = {one: run["positions"][one] for one in run["checkpoints"] if one in run["positions"]}
    run["positions"][name] = {key: run[key] for key in POSITION}
    write(checkpoint_dir, run)


def steps_ahead(before, run, done):
    """By how many steps `done`, the steps of the run so far, is ahead of its position in the data, in present steps.

    If the position is inside a present step, its start counts, so that no picture is left out. The epoch is the same
    also with another number of pictures.
    """
    def in_an_epoch(of):
        return of["data"]["pictures"] // (int(of["flags"]["batch_size"]) * of.get("replicas", 1))

    then, now, ahead = before.get("replicas", 1), run["replicas"], before.get("ahead", 0)
    if then == now and in_an_epoch(before) == in_an_epoch(run):
        return ahead
    epoch, idx = divmod(done - ahead, in_an_epoch(before))
    return done - (epoch * in_an_epoch(run) + min(idx * then // now, in_an_epoch(run)))


def as_flags(values, names):
    return " ".join(f"--{name}={values[name]}" for name in names)
