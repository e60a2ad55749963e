"""TensorBoard's event files, and whether what was written to them has arrived."""
import os
import tempfile
import threading
import uuid

import tensorflow.compat.v1 as tf

from gantut.errors import writing


def open_writer(logs_dir, graph, step):
    """A writer of TensorBoard's logs; what an earlier run wrote from this step on no longer counts."""
    threading.excepthook = report_thread
    with writing(logs_dir):
        suffix = "." + uuid.uuid4().hex
        writer = tf.summary.FileWriter(logs_dir, graph, filename_suffix=suffix)
        writer.suffix = suffix
        writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), step)
        return writer


def own_file(writer):
    """The path of a writer's file, which its suffix tells from all others."""
    folder = writer.get_logdir()
    return next(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(writer.suffix))


def flush(writer, step):
    """Write out TensorBoard's logs; returns whether they are in its file: TensorFlow says nothing of a full disk."""
    mark = "logs up to step {}".format(step)
    with writing(writer.get_logdir()):
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
    return "{} holds less than that".format(own_file(writer))


def report_thread(args):
    """Print what ended a thread, unless it is the writer's: that is raised again where the writer is called."""
    if args.thread.name != "EventLoggerThread":
        threading.__excepthook__(args)
