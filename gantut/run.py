"""A run: the one object that DCGAN.train() talks to, so that nothing of a training is lost.

A run is what stands in its checkpoint folder, the newest checkpoint and run.json. Of several processes the chief alone
reads and writes it; only here is it asked which one this is.
"""
import contextlib
import os

from gantut.console import ProgressBar

import numpy as np
import tensorflow.compat.v1 as tf
from six.moves import xrange

from gantut import record
from gantut.checkpoints import Saver, check_loaded, newest_checkpoint, step_of, written_by_run
from gantut.dice import random_state
from gantut.epoch_judge import EpochJudge
from gantut.errors import Stopped, UserError, check_outside, writing
from gantut.health import Watch
from gantut.images import grid_size
from gantut.loading import Loader
from gantut.lock import locked
from gantut.logs import flush, open_writer, why_not_written
from gantut.pictures import Pictures
from gantut.places import check_not_pretrained
from gantut.processes import AveragingAdam
from gantut.signals import Stop


class Run(object):
    """The training of a DCGAN with the settings() of some flags. imgfuncs: Part 3's functions.

    Its methods raise UserError for what the user can mend, and Stopped when a signal ended the training, and it was
    saved. To be entered for the steps, in which Ctrl-C and SIGTERM let one be finished.
    """

    def __init__(self, dcgan, config, imgfuncs):
        self.dcgan, self.sess, self.config, self.imgfuncs = dcgan, dcgan.sess, config, imgfuncs
        if dcgan.saver.model is not dcgan.saver.variables:
            raise UserError("this DCGAN has been trained in this graph: to go on, make another one in a tf.Graph() and "
                            "a tf.Session() of its own, which loads the checkpoint")
        self.processes = config.processes
        self.chief = self.processes.chief
        if not self.chief:
            dcgan.checkpoint_dir = None  # the others take over what the chief has loaded
        self.adams = []
        self.saved = None  # the step of the newest checkpoint, saved or loaded
        self.writer, self.judge = None, None
        self.exits = contextlib.ExitStack()

    def pictures(self, files):
        """The pictures to train on, a Pictures.

        Looks also whether this run may go on from the checkpoint in checkpoint_dir, if there is one.
        """
        dcgan, config = self.dcgan, self.config
        check_outside(config.sample_dir, config.dataset, "sample_dir")
        for flag in ("checkpoint_dir", "sample_dir", "logs_dir"):
            check_not_pretrained(getattr(config, flag), flag)
        replicas = self.processes.count * config.devices
        loader = Loader(self.imgfuncs, dcgan.image_size, dcgan.is_crop, config.crop_size, dcgan.c_dim)
        self.data = Pictures(files, loader, config, dcgan.batch_size, replicas,
                             self.processes.rows(dcgan.batch_size * config.devices))
        self.batch_idxs = self.data.batch_idxs

        self.record = record.describe(dcgan, config, self.data, replicas)
        self.processes.compare(self.sess, self.record)
        if self.chief:
            check_loaded(dcgan.checkpoint_dir, config.checkpoint_dir)
            record.check(config.checkpoint_dir, self.record, dcgan.saver, config.skip_bad_images)
        self.record["ahead"] = self.processes.number_of_chief(self.sess, self.record["ahead"])
        return self.data

    def adam(self, learning_rate, beta1):
        """The optimizer of one of the networks, first of D, then of G."""
        if not self.adams:
            learning_rate = self.config.d_learning_rate or learning_rate
        self.adams.append(AveragingAdam(self.processes.average, learning_rate, beta1=beta1))
        return self.adams[-1]

    def initialize(self):
        """Give all variables their first values, and make the saver anew: a checkpoint holds what Adam remembers."""
        self.model = self.dcgan.saver.variables
        self.dcgan.saver = Saver(self.config.max_to_keep, self.model)
        self.watch = Watch(self.sess, self.dcgan.saver.variables)
        self.sess.run(tf.global_variables_initializer())

    def random(self, purpose, *numbers):
        """Random numbers for a purpose, as np.random is, that depend on the seed and the arguments alone."""
        return random_state(self.config.seed, purpose, *numbers)

    def begin(self):
        """Begin where load() has got to: returns the counter, 1 or that of the checkpoint.

        From here on the run is kept: run.json is written, the logs are open.
        """
        config, dcgan = self.config, self.dcgan
        path = newest_checkpoint(dcgan.checkpoint_dir)
        self.saved = self.processes.number_of_chief(self.sess, step_of(path) if path else 0) or None
        moving = [var for var in self.model if not var.trainable]
        self.processes.begin(self.sess, dcgan.saver.variables, moving)
        counter = self.saved or 1
        self.done = counter - 1 - self.record["ahead"]
        if self.is_done():
            print(" All {} epochs are done - ask for more with --epoch".format(config.epoch))
        elif self.chief:
            self.exits.enter_context(locked(config.checkpoint_dir))
            with writing(config.checkpoint_dir):
                dcgan.saver.take_over(config.checkpoint_dir, dcgan.model_name)
                self.record["checkpoints"] = written_by_run(config.checkpoint_dir)
                record.write(config.checkpoint_dir, self.record)
            self.writer = open_writer(config.logs_dir, self.sess.graph, counter)
            if config.judge_every:
                self.judge = EpochJudge(self, counter)
        return counter

    def is_done(self):
        return self.done >= self.config.epoch * self.batch_idxs

    def __enter__(self):
        if not self.is_done():
            self.stop = self.exits.enter_context(Stop("stopping after this step; once more stops at once\n"))
            progress = getattr(self.config, "progress", ProgressBar)
            self.progress = self.exits.enter_context(
                progress(self.done, self.config.epoch * self.batch_idxs, self.data.step_size))
            self.batches = self.exits.enter_context(contextlib.closing(self.data.batches(self.done)))
        return self

    def __exit__(self, kind, *error):
        self.exits.__exit__(kind, *error)
        if kind is None:
            if self.writer:
                self.writer.close()
            self.processes.leave(self.sess)

    def epochs(self):
        """The numbers of the epochs that are still to do; after each the judge, if there is one, looks at the model."""
        for epoch in xrange(self.done // self.batch_idxs, self.config.epoch):
            yield epoch
            if self.judge:
                self.judge.look(epoch, (epoch + 1) * self.batch_idxs + self.record["ahead"] + 1)

    def idxs(self, epoch):
        """The numbers of the batches that are still to do in an epoch."""
        return xrange(max(self.done - epoch * self.batch_idxs, 0), self.batch_idxs)

    def next_batch(self, counter):
        """The next batch, float32 [batch_size, image_size, image_size, c_dim] in [-1, 1].

        Saves and raises if a picture has turned bad, or the user has stopped it.
        """
        batch_images, ending = None, None
        try:
            batch_images = next(self.batches)
        except UserError as error:
            ending = UserError("{}; the training is saved: bring the picture back, or add --skip_bad_images, and run "
                               "the same command to go on".format(error))
        ending = self.processes.agree(self.sess, ending or (self.stop.signum and Stopped(self.stop.signum)))
        if not ending:
            return batch_images
        try:
            self.save(counter)
        finally:
            self.processes.leave(self.sess)
        raise ending

    def next_z(self, counter):
        """The noise of a step, float32 [batch_size, z_dim] in [-1, 1]."""
        return self.noise("z", counter, self.dcgan.z_dim)

    def noise(self, purpose, counter, *shape):
        """Random numbers for each picture of a step, float32 [batch_size, *shape] in [-1, 1]."""
        numbers = self.random(purpose, counter).uniform(-1, 1, [self.data.step_size, *shape])
        return numbers[self.data.rows].astype(np.float32)

    def update(self, optim, summary, feed_dict, counter):
        """Run one update of a network, and write its summary."""
        if not self.chief or counter % self.config.summary_every:
            self.sess.run(optim, feed_dict)
        else:
            try:
                _, summary_str = self.sess.run([optim, summary], feed_dict)
            except tf.errors.InvalidArgumentError:  # as a histogram raises of what is not finite
                self.watch.check_weights(counter)
                loss = "d_loss" if self.dcgan.images in feed_dict else "g_loss"
                self.watch.check_finite(counter, {loss: self.sess.run(getattr(self.dcgan, loss), feed_dict)})
                raise
            with writing(self.writer.get_logdir()):
                self.writer.add_summary(summary_str, counter)
        self.processes.average_moving(self.sess)

    def check_losses(self, errD_fake, errD_real, errG, counter):
        """Raise UserError if a loss is not finite; warn when D has won for a long time."""
        self.watch.check_losses(counter, d_loss_fake=errD_fake, d_loss_real=errD_real, g_loss=errG)

    def report(self, where, when, losses):
        """Print the line of a step; on a terminal a bar shows it."""
        self.progress.report(where, when, losses)

    def print(self, line):
        """Print another line."""
        self.progress.write(line)

    def sample(self, name, feed_dict, counter):
        """Draw the samples into the file sample_dir/name; returns (d_loss, g_loss) on what is fed."""
        if not self.chief:
            return np.nan, np.nan
        dcgan, sample_dir = self.dcgan, self.config.sample_dir
        with self.to_draw():
            samples, d_loss, g_loss = self.sess.run([dcgan.G, dcgan.d_loss, dcgan.g_loss], feed_dict)
        self.watch.check_samples(counter, samples, feed_dict[dcgan.images])
        with writing(sample_dir):
            os.makedirs(sample_dir, exist_ok=True)
            self.imgfuncs.save_images(samples, grid_size(len(samples)), os.path.join(sample_dir, name))
        self.progress.picture(os.path.join(sample_dir, name))
        return d_loss, g_loss

    def to_draw(self):
        """A context in which G draws with the weights that are for show: their average's, if the recipe has one."""
        return getattr(self.dcgan, "to_draw", contextlib.nullcontext)()

    def save(self, counter):
        """Save what there is to keep, unless that has been done or the weights are not finite."""
        if not self.chief or counter == self.saved:
            return
        dcgan = self.dcgan
        self.watch.check_weights(counter)
        logs_are_written = flush(self.writer, counter)
        with writing(self.config.checkpoint_dir):
            record.add_checkpoint(self.config.checkpoint_dir, self.record, "{}-{}".format(dcgan.model_name, counter))
            dcgan.save(self.config.checkpoint_dir, counter)
        self.saved = counter
        if not logs_are_written:
            raise UserError("cannot write all of {}: {}; the training is saved: mend this and run the same command to "
                            "go on".format(self.writer.get_logdir(), why_not_written(self.writer)))
