"""What ended a training, in one line: errors of TensorFlow, of memory, of the disk."""
import re

import tensorflow.compat.v1 as tf

from gantut.errors import UserError, one_line

SMALLER = "a smaller --batch_size, --gf_dim, --df_dim or --image_size needs less"


def what_failed(error, run):
    """A UserError for what a training raised, or None if it is to be seen as it is. run: its Run.

    What has been trained is saved first, if that can be done.
    """
    if isinstance(error, tf.errors.InvalidArgumentError):  # as a histogram raises of what is not finite
        return not_finite(error, run)
    if isinstance(error, tf.errors.OpError) and run.processes.count > 1:
        return None  # Workers says what it means
    if isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError)):
        return UserError("there is not memory enough for this training ({}): {}{}".format(
            one_line(error)[:200], SMALLER, saved(run)))
    if isinstance(error, OSError) and error.filename is not None:
        return UserError("cannot write {}: {}; what was saved before is intact, mend this and run the same command to "
                         "go on".format(error.filename, error.strerror))
    if isinstance(error, tf.errors.OpError):
        return UserError("TensorFlow ends the training ({}){}".format(one_line(error)[:300], saved(run)))
    return None


def not_finite(error, run):
    """What a histogram's or another operation's error says of numbers that are not finite; None if it does not."""
    histogram = re.search(r"summary histogram for: (\S+)", str(error))
    if not run.counter:
        return None
    try:
        run.watch.check_weights(run.counter)
        if histogram:
            run.watch.check_finite(run.counter, {histogram[1].rstrip(","): float("nan")})
    except UserError as diverged:
        return diverged
    return None


def saved(run):
    """Save what has been trained, if anything has and it can be done; returns that in words."""
    if not run.counter or run.counter == run.dcgan.saver.saved:
        return ""
    try:
        run.dcgan.save(run.config.checkpoint_dir, run.counter)
    except Exception:  # the first error is the one to tell
        return "; what was saved before is intact"
    return "; the training is saved, from the middle of step {}".format(run.counter)
