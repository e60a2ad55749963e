"""The GAN itself: Part 4 of the tutorial. dataset_files() finds the pictures, class DCGAN builds the two networks
and trains them (Radford et al. 2015, arXiv 1511.06434). docs/tutorial.md says where it differs from the text, and why.
The code is based on carpedm20/DCGAN-tensorflow and bamos/dcgan-completion.tensorflow.
"""
import math
import os
import time

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import numpy as np
import tensorflow.compat.v1 as tf
from six.moves import xrange

import gantut_imgfuncs
from gantut.checkpoints import Saver, check_graph, newest_checkpoint
from gantut.datasets import list_pictures
from gantut.graph import again
from gantut.run import Run
from gantut_datafuncs import batch_norm, conv2d, conv2d_transpose, linear, lrelu

SUPPORTED_EXTENSIONS = ["png", "jpg", "jpeg", "gif", "bmp", "webp", "tif", "tiff"]


def dataset_files(root):
    """Return the sorted list of all SUPPORTED image files in the directory and its subdirectories (Part 4).

    Hidden and system folders are left out, linked ones are followed.
    """
    return list_pictures(root, SUPPORTED_EXTENSIONS)


class DCGAN(object):
    """Deep convolutional GAN on square images (Part 4)."""

    def __init__(self, sess, image_size=64, is_crop=False, batch_size=64, sample_size=64, z_dim=100,
                 gf_dim=64, df_dim=64, gfc_dim=1024, dfc_dim=1024, c_dim=3, checkpoint_dir=None, lam=0.1, lowres=8):
        """Set the parameters and build the graph.

        sess: the session to run in. image_size: width and height of the images, a power of two from 8.
        is_crop: whether train() crops the pictures. batch_size: images per step. sample_size: images per sample grid.
        z_dim: length of a noise vector z, whose entries lie in [-1, 1]. gf_dim, df_dim: filters; at 64 x 64 the layers
        of the generator have 8, 8, 4, 2 times as many, those of the discriminator 1, 2, 4, 8 times.
        gfc_dim, dfc_dim: unused, in the tutorial and here. c_dim: 1 (gray) or 3 (RGB).
        checkpoint_dir: where train() looks for a checkpoint. lam: weight of the perceptual loss in completion.
        lowres: by how much the low-resolution images are smaller.
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

        # batchnorm (from gantut_datafuncs.py)
        self.d_bns = [batch_norm(name="d_bn{}".format(i)) for i in range(4)]
        log_size = int(math.log(image_size) / math.log(2))
        self.g_bns = [batch_norm(name="g_bn{}".format(i)) for i in range(log_size)]

        self.checkpoint_dir = checkpoint_dir
        check_graph()
        self.build_model()
        self.model_name = "DCGAN.model"

    def build_model(self):
        """Build the graph: inputs, networks, losses, summaries, variables, saver (Part 4).

        To fetch a loss in the same run as an update of D, use d_loss, whose value is from before the update; that of
        d_loss_fake may be from before or after it.
        """
        self.is_training = tf.placeholder(tf.bool, name="is_training")
        self.images = tf.placeholder(tf.float32, [None] + self.image_shape, name="real_images")
        blocks = [-1, self.lowres_size, self.lowres, self.lowres_size, self.lowres, self.c_dim]
        self.lowres_images = tf.reduce_mean(tf.reshape(self.images, blocks), [2, 4])  # [N, 8, 8, c_dim] at size 64
        self.z = tf.placeholder(tf.float32, [None, self.z_dim], name="z")

        self.G = self.generator(self.z)
        self.lowres_G = tf.reduce_mean(tf.reshape(self.G, blocks), [2, 4])
        self.D, self.D_logits = self.discriminator(self.images)
        self.D_, self.D_logits_ = self.discriminator(self.G, reuse=True)

        self.d_loss_real = tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(logits=self.D_logits, labels=tf.ones_like(self.D)))
        self.d_loss_fake = tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(logits=self.D_logits_, labels=tf.zeros_like(self.D_)))
        self.g_loss = tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(logits=self.D_logits_, labels=tf.ones_like(self.D_)))

        self.d_loss = self.d_loss_real + self.d_loss_fake

        # both passes move the same averages: D learns from fakes that are judged again, after the real ones
        with tf.control_dependencies([self.D]):  # with D_logits TensorFlow's graph optimizer loses some dependencies
            self.d_loss = again(self.d_loss, [self.D_, self.D_logits_], self.discriminator(self.G, reuse=True))

        self.z_sum = tf.summary.histogram("z", self.z)
        self.d_sum = tf.summary.histogram("d", self.D)
        self.d__sum = tf.summary.histogram("d_", self.D_)
        self.G_sum = tf.summary.image("G", self.G)
        self.d_loss_real_sum = tf.summary.scalar("d_loss_real", self.d_loss_real)
        self.d_loss_fake_sum = tf.summary.scalar("d_loss_fake", self.d_loss_fake)
        self.g_loss_sum = tf.summary.scalar("g_loss", self.g_loss)
        self.d_loss_sum = tf.summary.scalar("d_loss", self.d_loss)

        t_vars = tf.trainable_variables()
        self.d_vars = [var for var in t_vars if "d_" in var.name]
        self.g_vars = [var for var in t_vars if "g_" in var.name]

        self.saver = Saver(max_to_keep=1)  # train() makes another, by --max_to_keep

    def generator(self, z):
        """Generate images from noise: z [N, z_dim] in [-1, 1] -> [N, size, size, c_dim] in [-1, 1] (Part 4)."""
        with tf.variable_scope("generator"):
            self.z_, self.h0_w, self.h0_b = linear(z, self.gf_dim * 8 * 4 * 4, "g_h0_lin", with_w=True)

            hs = [None]
            hs[0] = tf.reshape(self.z_, [-1, 4, 4, self.gf_dim * 8])  # [N, 4, 4, 512]
            hs[0] = tf.nn.relu(self.g_bns[0](hs[0], self.is_training))

            n = tf.shape(z)[0]  # images in the batch, not always batch_size
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

    def discriminator(self, image, reuse=False):
        """Judge images [N, size, size, c_dim]; returns (probability of being real, logits), each [N, 1] (Part 4)."""
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

    def train(self, config):
        """Train both networks on the pictures in config.dataset (Part 4). config: the flags of gantut_trainer.py.

        Continues from the newest checkpoint, if there is one, as if it had never stopped; config.epoch is the total.
        Raises UserError for an error that the user can fix, Stopped after Ctrl-C or SIGTERM.
        """
        with Run(self, config, gantut_imgfuncs) as run:  # what makes a training robust: gantut/run.py
            config = run.config  # with the defaults of all flags
            data = dataset_files(config.dataset)
            data = run.look_over(data)  # can they be read? can this run continue from its checkpoint?
            np.random.shuffle(data)
            assert len(data) > 0
            get_image = run.reader(data)  # Part 3's get_image(), which reads the next batches ahead

            d_optim = run.AdamOptimizer(config.learning_rate, beta1=config.beta1).minimize(
                self.d_loss, var_list=self.d_vars)
            g_optim = run.AdamOptimizer(config.learning_rate, beta1=config.beta1).minimize(
                self.g_loss, var_list=self.g_vars)
            tf.global_variables_initializer().run()

            self.g_sum = tf.summary.merge([self.z_sum, self.d__sum, self.G_sum, self.d_loss_fake_sum, self.g_loss_sum])
            self.d_sum = tf.summary.merge([self.z_sum, self.d_sum, self.d_loss_real_sum, self.d_loss_sum])
            self.writer = run.FileWriter(config.logs_dir, self.sess.graph)
            self.saver = run.Saver(config.max_to_keep)  # made after the optimizers, to save their variables too

            run.seed("sample_z")
            sample_z = np.random.uniform(-1, 1, size=(self.sample_size, self.z_dim))

            sample_files = data[0:self.sample_size]
            sample = [get_image(sample_file, self.image_size, is_crop=self.is_crop) for sample_file in sample_files]
            sample_images = np.array(sample).astype(np.float32)

            start_time = time.time()

            if self.load(self.checkpoint_dir):
                print(" An existing model was found - delete the directory or specify a new one with --checkpoint_dir ")
            else:
                print(" No model found - initializing a new one")
            counter = run.begin()  # 1, or where the model was saved

            for epoch in run.epochs(xrange(config.epoch)):  # those that are left
                data = run.order(epoch)  # shuffled again
                batch_idxs = min(len(data), config.train_size) // self.batch_size

                for idx in run.idxs(xrange(0, batch_idxs)):  # those that are left; NumPy's numbers are the step's
                    batch_files = data[idx * config.batch_size:(idx + 1) * config.batch_size]
                    batch = [get_image(batch_file, self.image_size, is_crop=self.is_crop) for batch_file in batch_files]
                    batch_images = np.array(batch).astype(np.float32)

                    batch_z = np.random.uniform(-1, 1, [config.batch_size, self.z_dim]).astype(np.float32)

                    errD_fake, errD_real, errG = self.step(d_optim, g_optim, batch_images, batch_z, counter)
                    run.check_losses(errD_fake, errD_real, errG)

                    counter += 1
                    run.report("Epoch [{:2d}] [{:4d}/{:4d}]".format(epoch, idx, batch_idxs),
                               "time: {:4.4f}".format(time.time() - start_time),
                               "d_loss: {:.8f}, g_loss: {:.8f}".format(errD_fake + errD_real, errG))

                    every, last = np.mod(counter - 1, config.sample_every) == 0, idx == batch_idxs - 1
                    if every or last:
                        with run.to_draw():
                            samples, d_loss, g_loss = self.sess.run(
                                [self.G, self.d_loss, self.g_loss],
                                feed_dict={self.z: sample_z, self.images: sample_images, self.is_training: False})
                        run.check_samples(samples, sample_images)
                    if every:
                        run.save_images(samples, "train_{:02d}-{:04d}.png".format(epoch, idx))
                        run.print("[Sample] d_loss: {:.8f}, g_loss: {:.8f}".format(d_loss, g_loss))
                    if last:  # before the checkpoint, from which a stopped run continues
                        run.save_images(samples, "epoch_{:02d}.png".format(epoch))

                    if np.mod(counter - 2, config.save_every) == 0:
                        self.save(config.checkpoint_dir, counter)
                run.judge(epoch, counter)
            self.save(config.checkpoint_dir, counter)

    def step(self, d_optim, g_optim, batch_images, batch_z, counter):  # [N, size, size, c_dim], [N, z_dim], in [-1, 1]
        """One step (Part 4, train): update D once and G twice; returns D's losses of fake and real images, and G's."""
        # update D network
        _, summary_str = self.sess.run([d_optim, self.d_sum],
                                       feed_dict={self.images: batch_images, self.z: batch_z, self.is_training: True})
        self.writer.add_summary(summary_str, counter)

        # update G network
        _, summary_str = self.sess.run([g_optim, self.g_sum],
                                       feed_dict={self.z: batch_z, self.is_training: True})
        self.writer.add_summary(summary_str, counter)

        # run g_optim twice to make sure that d_loss does not go to zero
        _, summary_str = self.sess.run([g_optim, self.g_sum],
                                       feed_dict={self.z: batch_z, self.is_training: True})
        self.writer.add_summary(summary_str, counter)

        errD_fake = self.d_loss_fake.eval({self.z: batch_z, self.is_training: False})
        errD_real = self.d_loss_real.eval({self.images: batch_images, self.is_training: False})
        errG = self.g_loss.eval({self.z: batch_z, self.is_training: False})
        return errD_fake, errD_real, errG

    def save(self, checkpoint_dir, step):
        """Write the checkpoint DCGAN.model-<step> into checkpoint_dir (Part 4)."""
        if not os.path.exists(checkpoint_dir):
            os.makedirs(checkpoint_dir)
        self.saver.save(self.sess, os.path.join(checkpoint_dir, self.model_name), global_step=step)

    def load(self, checkpoint_dir):
        """Restore the newest checkpoint in checkpoint_dir; returns whether there was one (Part 4)."""
        print(" [*] Reading checkpoints...")

        ckpt = newest_checkpoint(checkpoint_dir)
        if ckpt:
            self.saver.restore(self.sess, ckpt)
            return True
        else:
            return False
