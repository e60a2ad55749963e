"""What a run writes: TensorBoard's event files, checkpoints, samples.

No training ends for a curve or a sample that cannot be written; checkpoints must not be lost.
"""
import contextlib
import os
import tempfile
import threading
import uuid

import tensorflow.compat.v1 as tf

from gantut import run_record
from gantut.checkpoints import Saver
from gantut.errors import one_line, say, writing


class FileWriter:
    """Part 4's tf.summary.FileWriter for a training, which does not end for a curve.

    What cannot be written is missed, with a line; where writing is possible again a new file goes on. every: steps
    between the summaries that are written. logs_dir None: nothing is.
    """

    def __init__(self, logs_dir, graph=None, every=1):
        self.logs_dir, self.graph, self.every = logs_dir, graph, every
        self.writer, self.missed = None, False

    def wants(self, step):
        """Whether the summaries of a step are written."""
        return self.logs_dir is not None and step % self.every == 0

    def open(self, step):
        """Begin a file; what an earlier run wrote from this step on no longer counts. Raises UserError if it cannot."""
        threading.excepthook = report_thread
        with writing(self.logs_dir):
            self.writer = open_writer(self.logs_dir, self.graph, step)

    def add_summary(self, summary, step):
        """Write a summary, if it is the step for it. summary: a tf.Summary, or one as bytes."""
        if self.wants(step):
            self.add(summary, step)

    def add(self, summary, step):
        """Write a summary, whatever the step."""
        if self.writer:
            with self.attempt():
                self.writer.add_summary(summary, step)

    def flush(self, step):
        """Write out what there is, and look whether it is there; after a failure, begin a new file."""
        if not (self.writer or self.missed):
            return
        with self.attempt():
            if not self.writer:
                self.writer = open_writer(self.logs_dir, self.graph, step)
            if not flush(self.writer, step):
                raise OSError(why_not_written(self.writer))
            self.writer.arrived = True
            if self.missed:
                say(f"{self.logs_dir} can be written to again")
            self.missed = False

    @contextlib.contextmanager
    def attempt(self):
        try:
            yield
        except Exception as error:  # TensorFlow's writers raise OpError, but also ValueError, IndexError, RuntimeError
            if not self.missed:  # once, until something can be written again
                say(f"cannot write {self.logs_dir}: {one_line(error)[:300]}; the training goes on, its curves will have a gap")
            self.missed = True
            if self.writer:
                give_up(self.writer)
            self.writer = None

    def close(self):
        if self.writer:
            with self.attempt():
                self.writer.close()


def open_writer(logs_dir, graph, step):
    """A tf.summary.FileWriter; what an earlier one wrote from this step on no longer counts."""
    suffix = "." + uuid.uuid4().hex
    writer = tf.summary.FileWriter(logs_dir, graph, filename_suffix=suffix)
    writer.suffix, writer.arrived = suffix, False
    writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), step)
    return writer


def give_up(writer):
    """Close a writer that has failed, in a thread of its own: it may wait for ever for its own one.

    A file of which nothing has arrived goes.
    """
    def close():
        with contextlib.suppress(OSError):
            if not writer.arrived:
                os.remove(own_file(writer))
        with contextlib.suppress(Exception):
            writer.close()
    threading.Thread(target=close, daemon=True).start()


def own_file(writer):
    """The path of a writer's file, which its suffix tells from all others. Raises OSError if it has gone."""
    folder = writer.get_logdir()
    found = [name for name in os.listdir(folder) if name.endswith(writer.suffix)]
    if not found:
        raise FileNotFoundError("its file has gone")
    return os.path.join(folder, found[0])


def flush(writer, step):
    """Write out TensorBoard's logs; returns whether they are in its file: TensorFlow says nothing of a full disk."""
    mark = f"logs up to step {step}"
    writer.add_session_log(tf.SessionLog(status=tf.SessionLog.CHECKPOINT, msg=mark), step)
    writer.flush()
    with open(own_file(writer), "rb") as file:
        file.seek(-min(200, os.fstat(file.fileno()).st_size), os.SEEK_END)
        return mark.encode() in file.read()


def why_not_written(writer):
    """Why a writer's file does not hold what was written, in words: what another file as long meets."""
    try:
        with tempfile.TemporaryFile(dir=writer.get_logdir(), buffering=0) as file:
            file.seek(os.path.getsize(own_file(writer)))
            file.write(bytes(2**16))
    except OSError as error:
        return error.strerror
    return f"{own_file(writer)} holds less than that"


def report_thread(args):
    """Print what ended a thread, unless it is the writer's: that is raised again where the writer is called."""
    if args.thread.name != "EventLoggerThread":
        threading.__excepthook__(args)


class RunSaver(Saver):
    """Part 4's saver in a training: weights that are not finite are not written, and run.json says what is.

    saved: the step of the newest checkpoint, saved or loaded, which is not written again.
    """

    of_a_run = True

    def __init__(self, max_to_keep, model, run):
        super().__init__(max_to_keep, model)
        self.run, self.saved = run, None

    def save(self, sess, path, global_step):
        run = self.run
        if global_step == self.saved:
            return
        run.monitor.check_weights(global_step)
        folder, name = os.path.split(path)
        with writing(folder):
            run_record.add_checkpoint(folder, run.record, f"{name}-{global_step}")
            super().save(sess, path, global_step)
        self.saved = global_step
        run.writer.flush(global_step)


@contextlib.contextmanager
def optional(what):
    """What fails in here, in writing something, is said and ends nothing."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        say(f"cannot write {what}: {one_line(error)[:300]}; the training goes on without")


class SampleFolder:
    """The folder of the sample pictures. imgfuncs: Part 3's functions, which write them."""

    def __init__(self, folder, imgfuncs):
        self.folder, self.imgfuncs = folder, imgfuncs
        self.failed = False
        with writing(folder):
            os.makedirs(folder, exist_ok=True)

    def save(self, samples, size, name):
        """Write the samples into the file called name; returns whether it is there. What fails is said once."""
        path = os.path.join(self.folder, name)
        try:
            if not os.path.isdir(self.folder):
                os.makedirs(self.folder)
                say(f"{self.folder} had gone, and is made anew")
            self.imgfuncs.save_images(samples, size, path)
        except OSError as error:
            if not self.failed:
                say(f"cannot write {path}: {one_line(error)}; the training goes on without")
            self.failed = True
            return False
        self.failed = False
        return True
