"""The names of the tutorial, written down by hand from its text: a reader of Parts 3, 4 and 5 finds them all here."""
import contextlib
import inspect
import io
import json
import math
import os
import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import ROOT, run_program, write_pictures

import gantut_datafuncs
import gantut_gan
import gantut_imgfuncs
from gantut.flags import PART_5
from gantut_gan import DCGAN

pytestmark = pytest.mark.quick

SMALL = dict(image_size=16, batch_size=8, z_dim=6, gf_dim=2, df_dim=3)

# functions and methods: Parts 3 and 4

PART_3 = {
    "imread": "(path)",
    "transform": "(image, npx=64, is_crop=True)",
    "center_crop": "(x, crop_h, crop_w=None, resize_w=64)",
    "get_image": "(image_path, image_size, is_crop=True)",
    "inverse_transform": "(images)",
    "merge": "(images, size)",
    "imsave": "(images, size, path)",
    "save_images": "(images, size, image_path)",
}
PART_4 = {
    "batch_norm": "(epsilon=1e-05, momentum=0.9, name='batch_norm')",
    "conv2d": "(input_, output_dim, k_h=5, k_w=5, d_h=2, d_w=2, stddev=0.02, name='conv2d')",
    "lrelu": "(x, leak=0.2, name='lrelu')",
    "linear": "(input_, output_size, scope=None, stddev=0.02, bias_start=0.0, with_w=False)",
    "conv2d_transpose": "(input_, output_shape, k_h=5, k_w=5, d_h=2, d_w=2, stddev=0.02, name='conv2d_transpose', "
                        "with_w=False)",
}
METHODS = {
    "__init__": "(self, sess, image_size=64, is_crop=False, batch_size=64, sample_size=64, z_dim=100, gf_dim=64, "
                "df_dim=64, gfc_dim=1024, dfc_dim=1024, c_dim=3, checkpoint_dir=None, lam=0.1, lowres=8)",
    "build_model": "(self)",
    "generator": "(self, z)",
    "discriminator": "(self, image, reuse=False)",
    "train": "(self, config)",
    "save": "(self, checkpoint_dir, step)",
    "load": "(self, checkpoint_dir)",
}


@pytest.mark.parametrize("name", ["gantut_imgfuncs.py", "gantut_datafuncs.py", "gantut_gan.py", "gantut_trainer.py"])
def test_the_files_have_the_tutorials_names(name):
    assert os.path.isfile(os.path.join(ROOT, name))


@pytest.mark.parametrize("name", PART_3)
def test_the_functions_of_part_3(name):
    assert str(inspect.signature(getattr(gantut_imgfuncs, name))) == PART_3[name]


@pytest.mark.parametrize("name", PART_4)
def test_the_functions_of_part_4(name):
    assert str(inspect.signature(getattr(gantut_datafuncs, name))) == PART_4[name]


def test_batch_norm_is_called_with_the_images_and_whether_to_train():
    assert str(inspect.signature(gantut_datafuncs.batch_norm.__call__)) == "(self, x, train)"


@pytest.mark.parametrize("name", METHODS)
def test_the_methods_of_dcgan(name):
    assert str(inspect.signature(getattr(DCGAN, name))) == METHODS[name]


def test_the_file_extensions():
    assert gantut_gan.SUPPORTED_EXTENSIONS[:3] == ["png", "jpg", "jpeg"]
    assert str(inspect.signature(gantut_gan.dataset_files)) == "(root)"


# flags: Part 5

FLAGS = {"epoch": 20, "learning_rate": 0.0002, "beta1": 0.5, "train_size": math.inf, "batch_size": 64,
         "image_size": 64, "dataset": "lfw-aligned-64", "checkpoint_dir": "checkpoint", "sample_dir": "samples"}
DEFAULTS = """
import json, sys, gantut_trainer
print(json.dumps({name: gantut_trainer.FLAGS[name].default for name in sys.argv[1:]}))
"""


def test_the_flags_of_part_5_and_their_defaults(tmp_path):
    """In a process of its own: absl knows only one set of flags for each process."""
    process = run_program(DEFAULTS, *FLAGS, cwd=tmp_path)
    assert process.returncode == 0 and json.loads(process.stdout) == FLAGS, process.stderr
    assert PART_5.items() <= FLAGS.items() and FLAGS.keys() - PART_5 == {"batch_size", "image_size"}  # DCGAN's own


# the graph with the tutorial's sizes, built once and never run

