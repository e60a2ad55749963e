"""A run that is not lost: what it was made with, how it stops, when it has gone wrong. Beyond the tutorial.

A run is what stands in its checkpoint folder: the newest checkpoint, and run.json, which says what the checkpoint was
made with. Since the order of the pictures and the noise depend on (seed, step) alone, these two are all it takes to
go on as if it had never stopped.
"""
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import PIL
import tensorflow.compat.v1 as tf

from gantut_console import UserError

OF_THE_MODEL = ["image_size", "c_dim", "z_dim", "gf_dim", "df_dim", "batch_size", "is_crop"]
MUST_MATCH = OF_THE_MODEL + ["seed", "crop_size"]
MAY_CHANGE = ["learning_rate", "beta1", "epoch", "threads", "skip_bad_images"]
BEYOND_PART_5 = dict(logs_dir="logs", crop_size=0, sample_every=100, save_every=500, summary_every=1, max_to_keep=1,
                     skip_bad_images=False, seed=1, threads=0, cache_mb=1024)

D_HAS_WON = (0.05, 200)  # d_loss below this (1.39 = undecided) in so many steps in a row
COLLAPSED = (0.05, 500)  # spread of the samples below this share of the pictures' spread, after so many steps


def newest_checkpoint(checkpoint_dir):
    """The path of the newest checkpoint in a folder, wherever the folder was when it was written; None without one."""
    ckpt = checkpoint_dir and tf.train.get_checkpoint_state(checkpoint_dir)
    if not (ckpt and ckpt.model_checkpoint_path):
        return None
    return os.path.join(checkpoint_dir, os.path.basename(ckpt.model_checkpoint_path))


def checkpoint_sizes(checkpoint_dir):
    """Read the sizes of the model in the newest checkpoint from its variables' shapes: a dict of DCGAN's arguments.

    Raises UserError if there is no checkpoint, or none of a DCGAN.
    """
    path = newest_checkpoint(checkpoint_dir)
    if not path:
        raise UserError("no checkpoint in {}: train a model first, or give its folder with --checkpoint_dir".format(
            checkpoint_dir))
    try:
        shapes = tf.train.load_checkpoint(path).get_variable_to_shape_map()
        layers = sum(1 for name in shapes if re.fullmatch(r"generator/g_h\d+/w", name))
        return dict(image_size=4 * 2**layers, c_dim=shapes["generator/g_h{}/w".format(layers)][2],
                    z_dim=shapes["generator/g_h0_lin/Matrix"][0],
                    gf_dim=shapes["generator/g_h0_lin/bias"][0] // (8 * 4 * 4),
                    df_dim=shapes["discriminator/d_h00_conv/biases"][0])
    except (tf.errors.OpError, KeyError, ValueError) as error:
        raise UserError("the checkpoint {} is none of a DCGAN, or cannot be read ({})".format(
            path, " ".join(str(error).split()))) from None


def compare_checkpoint(path, dcgan):
    """Compare a checkpoint with a model's graph.

    Returns (the optimizers' variables that it does not hold; which variable of the model it does not hold, or
    holds with another shape, in words, or None). Raises UserError if it cannot be read.
    """
    try:
        shapes = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise UserError("the checkpoint {} cannot be read ({}): use another --checkpoint_dir".format(
            path, " ".join(str(error).split()))) from None
    for var in dcgan.saved_vars:
        shape = shapes.get(var.op.name)
        if shape is None and var in dcgan.model_vars:
            return [], "the checkpoint {} holds no {}".format(path, var.op.name)
        if shape is not None and shape != var.shape.as_list():
            return [], "{} has the shape {} in the checkpoint {}, but {} in this model".format(
                var.op.name, shape, path, var.shape.as_list())
    return [var for var in dcgan.saved_vars if var.op.name not in shapes], None


def settings(config):
    """What train() wants to know, from the trainer's flags, or from Part 5's own and the defaults of the others."""
    names = ["epoch", "learning_rate", "beta1", "train_size", "dataset", "checkpoint_dir", "sample_dir"]
    return SimpleNamespace(**{name: getattr(config, name) for name in names},
                           **{name: getattr(config, name, default) for name, default in BEYOND_PART_5.items()})


def describe_run(dcgan, config, data):
    """What a run is made with: its flags, the versions of what computes it, its data. A dict for run.json.

    ahead: by how many steps the checkpoint's number is ahead of the place in the data, after check_run().
    """
    return {
        "flags": {name: str(getattr(dcgan if name in OF_THE_MODEL else config, name))
                  for name in MUST_MATCH + MAY_CHANGE},
        "versions": {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__,
                     "pillow": PIL.__version__},
        "data": {"folder": config.dataset, "pictures": len(data.files), "fingerprint": data.fingerprint},
        "replicas": dcgan.replicas,
        "ahead": 0,
    }


