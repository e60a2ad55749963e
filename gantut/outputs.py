"""What a run writes: TensorBoard's event files, checkpoints, samples.

A curve or a sample that cannot be written does not end a training; checkpoints must not be lost.
"""
import contextlib
import os
import tempfile
import threading
import uuid

import tensorflow.compat.v1 as tf

from gantut import run_record
from gantut.checkpoints import Saver
from gantut.errors import one_line, put_aside, say, write_whole, writing


class FileWriter:
    """Part 4's tf.summary.FileWriter, whose errors do not end a training.

    If something cannot be written, it is lost, and a line says so; when writing is possible again, a new file is
    started. every: steps between the summaries that are written. logs_dir None: nothing is written.
    """

    def __init__(self, logs_dir, graph=None, every=1):
        self.logs_dir, self.graph, self.every = logs_dir, graph, every
        self.writer, self.missed = None, False
        self.excepthook = None  # of threads, as it was before

    def wants(self, step):
        """Whether the summaries of a step are written."""
        return self.logs_dir is not None and step % self.every == 0

    def open(self, step):
        """Start a file, which replaces what an earlier run wrote from this step on. Raises UserError if it cannot."""
        self.excepthook, threading.excepthook = threading.excepthook, self.report_thread
        with writing(self.logs_dir):
            self.writer = open_writer(self.logs_dir, self.graph, step)

    def add_summary(self, summary, step):
        """Write a summary, if this step's are wanted. summary: a tf.Summary, or one as bytes."""
        if self.wants(step):
            self.add(summary, step)

    def add(self, summary, step):
        """Write a summary, whatever the step."""
        if self.writer:
            with self.attempt():
                self.writer.add_summary(summary, step)

    def flush(self, step):
        """Write everything to disk and check that it is there; after a failure, start a new file."""
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
            if not self.missed:  # only once, until something can be written again
                say(f"cannot write {self.logs_dir}: {one_line(error)[:300]}; the training continues, its curves will "
                    "have a gap")
            self.missed = True
            if self.writer:
                give_up(self.writer)
            self.writer = None

    def close(self):
        if self.writer:
            with self.attempt():
                self.writer.close()
        if self.excepthook:
            threading.excepthook = self.excepthook

    def report_thread(self, args):
        """Report an error that ended a thread, except the writer's, which is raised again when the writer is called."""
        if args.thread.name != "EventLoggerThread":
            self.excepthook(args)


def open_writer(logs_dir, graph, step):
    """A tf.summary.FileWriter, which replaces what an earlier one wrote from this step on."""
    suffix = "." + uuid.uuid4().hex
    writer = tf.summary.FileWriter(logs_dir, graph, filename_suffix=suffix)
    writer.suffix, writer.arrived = suffix, False
    writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), step)
    return writer


def give_up(writer):
    """Close a writer that has failed, in a separate thread, because its close() may never return.

    Its file is removed if nothing of it has reached the disk.
    """
    def close():
        with contextlib.suppress(OSError):
            if not writer.arrived:
                os.remove(own_file(writer))
        with contextlib.suppress(Exception):
            writer.close()
    threading.Thread(target=close, daemon=True).start()


def own_file(writer):
    """The path of a writer's file, found by its unique suffix. Raises OSError if it has been deleted."""
    folder = writer.get_logdir()
    found = [name for name in os.listdir(folder) if name.endswith(writer.suffix)]
    if not found:
        raise FileNotFoundError("its file has been deleted")
    return os.path.join(folder, found[0])


def flush(writer, step):
    """Write TensorBoard's logs to disk; returns whether they are in the file: TensorFlow does not report a full disk.
    """
    mark = f"logs up to step {step}"
    writer.add_session_log(tf.SessionLog(status=tf.SessionLog.CHECKPOINT, msg=mark), step)
    writer.flush()
    with open(own_file(writer), "rb") as file:
        file.seek(-min(200, os.fstat(file.fileno()).st_size), os.SEEK_END)
        return mark.encode() in file.read()


def why_not_written(writer):
    """Why a writer's file does not have what was written, in words: the error of writing another file that long."""
    try:
        with tempfile.TemporaryFile(dir=writer.get_logdir(), buffering=0) as file:
            file.seek(os.path.getsize(own_file(writer)))
            file.write(bytes(2**16))
    except OSError as error:
        return error.strerror
    return f"{own_file(writer)} holds less than that"


class RunSaver(Saver):
    """Part 4's saver in a training: it refuses weights that are not finite, and lists its checkpoints in run.json.

    saved: the step of the newest checkpoint, saved or loaded; it is not written again.
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
    """A context in which an error of writing becomes a warning."""
    try:
        yield
    except Exception as error:  # as in attempt()
        say(f"cannot write {what}: {one_line(error)[:300]}; the training continues without it")


class SampleFolder:
    """The folder of the sample pictures. imgfuncs: Part 3's functions, which write them.

    run_id: the run's, also in the folder's file .run. new: whether the training begins. of_another: whether results
    that are there may be another training's, which have the same names.
    """

    def __init__(self, folder, imgfuncs, run_id, new):
        self.folder, self.imgfuncs, self.run_id = folder, imgfuncs, run_id
        self.failed = False
        self.of_another = new or self.owner() not in (None, run_id)

    def owner(self):
        """The id of the run whose results the folder has; None if it is not known."""
        try:
            with open(os.path.join(self.folder, ".run"), encoding="utf-8") as file:
                return file.read() or None
        except (OSError, ValueError):
            return None

    def take(self):
        """Make the folder this run's: the results of another one are put aside."""
        with writing(self.folder):
            os.makedirs(self.folder, exist_ok=True)
            if self.of_another:
                put_aside(self.folder, r"epoch_\d+\.png|train_\d+-\d+\.png|scores\.csv")
        mark = os.path.join(self.folder, ".run")
        with optional(mark):
            write_whole(mark, self.run_id, to_disk=True)

    def save(self, samples, size, name):
        """Write the samples to the file called name; returns whether it worked. A failure is reported once."""
        path = os.path.join(self.folder, name)
        try:
            if not os.path.isdir(self.folder):
                os.makedirs(self.folder)
                say(f"{self.folder} was deleted, and is created again")
            self.imgfuncs.save_images(samples, size, path)
        except OSError as error:
            if not self.failed:
                say(f"cannot write {path}: {one_line(error)}; the training continues without it")
            self.failed = True
            return False
        self.failed = False
        return True