def batch_norm(name, channels):
    return {f"{name}/{part}": [channels] for part in ("beta", "gamma", "moving_mean", "moving_variance")}


GENERATOR_64 = {
    "generator/g_h0_lin/Matrix": [100, 8192], "generator/g_h0_lin/bias": [8192], **batch_norm("generator/g_bn0", 512),
    "generator/g_h1/w": [5, 5, 512, 512], "generator/g_h1/biases": [512], **batch_norm("generator/g_bn1", 512),
    "generator/g_h2/w": [5, 5, 256, 512], "generator/g_h2/biases": [256], **batch_norm("generator/g_bn2", 256),
    "generator/g_h3/w": [5, 5, 128, 256], "generator/g_h3/biases": [128], **batch_norm("generator/g_bn3", 128),
    "generator/g_h4/w": [5, 5, 3, 128], "generator/g_h4/biases": [3],
}
DISCRIMINATOR_64 = {
    "discriminator/d_h00_conv/w": [5, 5, 3, 64], "discriminator/d_h00_conv/biases": [64],
    "discriminator/d_h1_conv/w": [5, 5, 64, 128], "discriminator/d_h1_conv/biases": [128],
    **batch_norm("discriminator/d_bn0", 128),
    "discriminator/d_h2_conv/w": [5, 5, 128, 256], "discriminator/d_h2_conv/biases": [256],
    **batch_norm("discriminator/d_bn1", 256),
    "discriminator/d_h3_conv/w": [5, 5, 256, 512], "discriminator/d_h3_conv/biases": [512],
    **batch_norm("discriminator/d_bn2", 512),
    "discriminator/d_h4_lin/Matrix": [8192, 1], "discriminator/d_h4_lin/bias": [1],
}
ATTRIBUTES = {  # at 64 x 64: tensors and their shapes
    "is_training": None, "images": [None, 64, 64, 3], "lowres_images": [None, 8, 8, 3], "z": [None, 100],
    "G": [None, 64, 64, 3], "lowres_G": [None, 8, 8, 3], "D": [None, 1], "D_logits": [None, 1], "D_": [None, 1],
    "D_logits_": [None, 1], "d_loss_real": [], "d_loss_fake": [], "d_loss": [], "g_loss": [],
    "z_sum": [], "d_sum": [], "d__sum": [], "G_sum": [], "d_loss_real_sum": [], "d_loss_fake_sum": [],
    "d_loss_sum": [], "g_loss_sum": [],
}
TAGS = {"z_sum": "z_1", "d_sum": "d", "d__sum": "d_", "G_sum": "G", "d_loss_real_sum": "d_loss_real",
        "d_loss_fake_sum": "d_loss_fake", "g_loss_sum": "g_loss", "d_loss_sum": "d_loss"}


@pytest.fixture(scope="module")
def full():
    """DCGAN(sess) with every default."""
    with tf.Graph().as_default(), tf.Session() as session:
        return DCGAN(session)


def shapes(variables):
    return {var.op.name: var.shape.as_list() for var in variables}


def trainable(names):
    return {name for name in names if "moving" not in name}


def test_the_variables_and_their_shapes(full):
    with full.sess.graph.as_default():
        assert shapes(tf.global_variables()) == {**GENERATOR_64, **DISCRIMINATOR_64}


def test_d_vars_and_g_vars(full):
    assert set(shapes(full.d_vars)) == trainable(DISCRIMINATOR_64)
    assert set(shapes(full.g_vars)) == trainable(GENERATOR_64)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_the_tensors_and_their_shapes(full, name):
    shape = getattr(full, name).shape
    assert (shape.as_list() if shape.ndims is not None else None) == ATTRIBUTES[name]


def test_the_names_of_the_placeholders(full):
    assert [tensor.op.name for tensor in (full.is_training, full.images, full.z)] == ["is_training", "real_images", "z"]
    assert [tensor.dtype for tensor in (full.is_training, full.images, full.z)] == [tf.bool, tf.float32, tf.float32]


@pytest.mark.parametrize("name", TAGS)
def test_the_tags_in_tensorboard(full, name):
    """z_1, as in the tutorial's Figure 1: the placeholder has taken the name z."""
    tag = getattr(full, name).op.inputs[0]
    assert tf.make_ndarray(tag.op.get_attr("value")).item().decode() == TAGS[name]


