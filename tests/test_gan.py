"""The model against the NumPy reference of tests/reference.py, its sizes, its checkpoints and its training."""
import os
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import load_image, write_pictures
from reference import Reference, random_params

from gantut.checkpoints import newest_checkpoint, step_of
from gantut.errors import UserError
from gantut.fused_step import faster
from gantut.seeding import random_state
from gantut_gan import DCGAN, dataset_files

pytestmark = pytest.mark.quick

SIZES = dict(z_dim=6, gf_dim=4, df_dim=4)
MODELS = pytest.mark.parametrize("Model", [DCGAN, faster(DCGAN)])


def config(folder, dataset, **changes):
    """The trainer's flags for a small training that leaves everything in folder."""
    values = dict(epoch=1, learning_rate=0.0002, beta1=0.5, train_size=np.inf, batch_size=8, dataset=dataset,
                  checkpoint_dir=os.path.join(folder, "checkpoint"), sample_dir=os.path.join(folder, "samples"),
                  logs_dir=os.path.join(folder, "logs"), crop_size=0, sample_every=100, save_every=500,
                  summary_every=1, seed=1, skip_bad_images=False, max_to_keep=1)
    values.update(changes)
    os.makedirs(values["sample_dir"], exist_ok=True)
    return SimpleNamespace(**values)


def assign(sess, params):
    """Give the variables of the graph the reference's values."""
    for var in tf.global_variables():
        if var.op.name in params:
            var.load(params[var.op.name], sess)


def optimizers(dcgan, learning_rate=0.0002, beta1=0.5):
    return (tf.train.AdamOptimizer(learning_rate, beta1=beta1).minimize(dcgan.d_loss, var_list=dcgan.d_vars),
            tf.train.AdamOptimizer(learning_rate, beta1=beta1).minimize(dcgan.g_loss, var_list=dcgan.g_vars))


@pytest.mark.parametrize("image_size, c_dim", [(8, 3), (16, 1), (64, 3)])
def test_three_rounds_give_the_reference_losses(sess, image_size, c_dim):
    params = random_params(image_size, c_dim, gf_dim=4, df_dim=4, z_dim=6, seed=3, spread=0.2)
    reference = Reference(dict(params), image_size, c_dim, **SIZES)
    dcgan = DCGAN(sess, image_size=image_size, c_dim=c_dim, batch_size=5, **SIZES)
    d_optim, g_optim = optimizers(dcgan)
    sess.run(tf.global_variables_initializer())
    assign(sess, params)

    rng = np.random.RandomState(0)
    for _ in range(3):
        images = rng.uniform(-1, 1, [5, image_size, image_size, c_dim]).astype(np.float32)
        z = rng.uniform(-1, 1, [5, 6]).astype(np.float32)
        sess.run(d_optim, {dcgan.images: images, dcgan.z: z, dcgan.is_training: True})
        sess.run(g_optim, {dcgan.z: z, dcgan.is_training: True})
        sess.run(g_optim, {dcgan.z: z, dcgan.is_training: True})
        losses = sess.run([dcgan.d_loss_fake, dcgan.d_loss_real, dcgan.g_loss],
                          {dcgan.images: images, dcgan.z: z, dcgan.is_training: False})
        np.testing.assert_allclose(losses, reference.round(z, images), rtol=1e-4)


def before_batch_norm(var):
    """Whether var is a bias that batch norm cancels: its gradient is 0 but for rounding, which Adam enlarges to steps
    of the learning rate (also in the tutorial's code)."""
    return re.search(r"d_h[123]_conv/biases|g_h[123]/biases", var.name)


@MODELS
def test_three_sharp_rounds_give_the_reference_weights(sess, Model):
    """Larger weights and no noise from the biases before batch norm: the same variables to 1e-5."""
    params = random_params(64, 3, gf_dim=4, df_dim=4, z_dim=6, seed=3, stddev=0.1, spread=0.2)
    reference = Reference(dict(params), 64, 3, **SIZES)
    dcgan = Model(sess, image_size=64, **SIZES)
    dcgan.d_vars = [var for var in dcgan.d_vars if not before_batch_norm(var)]
    dcgan.g_vars = [var for var in dcgan.g_vars if not before_batch_norm(var)]
    d_optim, g_optim = optimizers(dcgan)
    sess.run(tf.global_variables_initializer())
    assign(sess, params)
    rng = np.random.RandomState(0)
    for _ in range(3):
        images, z = rng.uniform(-1, 1, [5, 64, 64, 3]), rng.uniform(-1, 1, [5, 6])
        for optim in (d_optim, g_optim, g_optim):
            sess.run(optim, {dcgan.images: images, dcgan.z: z, dcgan.is_training: True})
        reference.round(z, images)
    for var in dcgan.saver.model:
        if not before_batch_norm(var):
            np.testing.assert_allclose(sess.run(var), reference.params[var.op.name], rtol=1e-5, atol=1e-5)


