"""What a run leaves behind: checkpoints, which must not be lost, and samples, for which no training ends."""
import contextlib
import os

import tensorflow.compat.v1 as tf

from gantut import record
from gantut.checkpoints import Saver
from gantut.errors import one_line, say, writing


class RunSaver(Saver):
    """Part 4's saver in a training: weights that are not finite are not written, and run.json says what is.

    saved: the step of the newest checkpoint, saved or loaded, which is not written again.
    """

    def __init__(self, max_to_keep, model, run):
        super().__init__(max_to_keep, model)
        self.run, self.saved = run, None

    def save(self, sess, path, global_step):
        run = self.run
        if global_step == self.saved:
            return
        run.watch.check_weights(global_step)
        folder, name = os.path.split(path)
        with writing(folder):
            record.add_checkpoint(folder, run.record, "{}-{}".format(name, global_step))
            super().save(sess, path, global_step)
        self.saved = global_step
        run.writer.flush(global_step)


@contextlib.contextmanager
def optional(what):
    """What fails in here, in writing something, is said and ends nothing."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        say("cannot write {}: {}; the training goes on without".format(what, one_line(error)[:300]))


class SampleFolder(object):
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
                say("{} had gone, and is made anew".format(self.folder))
            self.imgfuncs.save_images(samples, size, path)
        except OSError as error:
            if not self.failed:
                say("cannot write {}: {}; the training goes on without".format(path, one_line(error)))
            self.failed = True
            return False
        self.failed = False
        return True