def test_the_parameters_are_attributes(full):
    parameters = dict(image_size=64, is_crop=False, batch_size=64, sample_size=64, z_dim=100, gf_dim=64, df_dim=64,
                      gfc_dim=1024, dfc_dim=1024, c_dim=3, checkpoint_dir=None, lam=0.1, lowres=8)
    assert {name: getattr(full, name) for name in parameters} == parameters
    assert full.image_shape == [64, 64, 3]
    assert full.lowres_size == 8
    assert full.model_name == "DCGAN.model"
    assert isinstance(full.saver, tf.train.Saver)


def test_the_batch_norms(full):
    assert [bn.name for bn in full.d_bns] == ["d_bn0", "d_bn1", "d_bn2", "d_bn3"]
    assert [bn.name for bn in full.g_bns] == ["g_bn0", "g_bn1", "g_bn2", "g_bn3", "g_bn4", "g_bn5"]


# the same names at other sizes

def layers(variables):
    """The shape of each layer's weights."""
    return {name.split("/")[1]: shape for name, shape in shapes(variables).items() if name.endswith(("/w", "/Matrix"))}


def test_at_size_8_the_generator_has_one_transposed_convolution(sess):
    dcgan = DCGAN(sess, image_size=8, gf_dim=2, df_dim=3, z_dim=5)
    assert layers(dcgan.g_vars) == {"g_h0_lin": [5, 256], "g_h1": [5, 5, 3, 16]}
    assert layers(dcgan.d_vars) == {
        "d_h00_conv": [5, 5, 3, 3], "d_h1_conv": [5, 5, 3, 6], "d_h2_conv": [5, 5, 6, 12], "d_h3_conv": [5, 5, 12, 24],
        "d_h4_lin": [24, 1]}


def test_at_size_256_no_layer_is_left_without_filters(sess):
    dcgan = DCGAN(sess, image_size=256, gf_dim=2, df_dim=3, z_dim=5)
    assert layers(dcgan.g_vars) == {
        "g_h0_lin": [5, 256], "g_h1": [5, 5, 16, 16], "g_h2": [5, 5, 8, 16], "g_h3": [5, 5, 4, 8], "g_h4": [5, 5, 2, 4],
        "g_h5": [5, 5, 2, 2], "g_h6": [5, 5, 3, 2]}
    assert layers(dcgan.d_vars)["d_h4_lin"] == [16 * 16 * 24, 1]


@pytest.mark.parametrize("image_size", [0, 4, 48])
def test_the_image_size_is_a_power_of_2_from_8(sess, image_size):
    with pytest.raises(AssertionError):
        DCGAN(sess, image_size=image_size)


# checkpoints written in 2017, by tf.train.Saver() before there were optimizers

SHAPES_2017 = {  # image_size 16, z_dim 6, gf_dim 2, df_dim 3
    "generator/g_h0_lin/Matrix": [6, 256], "generator/g_h0_lin/bias": [256], **batch_norm("generator/g_bn0", 16),
    "generator/g_h1/w": [5, 5, 16, 16], "generator/g_h1/biases": [16], **batch_norm("generator/g_bn1", 16),
    "generator/g_h2/w": [5, 5, 3, 16], "generator/g_h2/biases": [3],
    "discriminator/d_h00_conv/w": [5, 5, 3, 3], "discriminator/d_h00_conv/biases": [3],
    "discriminator/d_h1_conv/w": [5, 5, 3, 6], "discriminator/d_h1_conv/biases": [6],
    **batch_norm("discriminator/d_bn0", 6),
    "discriminator/d_h2_conv/w": [5, 5, 6, 12], "discriminator/d_h2_conv/biases": [12],
    **batch_norm("discriminator/d_bn1", 12),
    "discriminator/d_h3_conv/w": [5, 5, 12, 24], "discriminator/d_h3_conv/biases": [24],
    **batch_norm("discriminator/d_bn2", 24),
    "discriminator/d_h4_lin/Matrix": [24, 1], "discriminator/d_h4_lin/bias": [1],
}


@pytest.fixture
def of_2017(tmp_path):
    """A checkpoint after the first step, as the tutorial's code leaves it; returns its folder and its values."""
    rng = np.random.RandomState(2017)
    values = {name: rng.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in SHAPES_2017.items()}
    with tf.Graph().as_default(), tf.Session() as session:
        for name, value in values.items():
            tf.get_variable(name, initializer=value, use_resource=False)
        session.run(tf.global_variables_initializer())
        tf.train.Saver(max_to_keep=1).save(session, str(tmp_path / "checkpoint" / "DCGAN.model"), global_step=2)
    return str(tmp_path / "checkpoint"), values


