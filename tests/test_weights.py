"""gantut/weights.py, --init_from: what is taken from another model, and what is not; what is refused; exact resume."""
import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import samples, snapshot, the_error, train, two_at_a_time, variables, write_pictures

from gantut import weights
from gantut.checkpoints import Saver
from gantut.errors import UserError
from gantut.recipe import with_parts
from gantut.weights import SUFFIX
from gantut_gan import DCGAN

SIZES = dict(image_size=16, gf_dim=4, df_dim=4, z_dim=8, batch_size=8)
FAST = ["--fast", "--precision", "float32"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """average/checkpoint: a trained model with its moving average; latest/checkpoint: one without."""
    root = tmp_path_factory.mktemp("models")

    def run(name):
        write_pictures(root / name / "pictures", seed=7)
        return train(root / name, "--epoch", 2, "--seed", 7, "--learning_rate", 0.01,
                     *(["--ema", 0.9] if name == "average" else []))
    for process in two_at_a_time(run, ["average", "latest"]).values():
        assert process.returncode == 0, process.stderr
    return root


def values(folder, step=None):
    reader = tf.train.load_checkpoint(str(folder) if step is None else f"{folder}/DCGAN.model-{step}")
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def only(folder, source, wanted):
    """A checkpoint of some of a model's variables, chosen by name."""
    with tf.Graph().as_default(), tf.Session() as sess:
        for name, value in values(source).items():
            if wanted(name):
                tf.get_variable(name, initializer=value)
        sess.run(tf.global_variables_initializer())
        tf.train.Saver().save(sess, str(folder / "DCGAN.model"), global_step=9)
    return str(folder)


@pytest.mark.parametrize("name", ["average", "latest"])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_what_the_first_step_starts_from(root, sess, name, ema):
    dcgan = with_parts(DCGAN, SimpleNamespace(ema=ema))(sess, **SIZES)
    tf.train.AdamOptimizer(0.1).minimize(dcgan.d_loss, var_list=dcgan.d_vars)
    sess.run(tf.global_variables_initializer())
    others = [var for var in tf.global_variables() if var not in dcgan.saver.variables and SUFFIX not in var.name]
    before = sess.run(others)
    found = weights.begin_with(str(root / name / "checkpoint"), sess, Saver(model=dcgan.saver.variables))
    assert found == {"folder": str(root / name / "checkpoint"), "checkpoint": "DCGAN.model-7", "weights": name}
    source = values(root / name / "checkpoint")
    for var in dcgan.saver.variables:
        of_g = var.op.name.startswith("generator/")
        expected = source[var.op.name + SUFFIX if of_g and name == "average" else var.op.name]
        np.testing.assert_array_equal(sess.run(var), expected)
        if of_g and ema:
            average, = [one for one in tf.global_variables() if one.op.name == var.op.name + SUFFIX]
            np.testing.assert_array_equal(sess.run(average), expected)
    assert len(others) > 10  # Adam's, and how often the average has been updated
    for var, value in zip(others, before):
        np.testing.assert_array_equal(sess.run(var), value)


def test_without_d_only_g_is_taken(root, sess, tmp_path, capsys):
    folder = only(tmp_path / "g", root / "average" / "checkpoint", lambda name: name.startswith("generator/"))
    dcgan = DCGAN(sess, **SIZES)
    sess.run(tf.global_variables_initializer())
    before = {var.op.name: sess.run(var) for var in dcgan.saver.variables}
    weights.check_init_from(folder, str(tmp_path / "new"), dcgan)
    weights.begin_with(folder, sess, dcgan.saver)
    assert "holds no weights of D: D starts anew\n" in capsys.readouterr().out
    for var in dcgan.saver.variables:
        expected = values(folder)[var.op.name + SUFFIX] if "generator" in var.name else before[var.op.name]
        np.testing.assert_array_equal(sess.run(var), expected)


# whole trainings

RUNS = {"whole": [[]], "halves": [["--epoch", 1], []], "nothing": None,
        "devices": [["--num_devices", 2, "--batch_size", 4, *FAST]],
        "devices, halves": [["--num_devices", 2, "--batch_size", 4, *FAST, "--epoch", 1],
                            ["--num_devices", 2, "--batch_size", 4, *FAST]]}


@pytest.fixture(scope="module")
def runs(root, tmp_path_factory):
    """Trainings of 6 steps that start from the model, mirror pictures, and keep an average; nothing: from no model."""
    folder = tmp_path_factory.mktemp("runs")

    def run(name):
        write_pictures(folder / name / "pictures")
        shutil.copytree(root / "average" / "checkpoint", folder / name / "other")
        done = []
        for flags in RUNS[name] or [[]]:
            done.append(train(folder / name, "--epoch", 2, "--mirror", "--ema", 0.9, "--sample_every", 2,
                              *(["--init_from", "other"] if RUNS[name] else []), *flags))
            shutil.rmtree(folder / name / "other", ignore_errors=True)  # it is not read again
        return folder / name, done
    return two_at_a_time(run, RUNS)


def test_a_training_begins_with_step_0_and_resumes_bit_for_bit(runs):
    for name, (_, done) in runs.items():
        assert [(process.returncode, process.stderr) for process in done] == [(0, "")] * len(done), name
    assert variables(runs["whole"][0]) == variables(runs["halves"][0]) != variables(runs["nothing"][0])
    assert variables(runs["devices"][0]) == variables(runs["devices, halves"][0])
    folder, (process,) = runs["whole"]
    assert " [*] Beginning with the weights of other/DCGAN.model-7 (of G the average)\n" in process.stdout
    assert "Epoch [ 0] [   0/   3]" in process.stdout and process.stdout.count("Epoch [") == 6
    assert values(folder / "checkpoint")["ema_updates"] == 6
    np.testing.assert_allclose(values(folder / "checkpoint")["beta1_power"], 0.5**7, rtol=1e-6)
    said = {name: json.loads((runs[name][0] / "checkpoint" / "run.json").read_text()) for name in runs}
    assert said["whole"]["init_from"] == said["devices, halves"]["init_from"] == {
        "folder": "other", "checkpoint": "DCGAN.model-7", "weights": "average"}
    assert said["nothing"]["init_from"] is None
    assert samples(folder) == samples(runs["halves"][0])
    assert "Beginning" not in runs["halves"][1][1].stdout


def training(folder, checkpoint_dir, init_from, **flags):
    """Train from Python, as the command does."""
    sizes = {**SIZES, **{name: flags.pop(name) for name in list(flags) if name in (*SIZES, "c_dim", "is_crop")}}
    config = SimpleNamespace(dataset=str(folder / "pictures"), checkpoint_dir=checkpoint_dir, init_from=init_from,
                             sample_dir=str(folder / "samples"), logs_dir=str(folder / "logs"), **flags)
    with tf.Graph().as_default(), tf.Session() as sess:
        DCGAN(sess, checkpoint_dir=checkpoint_dir, **sizes).train(config)


def test_resuming_needs_no_other_model_and_cannot_change_it(runs, tmp_path, capsys):
    folder = shutil.copytree(runs["halves"][0], tmp_path / "run")
    checkpoint_dir = str(folder / "checkpoint")
    before = snapshot(folder)
    with pytest.raises(UserError, match="that has started with --init_from other, not --init_from another: leave"):
        training(folder, checkpoint_dir, "another", epoch=3)
    assert snapshot(folder) == before
    for epoch, init_from in (3, ""), (4, "other/"):
        training(folder, checkpoint_dir, init_from, epoch=epoch, mirror=epoch == 3)
        said = json.loads((folder / "checkpoint" / "run.json").read_text())
        assert said["init_from"]["folder"] == "other" and said["flags"]["mirror"] == str(epoch == 3)
    assert " [*] going on with mirror False (it was True)" in capsys.readouterr().out
    with pytest.raises(UserError, match="that has not started with another model, as far as run.json says, not "
                                         "--init_from"):
        training(runs["nothing"][0], str(runs["nothing"][0] / "checkpoint"), checkpoint_dir)


OTHER = {"image_size": dict(image_size=8, is_crop=True), "gf_dim": dict(gf_dim=5), "df_dim": dict(df_dim=5),
         "z_dim": dict(z_dim=9), "c_dim": dict(c_dim=1)}


@pytest.mark.parametrize("name", OTHER)
def test_sizes_that_differ_are_named(root, tmp_path, name):
    write_pictures(tmp_path / "pictures")
    given, here = str(root / "latest" / "checkpoint"), OTHER[name][name]
    there = {**SIZES, "c_dim": 3}[name]
    words = f"was made with --{name}={there}, this one with --{name}={here}: train"
    with pytest.raises(UserError, match=words):
        training(tmp_path, str(tmp_path / "checkpoint"), given, **OTHER[name])
    assert os.listdir(tmp_path) == ["pictures"]


def test_what_else_is_refused(root, tmp_path):
    write_pictures(tmp_path / "pictures")
    (tmp_path / "empty").mkdir()
    whole = root / "average" / "checkpoint"
    cases = {
        str(tmp_path / "new"): "is the --checkpoint_dir of this training",
        str(tmp_path / "empty"): "there is no checkpoint",
        str(tmp_path / "nowhere"): "there is no checkpoint",
        str(whole / "DCGAN.model-7"): "--init_from .* is one checkpoint: give its folder",
        only(tmp_path / "d", whole, lambda name: name.startswith("discriminator/")): "has no generator/",
        only(tmp_path / "part", whole, lambda name: name != "generator/g_bn0/beta"): "generator/g_bn0/beta",
        only(tmp_path / "part_of_d", whole, lambda name: name != "discriminator/d_bn1/beta"): "d_bn1/beta",
    }
    cut = shutil.copytree(whole, tmp_path / "cut")
    os.truncate(cut / "DCGAN.model-7.data-00000-of-00001", 100)
    cases[str(cut)] = "DCGAN.model-7 cannot be read .* use another --init_from"
    before = snapshot(tmp_path)
    for given, words in cases.items():
        with pytest.raises(UserError, match=words) as caught:
            training(tmp_path, str(tmp_path / "new"), given)
        assert "\n" not in str(caught.value)
    assert snapshot(tmp_path) == before and not (tmp_path / "new").exists()


def test_the_command_says_it_in_one_line(root, tmp_path):
    write_pictures(tmp_path / "pictures")
    for flags, words in ((["--gf_dim", 8, "--init_from", root / "latest" / "checkpoint"], "--gf_dim=4"),
                         (["--init_from="], "must name a file or folder")):
        process = train(tmp_path, *flags)
        assert words in the_error(process) and process.stderr.count("\n") == 1
        assert not (tmp_path / "checkpoint" / "run.json").exists() and not (tmp_path / "logs").exists()
