"""A run: the objects that the statements of DCGAN.train() call, so that nothing of a training is lost.

On disk a run is its checkpoint folder, with the newest checkpoint and run.json. If there are several processes, only
the chief reads and writes it.
"""
import contextlib
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from gantut import run_record
from gantut.batches import Pictures
from gantut.checkpoints import check_loaded, newest_checkpoint, step_of, written_by_run
from gantut.console import ProgressBar
from gantut.datasets import check_number
from gantut.errors import Stopped, UserError, check_outside, locked, one_line, put_aside, writing
from gantut.flags import settings
from gantut.image_loader import Loader
from gantut.images import grid_size
from gantut.metrics import check_enough
from gantut.monitoring import COUNT, EpochJudge, Monitor, what_failed
from gantut.outputs import FileWriter, RunSaver, SampleFolder
from gantut.paths import check_not_pretrained
from gantut.scripts import Stop
from gantut.seeding import random_seed
from gantut.weights import begin_with, check_init_from
from gantut.workers import AdamOptimizer


class Run:
    """The training of a DCGAN with flags or a plain namespace. imgfuncs: Part 3's functions.

    Its methods raise UserError for errors that the user can fix, and Stopped if a signal ended the training, which is
    then saved. It is a context manager around the training: errors of TensorFlow and of the system become a UserError,
    after Ctrl-C and SIGTERM the current step is finished, and NumPy's random numbers are those of (seed, step).
    """

    def __init__(self, dcgan, config, imgfuncs):
        self.dcgan, self.sess, self.imgfuncs = dcgan, dcgan.sess, imgfuncs
        if dcgan.saver.of_a_run:
            raise UserError("this DCGAN has been trained in this graph: to continue, make another one in a tf.Graph() "
                            "and a tf.Session() of its own, which loads the checkpoint")
        self.config = settings(config, dcgan)
        self.processes = self.config.processes
        self.chief = self.processes.chief
        if not self.chief:  # the others get the variables that the chief has loaded, and do not save
            dcgan.checkpoint_dir, dcgan.save = None, lambda checkpoint_dir, step: None
        self.model = dcgan.saver.variables  # a checkpoint must have these
        self.moving = [var for var in self.model if not var.trainable]
        self.exits = contextlib.ExitStack()
        self.optimizers, self.record = [], None
        self.loader = self.data = self.batches = None  # of the pictures
        self.batch = {}  # the pictures of this step, by their paths
        self.step_size = self.batch_idxs = None  # pictures per step, steps per epoch
        self.monitor = self.writer = self.samples = self.epoch_judge = self.stop = self.progress = None
        self.in_epoch = False
        self.counter = self.done = None  # number of the next step; steps before it, counted in the data

    def __enter__(self):
        self.exits.enter_context(self.sess.as_default())
        self.exits.callback(np.random.set_state, np.random.get_state())
        return self

    def __exit__(self, kind, error, trace):
        failed = what_failed(error, self) if error else self.left_early()  # uses the session, which is still open
        self.exits.__exit__(kind, error, trace)
        if self.writer:
            self.writer.close()
        if failed:
            raise failed from None
        if kind is None:
            self.processes.leave(self.sess)

    # before the first step

    def look_over(self, files):
        """Check each file's header; returns the files that can be trained on, sorted.

        Also checks whether this run can continue from the checkpoint in checkpoint_dir, if there is one, and seeds
        NumPy's random numbers for the order of the files.
        """
        dcgan, config = self.dcgan, self.config
        check_outside(config.sample_dir, config.dataset, "sample_dir", files)
        for flag in ("checkpoint_dir", "sample_dir", "logs_dir"):
            check_not_pretrained(getattr(config, flag), flag)
        self.loader = Loader(self.imgfuncs, dcgan.image_size, dcgan.is_crop, config.crop_size, dcgan.c_dim)
        files, fingerprint = self.loader.look_over(files, config.skip_bad_images)
        replicas = self.processes.count * config.devices
        self.step_size = dcgan.batch_size * self.processes.count
        check_number(files, config.dataset, self.step_size // replicas, config.train_size, replicas)

        data = {"folder": config.dataset, "path": os.path.realpath(config.dataset),
                "pictures": min(len(files), config.train_size), "fingerprint": fingerprint}
        if config.judge_every:
            check_enough(data["pictures"], COUNT)
        self.batch_idxs = data["pictures"] // self.step_size
        self.record = run_record.describe(dcgan, config, data, replicas)
        self.processes.compare(self.sess, self.record)
        if self.chief:
            check_loaded(dcgan.checkpoint_dir, config.checkpoint_dir)
            if config.init_from:
                check_init_from(config.init_from, config.checkpoint_dir, dcgan)
            run_record.check(config.checkpoint_dir, self.record, dcgan.saver, config.skip_bad_images)
        self.record["ahead"] = self.processes.number_of_chief(self.sess, self.record["ahead"])
        self.seed("data")
        return files

    def reader(self, files):
        """Part 3's get_image() for files, shuffled: it reads batches ahead, and keeps pictures in memory.

        As in Part 3: get_image(path, image_size, is_crop) -> float [image_size, image_size, c_dim] in [-1, 1].
        """
        config = self.config
        self.data = Pictures(files[:self.record["data"]["pictures"]], self.loader, config, self.step_size,
                             self.processes.rows(self.dcgan.batch_size))

        def get_image(image_path, image_size, is_crop=True):
            if (image_size, is_crop) != (self.dcgan.image_size, self.dcgan.is_crop):
                return self.imgfuncs.get_image(image_path, image_size, is_crop)
            return self.batch[image_path] if image_path in self.batch else self.data.get(image_path)
        return get_image

    def AdamOptimizer(self, learning_rate, **kwargs):
        """Part 4's tf.train.AdamOptimizer, also for several processes that update one model; D's has d_learning_rate.
        """
        optimizer = AdamOptimizer(self.processes, self.moving, learning_rate, d_loss=self.dcgan.d_loss,
                                  d_learning_rate=self.config.d_learning_rate, **kwargs)
        self.optimizers.append(optimizer)
        return optimizer

    def FileWriter(self, logs_dir, graph):
        """Part 4's tf.summary.FileWriter: it writes every config.summary_every steps, and never ends a training."""
        self.writer = FileWriter(logs_dir, graph, self.config.summary_every) if self.chief else FileWriter(None)
        return self.writer

    def Saver(self, max_to_keep):
        """Part 4's tf.train.Saver, with the optimizers' variables too: it checks the weights before it writes them."""
        variables = tf.global_variables()
        with tf.name_scope("watch"):
            self.monitor = Monitor(self.sess, variables)
        return RunSaver(max_to_keep, self.model, self)

    def seed(self, purpose, *numbers):
        """Seed np.random for a purpose: its numbers now depend only on the run's seed and the arguments."""
        np.random.seed(random_seed(self.config.seed, purpose, *numbers))

    def begin(self):
        """Start from what load() has restored: returns the counter, 1 or the step of the checkpoint.

        From here on the run is on disk: run.json is written, the logs are open.
        """
        config, dcgan = self.config, self.dcgan
        path = newest_checkpoint(dcgan.checkpoint_dir)
        if path and (not dcgan.saver.restored or step_of(path) != step_of(dcgan.saver.restored)):
            raise UserError(f"load() has not restored {path}, which this run would replace: run the same command "
                            "again, or use another --checkpoint_dir for a new model")
        saved = self.processes.number_of_chief(self.sess, step_of(path) if path else 0) or None
        if self.chief and config.init_from and not saved:
            self.record["init_from"] = begin_with(config.init_from, self.sess, dcgan.saver)
        self.processes.begin(self.sess, dcgan.saver.variables)
        self.check_optimizers()
        self.counter = saved or 1
        dcgan.saver.saved = saved
        self.done = self.counter - 1 - self.record["ahead"]
        if self.done < 0:
            raise UserError(f"{path} is from before this run continued with other pictures or workers, and the way "
                            "back is not recorded: delete the run.json beside it to continue from there")
        if self.done >= config.epoch * self.batch_idxs:
            print(f" All {config.epoch} epochs are done - ask for more with --epoch")
            return self.counter
        if self.chief:
            self.exits.enter_context(locked(config.checkpoint_dir))
            self.exits.enter_context(locked(config.sample_dir, ".run", "--sample_dir"))
            with writing(config.checkpoint_dir):
                record, best = (os.path.join(config.checkpoint_dir, name) for name in ("run.json", "best"))
                if not saved or not os.path.exists(record) and run_record.is_of_other_pictures(best, self.record):
                    put_aside(config.checkpoint_dir, "best")
                dcgan.saver.take_over(config.checkpoint_dir, dcgan.model_name)
                self.record["checkpoints"] = written_by_run(config.checkpoint_dir)
                run_record.write(config.checkpoint_dir, self.record)
            self.writer.open(self.counter)
            self.samples = SampleFolder(config.sample_dir, self.imgfuncs, self.record["id"], new=not saved)
            if config.judge_every:
                self.epoch_judge = EpochJudge(self, self.counter)  # refuses a scores.csv that is not a table
            self.samples.take()
        self.stop = self.exits.enter_context(Stop("stopping after this step; a second signal stops at once\n"))
        self.progress = self.exits.enter_context(
            (config.progress or ProgressBar)(self.done, config.epoch * self.batch_idxs, self.step_size))
        self.batches = self.exits.enter_context(contextlib.closing(self.data.batches(self.done)))
        if self.epoch_judge and self.done and self.done % self.batch_idxs == 0:  # perhaps killed in the judge
            self.epoch_judge.catch_up(self.done // self.batch_idxs - 1, self.counter)
        return self.counter

    def check_optimizers(self):
        """Raise UserError if train() does not use the optimizers as several processes or d_learning_rate need it.

        A line names variables in neither list of D's and G's, which the text's train() would not train.
        """
        trainable = [var.op.name for var in tf.trainable_variables()]
        minimized = [update for optimizer in self.optimizers for update in optimizer.updates]
        moved = {var.op.name for update in minimized for var in update.var_list}
        alone = [name for name in trainable if name not in moved]
        if self.processes.count > 1 and alone:
            raise UserError("several workers train only the variables that run.AdamOptimizer updates, but this train() "
                            f"leaves out {alone[0]}")
        if self.config.d_learning_rate and not any(update.loss is self.dcgan.d_loss for update in minimized):
            raise UserError("d_learning_rate has no effect: in this train() no run.AdamOptimizer minimizes self.d_loss")
        listed = {var.op.name for var in self.dcgan.d_vars + self.dcgan.g_vars}
        for name in trainable:
            if name not in listed:
                print(f" [!] {name} is in neither d_vars (names with d_) nor g_vars (names with g_): is it trained?",
                      file=sys.stderr)

    # the loop

    def epochs(self, numbers):
        """The numbers of the epochs that are left, out of the numbers of all epochs."""
        return numbers[self.done // self.batch_idxs:]

    def order(self, epoch):
        """The files of an epoch in its order, which depends on (seed, epoch); only this worker's part of them."""
        return self.data.order(epoch)

    def idxs(self, numbers):
        """The numbers of the batches that are left, out of the numbers of an epoch's batches.

        For each one, NumPy's random numbers are seeded with (seed, step), before its pictures are read and again for
        its z. If a picture can no longer be read, or the user has stopped the training, it is saved, and the error is
        raised.
        """
        self.check_epoch(len(numbers))
        self.in_epoch = True
        for idx in numbers[self.done % self.batch_idxs:]:
            self.seed("pictures", self.counter, self.data.rows.start or 0)  # Part 3's functions may draw some
            self.next_batch()
            self.seed("z", self.counter)
            np.random.uniform(size=[self.data.rows.start or 0, self.dcgan.z_dim])  # the other workers' part
            yield idx
            self.counter += 1
            self.done += 1
        self.in_epoch = False

    def check_epoch(self, steps):
        """Raise UserError if train() makes another number of steps in an epoch than the pictures of the run make."""
        if self.in_epoch:
            raise self.left_early()
        if steps != self.batch_idxs:
            fewer = f"; --train_size {steps * self.step_size} makes epochs of that length"
            raise UserError(f"the steps in an epoch of this train() are {steps}, but its pictures make "
                            f"{self.batch_idxs}: leave batch_idxs and its loop as they are"
                            f"{fewer if steps < self.batch_idxs else ''}")

    def left_early(self):
        """A UserError if train() has left an epoch before its end, by a break, so that its steps are not counted."""
        return UserError("this train() leaves an epoch before its end: --train_size makes epochs shorter, --epoch "
                         "makes fewer") if self.in_epoch else None

    def next_batch(self):
        own = None  # this process's error
        try:
            self.batch = next(self.batches)
        except UserError as error:
            own = error
        except MemoryError as error:  # the other workers must know it too
            own = UserError(f"there is not enough memory to read the pictures ({one_line(error)}): try a smaller "
                            "--batch_size or --cache_mb")
        failed = self.processes.agree(self.sess, own or (self.stop.signum and Stopped(self.stop.signum)))
        if failed:
            saved = False
            try:
                self.dcgan.save(self.config.checkpoint_dir, self.counter)
                saved = True
            finally:
                saved = self.processes.number_of_chief(self.sess, int(saved))
                self.processes.leave(self.sess)
            if not saved:
                raise UserError(f"{own or 'the training has ended'}; worker 0 could not save it, see its message; what "
                                "was saved before is intact")
            raise UserError(f"{own}; the training is saved: run the same command to continue") if failed is own else (
                failed)

    def looks(self):
        """Whether the losses of this step are computed."""
        return self.counter % self.config.losses_every == 0

    def check_losses(self, errD_fake, errD_real, errG):
        """Raise UserError if a loss is not finite; warn when D has won for a long time."""
        if self.looks():
            self.monitor.check_losses(self.counter, self.config.losses_every, d_loss_fake=errD_fake,
                                    d_loss_real=errD_real, g_loss=errG)

    def report(self, where, when, losses):
        """Print the line of a step, or show it in the progress bar on a terminal."""
        self.progress.report(where, when, losses if self.looks() else None)

    def print(self, line):
        """Print another line."""
        self.progress.write(line)

    def to_draw(self):
        """A context in which G has the weights to draw with: their moving average, if the recipe has one."""
        return getattr(self.dcgan, "to_draw", contextlib.nullcontext)()

    def check_samples(self, samples, images):
        """Warn when the samples hardly differ from one another."""
        if self.chief:
            self.monitor.check_samples(self.counter, samples, images)

    def save_images(self, samples, name):
        """Part 3's save_images(), as a nearly square grid, to the file sample_dir/name; never ends a training."""
        if self.chief and self.samples.save(samples, grid_size(len(samples)), name):
            self.progress.picture(os.path.join(self.config.sample_dir, name))

    def judge(self, epoch, counter):
        """After an epoch (numbered from 0): compute the scores of the model, if --judge_every asks for them."""
        if self.epoch_judge:
            self.epoch_judge.look(epoch, counter)
