"""TensorBoard's event files, and whether what was written to them has arrived."""
import os
import threading

import tensorflow.compat.v1 as tf

from gantut.errors import writing


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