def check_run(checkpoint_dir, run, dcgan):
    """Compare a run with the one whose checkpoint lies in checkpoint_dir, if any.

    Says which of the flags and versions that may change have done so. Raises UserError if another one has, or the data.
    With another number of replicas the epoch goes on at the same place: sets run["ahead"].
    """
    path = os.path.join(checkpoint_dir, "run.json")
    newest = newest_checkpoint(checkpoint_dir)
    if not (os.path.exists(path) and newest):
        return
    try:
        with open(path) as file:
            before = json.load(file)
        before_flags, before_data = before["flags"], before["data"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError("{} cannot be read ({}): delete it to go on without the comparison".format(path, error)) \
            from None
    other = [name for name in MUST_MATCH if before_flags.get(name, run["flags"].get(name)) != run["flags"].get(name)]
    if other:
        _, misfit = compare_checkpoint(newest, dcgan)
        raise UserError("the run in {} was made with {}, not {}{}: use its flags to go on, or another --checkpoint_dir "
                        "for a new run".format(checkpoint_dir, as_flags(before_flags, other),
                                               as_flags(run["flags"], other), " ({})".format(misfit) if misfit else ""))
    if any(before_data[name] != run["data"][name] for name in ("pictures", "fingerprint")):
        differs = "the run in {} was made with other data: {} pictures in {}, now {} in {}, or other contents".format(
            checkpoint_dir, before_data["pictures"], before_data["folder"], run["data"]["pictures"],
            run["data"]["folder"])
        if run["flags"]["skip_bad_images"] != "True":
            raise UserError("{}; bring them back, or use another --checkpoint_dir for a new run; to go on with the new "
                            "data all the same, delete {}".format(differs, path))
        print(" [!] {}; going on with them, because of --skip_bad_images".format(differs), file=sys.stderr)
    run["ahead"] = steps_ahead(before, run, int(newest.rsplit("-", 1)[-1]) - 1)
    if before.get("replicas", 1) != run["replicas"]:
        print(" [*] going on with {} x {} pictures a step (it was {} x {})".format(
            run["replicas"], dcgan.batch_size, before.get("replicas", 1), dcgan.batch_size))
    for part in ("flags", "versions"):
        for name, value in run[part].items():
            if name != "epoch" and before.get(part, {}).get(name, value) != value:
                print(" [*] going on with {} {} (it was {})".format(name, value, before[part][name]))


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
    return " ".join("--{}={}".format(name, values[name]) for name in names)


def keep_run(checkpoint_dir, run, saver, model_name):
    """Write run.json, tell a new saver which checkpoints there are, and remove what a killed run left behind.

    Left behind are files half written, and checkpoints that the folder's state file does not know (any more).
    """
    with writing(checkpoint_dir):
        os.makedirs(checkpoint_dir, exist_ok=True)
        path = os.path.join(checkpoint_dir, "run.json")
        with open(path + ".tmp", "w") as file:
            json.dump(run, file, indent=1)
        os.replace(path + ".tmp", path)  # whole or not at all

        state = tf.train.get_checkpoint_state(checkpoint_dir)
        known = [os.path.basename(path) for path in state.all_model_checkpoint_paths] if state else []
        saver.recover_last_checkpoints([os.path.join(checkpoint_dir, name) for name in known])
        for name in os.listdir(checkpoint_dir):
            match = re.fullmatch(r"({}-\d+)(\..*|_temp.*)|checkpoint\.tmp.*".format(re.escape(model_name)), name)
            if match and ("temp" in name or match[1] not in known):
                path = os.path.join(checkpoint_dir, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def open_writer(logs_dir, graph, step):
    """A writer of TensorBoard's logs; what an earlier run wrote from this step on no longer counts."""
    threading.excepthook = report_thread
    with writing(logs_dir):
        writer = tf.summary.FileWriter(logs_dir, graph)
        writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), step)
        return writer


def flush(writer, step):
    """Write out TensorBoard's logs; returns whether they are in the file: TensorFlow says nothing of a full disk."""
    mark = "logs up to step {}".format(step)
    with writing(writer.get_logdir()):
        writer.add_session_log(tf.SessionLog(status=tf.SessionLog.CHECKPOINT, msg=mark), step)
        writer.flush()
        newest = max(name for name in os.listdir(writer.get_logdir()) if name.startswith("events."))
        with open(os.path.join(writer.get_logdir(), newest), "rb") as file:
            file.seek(-min(200, os.fstat(file.fileno()).st_size), os.SEEK_END)
            return mark.encode() in file.read()