@MODELS
def test_gradients_are_the_reference_gradients(sess, Model):
    params = random_params(16, 3, gf_dim=4, df_dim=4, z_dim=6, seed=5, stddev=0.1, spread=0.2)
    reference = Reference(dict(params), 16, 3, **SIZES)
    dcgan = Model(sess, image_size=16, **SIZES)
    assign(sess, params)
    rng = np.random.RandomState(0)
    images, z = rng.uniform(-1, 1, [5, 16, 16, 3]), rng.uniform(-1, 1, [5, 6])
    feed = {dcgan.images: images, dcgan.z: z, dcgan.is_training: True}
    for loss, variables, expected in [
            (dcgan.d_loss, dcgan.d_vars, reference.d_gradients(z, images)),
            (dcgan.g_loss, dcgan.g_vars, reference.g_gradients(z)[0])]:
        for var, gradient in zip(variables, sess.run(tf.gradients(loss, variables), feed)):
            np.testing.assert_allclose(gradient, expected[var.op.name], rtol=1e-3, atol=2e-6, err_msg=var.name)


def test_train_prints_the_reference_losses(tmp_path, capsys):
    """The schedule inside train(): D once, G twice on the same z, then the losses in evaluation mode."""
    files = dataset_files(write_pictures(tmp_path / "pictures", n=16))
    flags = config(tmp_path, str(tmp_path / "pictures"))
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(1)
        dcgan = DCGAN(sess, image_size=16, batch_size=8, **SIZES)
        sess.run(tf.global_variables_initializer())
        params = {var.op.name: value.astype(np.float64) for var, value in zip(
            dcgan.saver.model, sess.run(dcgan.saver.model))}
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(1)
        DCGAN(sess, image_size=16, batch_size=8, checkpoint_dir=flags.checkpoint_dir, **SIZES).train(flags)
    printed = re.findall(r"d_loss: ([\d.]+), g_loss: ([\d.]+)", capsys.readouterr().out)

    random_state(1, "data").shuffle(files)
    order = random_state(1, "epoch", 0).permutation(16)
    reference = Reference(params, 16, 3, **SIZES)
    for step in (1, 2):
        images = np.array([load_image(files[i], 16) for i in order[8 * (step - 1):8 * step]])
        z = random_state(1, "z", step).uniform(-1, 1, [8, 6])
        d_loss_fake, d_loss_real, g_loss = reference.round(z, images)
        np.testing.assert_allclose(np.float64(printed[step - 1]), [d_loss_fake + d_loss_real, g_loss], rtol=1e-4)


