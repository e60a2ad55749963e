"""The GAN itself: Part 4 of the tutorial. dataset_files() finds the pictures, class DCGAN builds the two networks
and trains them (Radford et al. 2015, arXiv 1511.06434).

The code descends from carpedm20/DCGAN-tensorflow by way of bamos/dcgan-completion.tensorflow.
Where it differs from the tutorial's text, docs/tutorial.md says why.
"""
import contextlib
import math
import os
import time

import numpy as np
import tensorflow.compat.v1 as tf
from six.moves import xrange

from gantut_batches import Pictures, random_state
from gantut_console import ProgressBar, Stopped, UserError
from gantut_datafuncs import batch_norm, conv2d, conv2d_transpose, linear, lrelu
from gantut_imgfuncs import grid_size, save_images
from gantut_run import (Stop, Watch, check_run, compare_checkpoint, describe_run, flush, keep_run, newest_checkpoint,
                        open_writer, settings, without_places, writing)

SUPPORTED_EXTENSIONS = ["png", "jpg", "jpeg"]


def dataset_files(root):
    """Return the sorted list of all SUPPORTED image files in the directory and its subdirectories (Part 4).

    Hidden files and linked subdirectories are left out.
    """
    endings = tuple("." + ext for ext in SUPPORTED_EXTENSIONS)
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names
                  if name.lower().endswith(endings) and not name.startswith("."))


