"""Part 4's class solved in another way than the project does: loops for layers, one place for the losses."""
import glob
import os
import time

import numpy as np
import tensorflow.compat.v1 as tf

import gantut_datafuncs as blocks
import gantut_imgfuncs as pictures


def dataset_files(root):
    return [path for path in glob.glob(os.path.join(root, "**"), recursive=True) if path.endswith((".png", ".jpg"))]


class DCGAN(object):
    def __init__(self, sess, image_size=64, is_crop=False, batch_size=64, sample_size=64, z_dim=100, gf_dim=64,
                 df_dim=64, gfc_dim=1024, dfc_dim=1024, c_dim=3, checkpoint_dir=None, lam=0.1, lowres=8):
        if image_size < 8 or bin(image_size).count("1") != 1:
            raise ValueError("image_size")
        given = dict(locals())
        given.pop("self")
        vars(self).update(given, image_shape=[image_size, image_size, c_dim], lowres_size=image_size // lowres,
                          model_name="DCGAN.model")
        self.d_bns = [blocks.batch_norm(name="d_bn%d" % i) for i in range(4)]
        self.g_bns = [blocks.batch_norm(name="g_bn%d" % i) for i in range(image_size.bit_length() - 1)]
        self.build_model()

    def build_model(self):
        self.is_training = tf.placeholder(tf.bool, [])
        self.images = tf.placeholder(tf.float32, [None, *self.image_shape])
        self.z = tf.placeholder(tf.float32, [None, self.z_dim])
        self.G = self.generator(self.z)
        self.D, self.D_logits = self.discriminator(self.images)
        self.D_, self.D_logits_ = self.discriminator(self.G, reuse=True)
        self.lowres_images, self.lowres_G = (tf.nn.avg_pool2d(x, self.lowres, self.lowres, "VALID")
                                             for x in (self.images, self.G))
        self.d_loss_real = tf.reduce_mean(tf.nn.softplus(-self.D_logits))
        self.d_loss_fake = tf.reduce_mean(tf.nn.softplus(self.D_logits_))
        self.g_loss = tf.reduce_mean(tf.nn.softplus(-self.D_logits_))
        self.d_loss = tf.add_n([self.d_loss_real, self.d_loss_fake])
        for name in ("d_loss_real", "d_loss_fake", "d_loss", "g_loss"):
            setattr(self, name + "_sum", tf.summary.scalar(name, getattr(self, name)))
        self.z_sum, self.d_sum, self.d__sum = (tf.summary.histogram(name, x) for name, x in (
            ("z", self.z), ("d", self.D), ("d_", self.D_)))
        self.G_sum = tf.summary.image("G", self.G)
        self.d_vars = tf.trainable_variables("discriminator")
        self.g_vars = tf.trainable_variables("generator")
        self.saver = tf.train.Saver()

    def generator(self, z):
        with tf.variable_scope("generator"):
            self.z_, self.h0_w, self.h0_b = blocks.linear(z, 128 * self.gf_dim, "g_h0_lin", with_w=True)
            x, layer, size, filters = tf.reshape(self.z_, [-1, 4, 4, 8 * self.gf_dim]), 0, 4, 8 * self.gf_dim
            while True:
                x = tf.nn.relu(self.g_bns[layer](x, self.is_training))
                layer, size = layer + 1, 2 * size
                if size == self.image_size:
                    return tf.tanh(blocks.conv2d_transpose(x, [tf.shape(z)[0], size, size, self.c_dim],
                                                           name="g_h%d" % layer))
                x = blocks.conv2d_transpose(x, [tf.shape(z)[0], size, size, filters], name="g_h%d" % layer)
                filters //= 2

    def discriminator(self, image, reuse=False):
        with tf.variable_scope("discriminator", reuse=bool(reuse)):
            x = image
            for i, name in enumerate(["d_h00_conv", "d_h1_conv", "d_h2_conv", "d_h3_conv"]):
                x = blocks.conv2d(x, self.df_dim << i, name=name)
                x = blocks.lrelu(self.d_bns[i - 1](x, self.is_training) if i else x)
            logits = blocks.linear(tf.reshape(x, [-1, int(np.prod(x.shape[1:]))]), 1, "d_h4_lin")
            return 1 / (1 + tf.exp(-logits)), logits

    def train(self, config):
        files = np.random.permutation(dataset_files(config.dataset))
        d_optim, g_optim = (tf.train.AdamOptimizer(config.learning_rate, config.beta1).minimize(loss, var_list=which)
                            for loss, which in ((self.d_loss, self.d_vars), (self.g_loss, self.g_vars)))
        self.saver = tf.train.Saver(max_to_keep=config.max_to_keep)
        if not self.load(self.checkpoint_dir):
            self.sess.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter(config.logs_dir)
        sample_z = np.random.RandomState(config.seed).uniform(-1, 1, [self.sample_size, self.z_dim])
        start, batches = time.time(), int(min(len(files), config.train_size)) // config.batch_size
        for step in range(config.epoch * batches):
            first = step % batches * config.batch_size
            real = np.stack([pictures.get_image(path, self.image_size, self.is_crop)
                             for path in files[first:first + config.batch_size]])
            feed = {self.z: np.random.uniform(-1, 1, [config.batch_size, self.z_dim]), self.images: real,
                    self.is_training: True}
            for update in (d_optim, g_optim, g_optim):
                self.sess.run(update, feed)
            feed = {**feed, self.is_training: False}
            *losses, summary = self.sess.run([self.d_loss, self.g_loss, self.d_loss_sum], feed)
            writer.add_summary(summary, step)
            print("Epoch", step // batches, "batch", step % batches, time.time() - start, *losses)
            if step % config.sample_every == 0:
                samples = self.sess.run(self.G, {self.z: sample_z, self.is_training: False})
                pictures.save_images(samples, [1, len(samples)], os.path.join(config.sample_dir, "%d.png" % step))
            if step % config.save_every == 0:
                self.save(config.checkpoint_dir, step)
        self.save(config.checkpoint_dir, config.epoch * batches)

    def save(self, checkpoint_dir, step):
        os.makedirs(checkpoint_dir, exist_ok=True)
        self.saver.save(self.sess, checkpoint_dir + "/DCGAN.model", step)

    def load(self, checkpoint_dir):
        newest = tf.train.latest_checkpoint(checkpoint_dir)
        if newest is None:
            return False
        self.saver.restore(self.sess, newest)
        return True