def report_thread(args):
    """Print what ended a thread, unless it is the writer's: that is raised again where the writer is called."""
    if args.thread.name != "EventLoggerThread":
        threading.__excepthook__(args)


@contextlib.contextmanager
def writing(what):
    """Turn the failure to write something into a UserError: a full disk, a folder that cannot be written to."""
    try:
        yield
    except Exception as error:  # TensorFlow's writers raise OpError, but also ValueError, IndexError, RuntimeError
        raise UserError("cannot write {}: {}; what was saved before is intact, mend this and run the same command to "
                        "go on".format(what, without_places(error)[:300])) from None


def without_places(error):
    """The message of an error, in one line; of TensorFlow's, without the places in the code."""
    message = re.search(r"^Node: .*\n(?:From /job:.*\n)?(.*)", str(error), re.MULTILINE)
    return " ".join((message[1] if message else str(error)).split())


class Stop(object):
    """While it is entered, Ctrl-C and SIGTERM only set .signum, and the training stops when its step is done.

    A second one ends the process at once. A thread reads the signals from Python's wakeup pipe, since the main thread
    cannot while TensorFlow computes.
    """

    def __enter__(self):
        self.signum = None
        self.handlers = {}
        if threading.current_thread() is not threading.main_thread():  # which alone may handle signals
            return self
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.writer, False)
        signal.set_wakeup_fd(self.writer)  # before the handlers, so that no signal is lost
        self.handlers = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
        threading.Thread(target=self.listen, daemon=True).start()
        return self

    def listen(self):
        while byte := os.read(self.reader, 1):
            if self.signum is None:
                self.signum, first = byte[0], time.monotonic()
                print("stopping after this step; once more stops at once", file=sys.stderr, flush=True)
            elif time.monotonic() - first > 0.5:  # a launcher may pass on what the terminal sent to all
                os._exit(128 + byte[0])

    def __exit__(self, *_):
        if self.handlers:
            signal.set_wakeup_fd(-1)
            for number, handler in self.handlers.items():
                signal.signal(number, handler)
            os.close(self.writer)


class Watch(object):
    """Looks for what spoils a training: numbers that are not finite, a discriminator that has won, a collapse."""

    def __init__(self, sess, variables):
        self.sess = sess
        self.names = [var.op.name for var in variables]
        self.finite = [tf.reduce_all(tf.is_finite(tf.cast(var, tf.float32))) for var in variables]
        self.steps_won = 0
        self.warned = set()

    def check_losses(self, step, **losses):
        """Raise UserError if a loss is not finite; warn, once, when D has won for a long time."""
        for name, loss in losses.items():
            if not np.isfinite(loss):
                self.diverged(step, name)
        limit, steps = D_HAS_WON
        d_loss = losses["d_loss_real"] + losses["d_loss_fake"]
        self.steps_won = self.steps_won + 1 if d_loss < limit else 0
        if self.steps_won == steps:
            self.warn("D has won: its loss has been below {} for {} steps (now {:.4f}, g_loss {:.2f}), so that G "
                      "learns little; a smaller --df_dim or --learning_rate helps".format(
                          limit, steps, d_loss, losses["g_loss"]))

    def check_weights(self, step):
        """Raise UserError if a variable that goes into the checkpoint is not finite."""
        for name, finite in zip(self.names, self.sess.run(self.finite)):
            if not finite:
                self.diverged(step, name)

    def check_samples(self, step, samples, images):
        """Warn, once, when the samples have collapsed: they hardly differ from one another."""
        share, steps = COLLAPSED
        spread, wanted = (np.std(batch, axis=0).mean() for batch in (samples, images))
        if step >= steps and spread < share * wanted:
            self.warn("the samples have collapsed: their spread is {:.4f}, that of the pictures {:.4f}; go back to an "
                      "earlier checkpoint, or try another --seed or a smaller --learning_rate".format(spread, wanted))

    def warn(self, message):
        kind = message.split(":")[0]
        if kind not in self.warned:
            self.warned.add(kind)
            print(" [!] " + message, file=sys.stderr, flush=True)

    def diverged(self, step, name):
        raise UserError("training has diverged: {} is not finite at step {}; the last checkpoint is from before. A "
                        "smaller --learning_rate usually helps, or another --seed".format(name, step))