def test_a_checkpoint_of_2017_loads(of_2017, sess, capsys):
    checkpoint_dir, values = of_2017
    dcgan = DCGAN(sess, **SMALL)
    assert dcgan.load(checkpoint_dir) is True
    assert capsys.readouterr().out == " [*] Reading checkpoints...\n"
    for var in tf.global_variables():
        np.testing.assert_array_equal(sess.run(var), values.pop(var.op.name))
    assert values == {}


def test_training_resumes_from_a_checkpoint_of_2017_and_says_what_it_lacks(of_2017, tmp_path):
    checkpoint_dir, _ = of_2017
    lines = train(tmp_path, checkpoint_dir, epoch=2).splitlines()
    assert lines[0] == " [*] Reading checkpoints..."
    assert re.fullmatch(r" \[\*\] .*DCGAN\.model-2 holds no \S*(Adam|power)\S* \(and \d+ more of the optimizers' or "
                        r"averages'\): they start anew", lines[1])
    assert lines[2].strip() == ("An existing model was found - delete the directory or specify a new one with "
                                "--checkpoint_dir")
    assert lines[3].startswith("Epoch [ 1] [   0/   1] ")


def test_only_the_newest_checkpoint_is_kept(sess, tmp_path):
    dcgan = DCGAN(sess, **SMALL)
    sess.run(tf.global_variables_initializer())
    dcgan.save(str(tmp_path / "new" / "folder"), 1)
    dcgan.save(str(tmp_path / "new" / "folder"), 2)
    assert sorted(os.listdir(tmp_path / "new" / "folder")) == [
        "DCGAN.model-2.data-00000-of-00001", "DCGAN.model-2.index", "DCGAN.model-2.meta", "checkpoint"]


def test_without_a_checkpoint_load_returns_false(sess, tmp_path, capsys):
    assert DCGAN(sess, **SMALL).load(str(tmp_path)) is False
    assert capsys.readouterr().out == " [*] Reading checkpoints...\n"


# what train() prints and writes

PROGRESS = "Epoch [{:2d}] [{:4d}/{:4d}] time: {:4.4f}, d_loss: {:.8f}"  # and errG, which the tutorial's text forgot
SAMPLE = "[Sample] d_loss: {:.8f}, g_loss: {:.8f}"


def train(folder, checkpoint_dir, epoch):
    """Train on 8 pictures, so that an epoch is one step; returns what that prints."""
    config = SimpleNamespace(epoch=epoch, learning_rate=0.0002, beta1=0.5, train_size=np.inf, batch_size=8,
                             dataset=write_pictures(folder / "pictures", n=8), checkpoint_dir=checkpoint_dir,
                             sample_dir=str(folder / "samples"), logs_dir=str(folder / "logs"), crop_size=0,
                             sample_every=1, save_every=500, summary_every=1, seed=1)
    os.makedirs(config.sample_dir)
    printed = io.StringIO()
    with tf.Graph().as_default(), tf.Session() as session, contextlib.redirect_stdout(printed):
        DCGAN(session, checkpoint_dir=checkpoint_dir, **SMALL).train(config)
    return printed.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One step from nothing."""
    folder = tmp_path_factory.mktemp("trained")
    return SimpleNamespace(folder=folder, lines=train(folder, str(folder / "checkpoint"), epoch=1).splitlines())


def test_train_first_says_that_there_is_no_model(trained):
    assert trained.lines[0] == " [*] Reading checkpoints..."
    assert trained.lines[1] == " No model found - initializing a new one"


def test_the_progress_line_has_the_tutorials_format(trained):
    time_, d_loss, g_loss = map(float, re.findall(r"\d+\.\d+", trained.lines[2]))
    assert trained.lines[2] == PROGRESS.format(0, 0, 1, time_, d_loss) + f", g_loss: {g_loss:.8f}"


def test_the_sample_line_has_the_tutorials_format(trained):
    assert trained.lines[3] == SAMPLE.format(*map(float, re.findall(r"\d+\.\d+", trained.lines[3])))
    assert len(trained.lines) == 4


def test_the_sample_is_named_after_its_epoch_and_step(trained):
    assert "train_00-0000.png" in os.listdir(trained.folder / "samples")


def test_the_first_checkpoint_is_numbered_2(trained):
    """As in the tutorial, where the counter starts at 1 and has been raised when a step is saved."""
    assert "DCGAN.model-2.index" in os.listdir(trained.folder / "checkpoint")