class DCGAN(object):
    """Deep convolutional GAN on square images (Part 4).

    gantut_cluster.py trains the same model on several devices and machines, and overrides what is different there.
    """

    replicas = 1  # of the model, each of which trains on a batch of its own
    chief = True  # whether this process writes what there is to keep

    def __init__(self, sess, image_size=64, is_crop=False, batch_size=64, sample_size=64, z_dim=100,
                 gf_dim=64, df_dim=64, gfc_dim=1024, dfc_dim=1024, c_dim=3, checkpoint_dir=None, lam=0.1, lowres=8):
        """Set the parameters and build the graph.

        sess: the session to run in. image_size: width and height of the images, a power of two from 8.
        is_crop: whether train() crops the pictures. batch_size: images per training step.
        sample_size: images per sample grid. z_dim: length of a noise vector z, whose entries lie in [-1, 1].
        gf_dim, df_dim: filters of the generator's last and the discriminator's first hidden layer.
        gfc_dim, dfc_dim: the tutorial's, which uses them nowhere; nor are they used here.
        c_dim: colour channels, 1 (gray) or 3 (RGB). checkpoint_dir: where load() looks when train() begins.
        lam: weight of the perceptual loss in image completion. lowres: factor of the low-resolution images.
        """
        assert image_size & (image_size - 1) == 0 and image_size >= 8, "image_size must be a power of 2, 8 or more"

        self.sess = sess
        self.is_crop = is_crop
        self.batch_size = batch_size
        self.image_size = image_size
        self.sample_size = sample_size
        self.image_shape = [image_size, image_size, c_dim]

        self.z_dim = z_dim
        self.gf_dim = gf_dim
        self.df_dim = df_dim
        self.gfc_dim = gfc_dim
        self.dfc_dim = dfc_dim

        self.lam = lam
        self.c_dim = c_dim
        self.lowres = lowres
        self.lowres_size = image_size // lowres

        # batch normalisation, one for each layer that may want it
        self.d_bns = [batch_norm(name="d_bn{}".format(i)) for i in range(4)]

        log_size = int(math.log(image_size) / math.log(2))
        self.g_bns = [batch_norm(name="g_bn{}".format(i)) for i in range(log_size)]

        self.checkpoint_dir = checkpoint_dir
        self.build_model()

        self.model_name = "DCGAN.model"
        self.saved_step = None  # the number of the newest checkpoint, saved or loaded

    def build_model(self):
        """Build the graph: inputs, networks, losses, summaries, variables, saver (Part 4)."""
        self.is_training = tf.placeholder(tf.bool, name="is_training")
        self.images = tf.placeholder(tf.float32, [None] + self.image_shape, name="real_images")
        self.lowres_images = self.lower_resolution(self.images)
        self.z = tf.placeholder(tf.float32, [None, self.z_dim], name="z")

        self.G = self.generator(self.z)
        self.lowres_G = self.lower_resolution(self.G)
        self.D, self.D_logits = self.discriminator(self.images)

        self.D_, self.D_logits_ = self.discriminator(self.G, reuse=True)

        self.d_loss_real = cross_entropy(self.D_logits, tf.ones_like(self.D))
        self.d_loss_fake = cross_entropy(self.D_logits_, tf.zeros_like(self.D_))
        self.g_loss = cross_entropy(self.D_logits_, tf.ones_like(self.D_))

        # d_loss has a fake pass of its own that waits for the real one: both move the same moving averages, and
        # without an order these would differ from run to run
        with tf.control_dependencies([self.D_logits]):
            D_, D_logits_ = self.discriminator(self.G, reuse=True)
        self.d_loss = self.d_loss_real + cross_entropy(D_logits_, tf.zeros_like(D_))

        self.z_sum = tf.summary.histogram("z", self.z)
        self.d_sum = tf.summary.histogram("d", self.D)
        self.d__sum = tf.summary.histogram("d_", self.D_)
        self.G_sum = tf.summary.image("G", self.G)
        self.d_loss_real_sum = tf.summary.scalar("d_loss_real", self.d_loss_real)
        self.d_loss_fake_sum = tf.summary.scalar("d_loss_fake", self.d_loss_fake)
        self.g_loss_sum = tf.summary.scalar("g_loss", self.g_loss)
        self.d_loss_sum = tf.summary.scalar("d_loss", self.d_loss)

        t_vars = tf.trainable_variables()

        self.d_vars = [var for var in t_vars if var.name.startswith("discriminator/")]
        self.g_vars = [var for var in t_vars if var.name.startswith("generator/")]

        self.model_vars = tf.global_variables()
        self.build_saver()

    def build_saver(self, max_to_keep=1):
        """Make the saver of all variables that there are now; it keeps the newest max_to_keep checkpoints."""
        self.saved_vars = tf.global_variables()
        self.saver = tf.train.Saver(self.saved_vars, max_to_keep=max_to_keep, save_relative_paths=True)

    def lower_resolution(self, images):
        """Average blocks of lowres x lowres pixels: [N, size, size, c_dim] -> [N, size / lowres, ..., c_dim]."""
        return tf.reduce_mean(tf.reshape(images, [-1, self.lowres_size, self.lowres,
                                                  self.lowres_size, self.lowres, self.c_dim]), [2, 4])

    def discriminator(self, image, reuse=False):
        """Judge images [N, size, size, c_dim]; returns (probability of being real, logits), both [N, 1] (Part 4).

        reuse: use the variables of an earlier call.
        """
        with tf.variable_scope("discriminator") as scope:
            if reuse:
                scope.reuse_variables()

            h0 = lrelu(conv2d(image, self.df_dim, name="d_h00_conv"))  # [N, size/2, size/2, df_dim]
            h1 = lrelu(self.d_bns[0](conv2d(h0, self.df_dim * 2, name="d_h1_conv"), self.is_training))
            h2 = lrelu(self.d_bns[1](conv2d(h1, self.df_dim * 4, name="d_h2_conv"), self.is_training))
            h3 = lrelu(self.d_bns[2](conv2d(h2, self.df_dim * 8, name="d_h3_conv"), self.is_training))
            h3 = tf.reshape(h3, [-1, np.prod(h3.get_shape().as_list()[1:])])  # [N, 8192] at size 64
            h4 = linear(h3, 1, "d_h4_lin")  # [N, 1]

            return tf.nn.sigmoid(h4), h4

    def generator(self, z):
        """Draw images from noise: z [N, z_dim] in [-1, 1] -> [N, size, size, c_dim] in [-1, 1] (Part 4)."""
        with tf.variable_scope("generator"):
            self.z_, self.h0_w, self.h0_b = linear(z, self.gf_dim * 8 * 4 * 4, "g_h0_lin", with_w=True)

            hs = [None]
            hs[0] = tf.reshape(self.z_, [-1, 4, 4, self.gf_dim * 8])  # [N, 4, 4, 512]
            hs[0] = tf.nn.relu(self.g_bns[0](hs[0], self.is_training))

            n = tf.shape(z)[0]
            i = 1  # iteration number
            depth_mul = 8  # depth decreases as spatial component increases
            size = 8  # size increases as depth decreases

            while size < self.image_size:
                hs.append(None)
                name = "g_h{}".format(i)
                hs[i], _, _ = conv2d_transpose(hs[i - 1], [n, size, size, self.gf_dim * depth_mul],
                                               name=name, with_w=True)  # [N, 8, 8, 512], [N, 16, 16, 256], ...
                hs[i] = tf.nn.relu(self.g_bns[i](hs[i], self.is_training))

                i += 1
                depth_mul = max(depth_mul // 2, 1)
                size *= 2

            hs.append(None)
            name = "g_h{}".format(i)
            hs[i], _, _ = conv2d_transpose(hs[i - 1], [n, size, size, self.c_dim], name=name, with_w=True)

            return tf.nn.tanh(hs[i])  # [N, size, size, c_dim]

    def train(self, config):
        """Train both networks on the pictures in config.dataset (Part 4). config: the flags of gantut_trainer.py.

        One step updates D once and G twice, on the same z. Goes on from the newest checkpoint in checkpoint_dir, if
        there is one, as if it had never stopped; config.epoch is the total. Raises UserError for what the user can
        mend, and Stopped when Ctrl-C or SIGTERM ended the training and it was saved.
        """
        config = settings(config)
        data = Pictures(dataset_files(config.dataset), self, config)
        run = describe_run(self, config, data)
        self.check(config.checkpoint_dir, run)

        dg_optim, g_optim = self.build_updates(config.learning_rate, config.beta1)
        self.build_saver(config.max_to_keep)  # anew, so that a checkpoint holds what Adam remembers
        self.watch = Watch(self.sess, self.saved_vars)
        self.sess.run(tf.global_variables_initializer())

        self.g_sum = tf.summary.merge([self.z_sum, self.d__sum, self.G_sum, self.d_loss_fake_sum, self.g_loss_sum])
        self.d_sum = tf.summary.merge([self.z_sum, self.d_sum, self.d_loss_real_sum, self.d_loss_sum])

        self.sample_z = random_state(config.seed, "sample_z").uniform(-1, 1, size=(self.sample_size, self.z_dim))
        self.sample_images = data.load(range(min(self.sample_size, len(data.files))))

        counter = 1
        start_time = time.time()

        if self.load(self.checkpoint_dir):
            print(" An existing model was found - delete the directory or specify a new one with --checkpoint_dir")
            counter = self.saved_step
        else:
            print(" No model found - initializing a new one")

        batch_idxs = len(data.files) // data.step_size
        first = 1 + run["ahead"]  # the counter's value at the first step of the first epoch
        if counter - first >= config.epoch * batch_idxs:
            print(" All {} epochs are done - ask for more with --epoch".format(config.epoch))
            return
        self.keep(config, run, counter)

        with Stop() as stop, ProgressBar(counter - first, config.epoch * batch_idxs, data.step_size) as progress, \
                contextlib.closing(data.batches(counter - first)) as batches:
            for epoch in xrange((counter - first) // batch_idxs, config.epoch):
                for idx in xrange((counter - first) % batch_idxs, batch_idxs):
                    batch_images = self.next_batch(batches, stop, config.checkpoint_dir, counter)
                    batch_z = self.share(random_state(config.seed, "z", counter).uniform(
                        -1, 1, [data.step_size, self.z_dim])).astype(np.float32)
                    step = counter if counter % config.summary_every == 0 else None

                    # update D network, then G network, on the same images of G
                    self.update(dg_optim, self.d_sum, step,
                                {self.images: batch_images, self.z: batch_z, self.is_training: True})

                    # run g_optim twice to make sure that d_loss does not go to zero
                    self.update(g_optim, self.g_sum, step, {self.z: batch_z, self.is_training: True})

                    errD_fake, errD_real, errG = self.sess.run(
                        [self.d_loss_fake, self.d_loss_real, self.g_loss],
                        {self.images: batch_images, self.z: batch_z, self.is_training: False})
                    self.watch.check_losses(counter, d_loss_fake=errD_fake, d_loss_real=errD_real, g_loss=errG)

                    counter += 1
                    progress.report("Epoch [{:2d}] [{:4d}/{:4d}]".format(epoch, idx, batch_idxs),
                                    "time: {:4.4f}".format(time.time() - start_time),
                                    "d_loss: {:.8f}, g_loss: {:.8f}".format(errD_fake + errD_real, errG))

                    if counter % config.sample_every == 1 % config.sample_every:
                        d_loss, g_loss = self.sample(config.sample_dir, "train_{:02d}-{:04d}.png".format(epoch, idx),
                                                     counter)
                        progress.write("[Sample] d_loss: {:.8f}, g_loss: {:.8f}".format(d_loss, g_loss))

                    if idx == batch_idxs - 1:  # before the checkpoint, from which a stopped run goes on
                        self.sample(config.sample_dir, "epoch_{:02d}.png".format(epoch), counter)

                    if counter % config.save_every == 2 % config.save_every:
                        self.checkpoint(config.checkpoint_dir, counter)
            self.checkpoint(config.checkpoint_dir, counter)
        if self.chief:
            self.writer.close()

    def build_updates(self, learning_rate, beta1):
        """Build the optimizers; returns two ops: an update of D and then of G, and an update of G alone.

        The first is Part 4's update of D and its first one of G in one run, with the same numbers: G draws its images
        once and not twice, which saves a tenth of a step. D judges them anew when it is updated, and the moving
        averages of G take the second of their two steps.
        """
        d_optim = self.adam(learning_rate, beta1=beta1).minimize(self.d_loss, var_list=self.d_vars)
        g_adam = self.adam(learning_rate, beta1=beta1)
        g_optim = g_adam.minimize(self.g_loss, var_list=self.g_vars)

        with tf.control_dependencies([d_optim]):
            D_, D_logits_ = self.discriminator(self.G, reuse=True)
        g_update = g_adam.minimize(cross_entropy(D_logits_, tf.ones_like(D_)), var_list=self.g_vars)
        in_use = self.g_bns[:-2]  # the tutorial makes two more than the generator has layers to normalise
        return tf.group(g_update, *[bn.move_again() for bn in in_use]), g_optim

    def adam(self, learning_rate, beta1):
        return tf.train.AdamOptimizer(learning_rate, beta1=beta1)

    def check(self, checkpoint_dir, run):
        """Look whether this run may go on from the checkpoint in checkpoint_dir, if any; raises UserError if not."""
        check_run(checkpoint_dir, run, self)

    def keep(self, config, run, counter):
        """Open what the run is kept in: its checkpoint folder and its logs."""
        keep_run(config.checkpoint_dir, run, self.saver, self.model_name)
        self.writer = open_writer(config.logs_dir, self.sess.graph, counter)

    def share(self, rows):
        """This process's rows of those for all replicas, [batch_size * replicas, ...]."""
        return rows

    def next_batch(self, batches, stop, checkpoint_dir, counter):
        """Return the next batch of images; saves and raises if a picture has turned bad, or the user has stopped it."""
        batch_images, ending = None, None
        try:
            batch_images = next(batches)
        except UserError as error:
            ending = UserError("{}; the training is saved: bring the picture back, or add --skip_bad_images, and run "
                               "the same command to go on".format(error))
        ending = self.agree(ending or (stop.signum and Stopped(stop.signum)))
        if ending:
            self.checkpoint(checkpoint_dir, counter)
            raise ending
        return batch_images

    def agree(self, ending):
        """What ends the training, an exception or None: here, what this process says."""
        return ending

    def update(self, optim, summary, step, feed):
        """Run one update of a network, and write its summary for this step, if any."""
        if step is None:
            self.sess.run(optim, feed)
            return
        try:
            _, summary_str = self.sess.run([optim, summary], feed)
        except tf.errors.InvalidArgumentError as error:
            message = without_places(error)
            if "in summary histogram" not in message:
                raise
            self.watch.diverged(step, message.split()[-1])
        with writing(self.writer.get_logdir()):
            self.writer.add_summary(summary_str, step)

    def sample(self, sample_dir, name, step):
        """Draw the grid of samples, from the same z each time; returns (d_loss, g_loss) on the sample images."""
        samples, d_loss, g_loss = self.sess.run(
            [self.G, self.d_loss, self.g_loss],
            {self.z: self.sample_z, self.images: self.sample_images, self.is_training: False})
        self.watch.check_samples(step, samples, self.sample_images)
        with writing(sample_dir):
            os.makedirs(sample_dir, exist_ok=True)
            save_images(samples, grid_size(self.sample_size), os.path.join(sample_dir, name))
        return d_loss, g_loss

    def checkpoint(self, checkpoint_dir, step):
        """Save what there is to keep after this step, unless that has been done or the weights are not finite."""
        if step == self.saved_step:
            return
        self.watch.check_weights(step)
        logs_are_written = flush(self.writer, step)
        with writing(checkpoint_dir):
            self.save(checkpoint_dir, step)
        if not logs_are_written:
            raise UserError("cannot write all of {}, no space left on its disk? The training is saved: mend this and "
                            "run the same command to go on".format(self.writer.get_logdir()))

    def save(self, checkpoint_dir, step):
        """Write the checkpoint DCGAN.model-<step> into checkpoint_dir (Part 4)."""
        if not os.path.exists(checkpoint_dir):
            os.makedirs(checkpoint_dir)

        self.saver.save(self.sess, os.path.join(checkpoint_dir, self.model_name), global_step=step)
        self.saved_step = step

    def load(self, checkpoint_dir):
        """Restore the newest checkpoint in checkpoint_dir; returns whether there was one (Part 4).

        What the checkpoint does not hold of the optimizers keeps its value, and a line says so. Sets saved_step.
        Raises UserError if a variable of the model is missing or has another shape.
        """
        print(" [*] Reading checkpoints...")

        path = newest_checkpoint(checkpoint_dir)
        if not path:
            return False
        absent, misfit = compare_checkpoint(path, self)
        if misfit:
            raise UserError(misfit + ": use the flags it was trained with (image_size, gf_dim, df_dim, z_dim, c_dim), "
                            "or another --checkpoint_dir")
        if absent:
            print(" [*] {} holds no {} (and {} more of the optimizers'): Adam starts anew".format(
                path, absent[0].op.name, len(absent) - 1))
            tf.train.Saver([var for var in self.saved_vars if var not in absent]).restore(self.sess, path)
        else:
            self.saver.restore(self.sess, path)
        self.saved_step = int(path.rsplit("-", 1)[-1])
        return True


def cross_entropy(logits, labels):
    """Mean sigmoid cross-entropy of logits against labels, both [N, 1] (Part 4, build_model)."""
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(logits=logits, labels=labels))