@pytest.mark.parametrize("image_size", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("c_dim", [1, 3])
def test_every_size_and_any_number_of_images(sess, image_size, c_dim):
    dcgan = DCGAN(sess, image_size=image_size, c_dim=c_dim, gf_dim=2, df_dim=3, z_dim=5, batch_size=7)
    sess.run(tf.global_variables_initializer())
    for n in (1, 3):
        images, logits, lowres = sess.run([dcgan.G, dcgan.D_logits_, dcgan.lowres_G],
                                          {dcgan.z: np.zeros([n, 5]), dcgan.is_training: False})
        assert images.shape == (n, image_size, image_size, c_dim)
        assert logits.shape == (n, 1)
        blocks = images.reshape(n, image_size // 8, 8, image_size // 8, 8, c_dim)
        np.testing.assert_allclose(lowres, blocks.mean(axis=(2, 4)), atol=1e-6)


@pytest.mark.parametrize("image_size", [0, 4, 48, 65])
def test_sizes_that_are_not_a_power_of_two_are_refused(sess, image_size):
    with pytest.raises(AssertionError, match="power of 2"):
        DCGAN(sess, image_size=image_size)


def test_one_update_changes_one_network(sess):
    dcgan = DCGAN(sess, image_size=8, **SIZES)
    sess.run(tf.global_variables_initializer())
    d_optim, g_optim = optimizers(dcgan)
    sess.run(tf.global_variables_initializer())
    rng = np.random.RandomState(0)
    feed = {dcgan.z: rng.uniform(-1, 1, [4, 6]), dcgan.images: rng.uniform(-1, 1, [4, 8, 8, 3]),
            dcgan.is_training: True}
    for optim, own, other in [(d_optim, dcgan.d_vars, dcgan.g_vars), (g_optim, dcgan.g_vars, dcgan.d_vars)]:
        before_own, before_other = sess.run([own, other])
        sess.run(optim, feed)
        after_own, after_other = sess.run([own, other])
        assert all(np.array_equal(a, b) for a, b in zip(before_other, after_other))
        assert not any(np.array_equal(a, b) for a, b in zip(before_own, after_own))


def test_the_two_passes_of_d_do_not_race(sess):
    """20 updates of D from the same state give the same bits of the moving averages, which both passes change."""
    dcgan = DCGAN(sess, image_size=32, gf_dim=8, df_dim=16, z_dim=6)
    d_optim, _ = optimizers(dcgan, learning_rate=0.0)
    sess.run(tf.global_variables_initializer())
    rng = np.random.RandomState(0)
    feed = {dcgan.z: rng.uniform(-1, 1, [16, 6]), dcgan.images: rng.uniform(-1, 1, [16, 32, 32, 3]),
            dcgan.is_training: True}
    moving = [var for var in dcgan.saver.model if "discriminator" in var.name and "moving" in var.name]
    start = sess.run(moving)
    results = []
    for _ in range(20):
        for var, value in zip(moving, start):
            var.load(value, sess)
        sess.run(d_optim, feed)
        results.append(b"".join(value.tobytes() for value in sess.run(moving)))
    assert len(set(results)) == 1


def test_a_checkpoint_restores_everything_also_from_a_moved_folder(tmp_path):
    write_pictures(tmp_path / "pictures")
    flags = config(tmp_path, str(tmp_path / "pictures"))
    with tf.Graph().as_default(), tf.Session() as sess:
        dcgan = DCGAN(sess, image_size=16, batch_size=8, checkpoint_dir=flags.checkpoint_dir, **SIZES)
        dcgan.train(flags)
        saved = {var.op.name: value for var, value in zip(dcgan.saver.variables, sess.run(dcgan.saver.variables))}
    assert any("Adam" in name for name in saved) and "beta1_power" in saved
    shutil.move(flags.checkpoint_dir, tmp_path / "elsewhere")
    with tf.Graph().as_default(), tf.Session() as sess:
        dcgan = DCGAN(sess, image_size=16, **SIZES)
        assert dcgan.load(str(tmp_path / "elsewhere"))
        assert step_of(newest_checkpoint(str(tmp_path / "elsewhere"))) == 4  # the counter after 3 steps
        for var in dcgan.saver.model:
            np.testing.assert_array_equal(sess.run(var), saved[var.op.name])


@pytest.mark.parametrize("name, trained", [("d_more", True), ("more", False)])
def test_a_layer_in_neither_list_of_variables_is_named(tmp_path, capsys, name, trained):
    class WithALayer(DCGAN):
        def discriminator(self, image, reuse=False):
            D, logits = super().discriminator(image, reuse)
            with tf.variable_scope("discriminator", reuse=reuse):
                scale = tf.get_variable(name, [], initializer=tf.ones_initializer())
            return tf.nn.sigmoid(logits * scale), logits * scale

    write_pictures(tmp_path / "pictures")
    flags = config(tmp_path, str(tmp_path / "pictures"), epoch=1)
    with tf.Graph().as_default(), tf.Session() as sess:
        dcgan = WithALayer(sess, image_size=16, batch_size=8, **SIZES)
        dcgan.train(flags)
        (scale,) = [var for var in tf.trainable_variables() if var.op.name == "discriminator/" + name]
        assert (sess.run(scale) != 1) == trained
    line = f" [!] discriminator/{name} is in neither d_vars (names with d_) nor g_vars (names with g_): is it trained?"
    assert (line in capsys.readouterr().err) != trained


def test_no_checkpoint_is_no_error(tmp_path, sess):
    dcgan = DCGAN(sess, image_size=8, **SIZES)
    assert dcgan.load(str(tmp_path)) is False
    assert dcgan.load(None) is False


def test_a_checkpoint_of_another_model_names_the_variable(tmp_path):
    for image_size, gf_dim, message in [(8, 4, None), (8, 5, r"generator/g_h0_lin/Matrix .*\[6, 512\].*\[6, 640\]"),
                                        (16, 4, r"generator/g_h1/w .*\[5, 5, 3, 32\].*\[5, 5, 32, 32\]")]:
        with tf.Graph().as_default(), tf.Session() as sess:
            dcgan = DCGAN(sess, image_size=image_size, z_dim=6, gf_dim=gf_dim, df_dim=4)
            if message is None:
                sess.run(tf.global_variables_initializer())
                dcgan.save(str(tmp_path), 1)
            else:
                with pytest.raises(UserError, match=message):
                    dcgan.load(str(tmp_path))


def test_a_broken_checkpoint_is_one_line(tmp_path, sess):
    dcgan = DCGAN(sess, image_size=8, **SIZES)
    sess.run(tf.global_variables_initializer())
    dcgan.save(str(tmp_path), 1)
    (tmp_path / "DCGAN.model-1.index").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="DCGAN.model-1 cannot be read") as caught:
        dcgan.load(str(tmp_path))
    assert "\n" not in str(caught.value)
