"""gantut/recipe.py and its neighbours: the parts of the recipe against NumPy, and trainings with all of them."""
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import run_script, the_error, train, two_at_a_time, variables, write_pictures
from step import BareRun

from gantut.devices import find_devices, on_devices
from gantut.errors import UserError
from gantut.flags import RECIPE
from gantut.recipe import MODERN, NUMBERS, augment, choose, colour, cutout, translate, with_parts
from gantut.session import processors_arithmetic
from gantut.weights import SUFFIX, Averages, names_to_draw_with
from gantut_gan import DCGAN

RNG = np.random.RandomState(1)
IMAGES = RNG.uniform(-1, 1, [5, 16, 16, 3]).astype(np.float32)
ALL = ["--fast", "--precision", "float32", "--ema", 0.999, "--augment", "--r1", 1, "--d_learning_rate", 0.0004,
       "--g_updates", 1]


@pytest.fixture(autouse=True)
def numbers_of_its_own():
    """The same random numbers for a test, whatever runs before it."""
    RNG.seed(1)


@pytest.mark.quick
def test_colour_against_numpy(sess):
    b, s, c = RNG.uniform(0, 1, [3, 5, 1, 1, 1]).astype(np.float32)
    x = IMAGES + (b - 0.5)
    x = (x - x.mean(axis=3, keepdims=True)) * (2 * s) + x.mean(axis=3, keepdims=True)
    x = (x - x.mean(axis=(1, 2, 3), keepdims=True)) * (c + 0.5) + x.mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(sess.run(colour(tf.constant(IMAGES), b, s, c)), x, atol=1e-5)


@pytest.mark.quick
def test_translation_against_loops(sess):
    shifts = np.array([[0, 0], [2, -1], [-2, 2], [1, 0], [0, -2]])
    expected = np.zeros_like(IMAGES)
    for n, (down, right) in enumerate(shifts):
        for i in range(16):
            for j in range(16):
                if 0 <= i + down < 16 and 0 <= j + right < 16:
                    expected[n, i + down, j + right] = IMAGES[n, i, j]
    np.testing.assert_array_equal(sess.run(translate(tf.constant(IMAGES), tf.constant(shifts, tf.float32))), expected)


@pytest.mark.quick
def test_cutout_against_loops(sess):
    places = [[8, 8], [0, 16], [16, 3], [5, 11], [4, 0]]
    expected = IMAGES.copy()
    for n, (i, j) in enumerate(places):
        expected[n, max(i - 4, 0):i + 4, max(j - 4, 0):j + 4] = 0
    np.testing.assert_array_equal(sess.run(cutout(tf.constant(IMAGES), tf.constant(places, tf.float32))), expected)


@pytest.mark.quick
def test_augmentation_is_each_pictures_own_and_moves_as_far_as_the_paper_says(sess):
    x = tf.constant(np.tile(np.arange(16, dtype=np.float32)[:, np.newaxis, np.newaxis], [1000, 1, 16, 1]))
    numbers = RNG.uniform(-1, 1, [1000, NUMBERS]).astype(np.float32)
    numbers[:, :3] = [0, 0, 0]  # no change of colour: in the middle of what may be
    changed = sess.run(augment(x, tf.constant(numbers)))
    one = sess.run(augment(x[:1], tf.constant(numbers[7:8])))
    np.testing.assert_array_equal(changed[7:8], one)
    free = changed[numbers[:, 5] > 0.8][:, 4, 8, 0]  # where the hole is far below: 4 less what they moved down
    assert set(np.round(free[free > 0])) == {2, 3, 4, 5, 6}
    assert 0.2 < (changed == 0).mean() < 0.35  # holes of a quarter, partly outside, and what has come in


@pytest.mark.quick
def test_gradients_pass_through_the_augmentation(sess):
    x = tf.placeholder(tf.float32, [1, 8, 8, 1])
    numbers = tf.constant(RNG.uniform(-1, 1, [1, NUMBERS]), tf.float32)
    weights = RNG.normal(size=[1, 8, 8, 1]).astype(np.float32)
    y = tf.reduce_sum(weights * augment(x, numbers))
    at = RNG.uniform(-1, 1, [1, 8, 8, 1]).astype(np.float32)
    gradient = sess.run(tf.gradients(y, x)[0], {x: at})
    numeric = np.zeros_like(at)
    for i in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[i] = 0.5
        numeric[i] = sess.run(y, {x: at + step}) - sess.run(y, {x: at - step})
    np.testing.assert_allclose(gradient, numeric, atol=1e-4)


@pytest.mark.quick
def test_the_average_against_numpy(sess):
    var = tf.get_variable("generator/w", [3])
    averages = Averages([var], 0.3)
    sess.run(tf.global_variables_initializer())
    average = sess.run(var)
    for n in range(8):
        value = RNG.normal(size=3).astype(np.float32)
        sess.run(var.assign(value))
        sess.run(averages.update)
        decay = min(0.3, (1 + n) / (10 + n))
        average = decay * average + (1 - decay) * value
    with averages.in_place(sess):
        np.testing.assert_allclose(sess.run(var), average, rtol=1e-5)
    np.testing.assert_array_equal(sess.run(var), value)
    with pytest.raises(KeyError), averages.in_place(sess):
        raise KeyError
    np.testing.assert_array_equal(sess.run(var), value)


def made(sess, Model=None, **parts):
    Model = with_parts(Model or DCGAN, SimpleNamespace(**{"fast": True, **parts}))
    return Model(sess, image_size=8, batch_size=4, z_dim=8, gf_dim=4, df_dim=4)


@pytest.mark.quick
def test_r1_against_finite_differences(sess):
    """The penalty at one picture: gamma / 2 times the squared gradient of D's logit, in its 192 values."""
    dcgan = made(sess, r1=3.0)
    sess.run(tf.global_variables_initializer())
    sess.run([var.assign(20 * var) for var in dcgan.d_vars if var.shape.ndims > 1])  # steeper
    image, z = RNG.uniform(-1, 1, [1, 8, 8, 3]), RNG.uniform(-1, 1, [1, 8])
    steps = np.eye(192).reshape([192, 8, 8, 3]) * 1e-3  # small, as D is linear in pieces, and few may cross an edge
    up, down = (sess.run(dcgan.D_logits, {dcgan.images: image + sign * steps, dcgan.is_training: False})
                for sign in (1, -1))
    gradient = (up - down)[:, 0].astype(np.float64) / 2e-3
    plain, penalised, shown = sess.run([dcgan.d_loss_real + dcgan.d_loss_fake, dcgan.d_loss, dcgan.d_loss_sum],
                                       {dcgan.images: image, dcgan.z: z, dcgan.is_training: False})
    (curve,) = tf.Summary.FromString(shown).value
    assert (curve.tag, curve.simple_value) == ("d_loss", penalised)
    assert (gradient**2).sum() > 0.01
    np.testing.assert_allclose(penalised - plain, 3.0 / 2 * (gradient**2).sum(), rtol=0.01)


@pytest.mark.quick
def test_without_any_part_it_is_the_unchanged_class():
    assert with_parts(DCGAN, SimpleNamespace()) is DCGAN
    assert with_parts(DCGAN, SimpleNamespace(mirror=True, init_from="other", d_learning_rate=0.0004)) is DCGAN


@pytest.mark.quick
@pytest.mark.parametrize("part", [dict(mirror=True), dict(init_from="other"), dict(d_learning_rate=0.0004)])
def test_a_class_without_a_run_is_refused_what_a_run_does(part):
    with pytest.raises(UserError, match=f"leave out --{next(iter(part))}, or use the project's"):
        with_parts(object, SimpleNamespace(**part))
    with pytest.raises(UserError, match="leave out --recipe, or"):
        with_parts(object, SimpleNamespace(recipe="modern", **part))


@pytest.mark.quick
@pytest.mark.parametrize("g_updates", [1, 2])
def test_losses_every_without_fast_is_refused(g_updates):
    with pytest.raises(UserError, match="losses_every needs fast"):
        with_parts(DCGAN, SimpleNamespace(losses_every=5, g_updates=g_updates))


@pytest.mark.quick
@pytest.mark.parametrize("given", [[], ["ema"]])
def test_modern_leaves_flags_that_are_given(given):
    class Flags(dict):
        recipe = "modern"
    text = {name: default for name, (default, _, _) in RECIPE.items()}
    flags = Flags({name: SimpleNamespace(value=value, present=name in given) for name, value in text.items()})
    choose(flags)
    assert {name: flag.value for name, flag in flags.items()} == {**text, **MODERN, **dict.fromkeys(given, 0.0)}
    assert flags["ema"].value == (0.0 if given else 0.999)


@pytest.mark.quick
def test_d_sees_the_same_pictures_on_two_devices():
    """The whole batch is augmented before it is divided: D's logits are the same."""
    changed, logits = [], []
    numbers, images = RNG.uniform(-1, 1, [6, 2, NUMBERS]), RNG.uniform(-1, 1, [6, 8, 8, 3])
    for devices in (1, 2):
        config = tf.ConfigProto()
        with tf.Graph().as_default():
            tf.set_random_seed(1)
            names = find_devices(SimpleNamespace(num_gpus=1, num_devices=2), config)
            Model = DCGAN if devices == 1 else on_devices(DCGAN, names)

            class Seen(Model):
                def discriminator(self, image, reuse=False):
                    self.seen = self.seen if reuse else image
                    return super().discriminator(image, reuse)

            with tf.Session(config=config) as sess:
                Model = with_parts(Seen, SimpleNamespace(augment=True))
                dcgan = Model(sess, image_size=8, batch_size=6, z_dim=8, gf_dim=4, df_dim=4)
                sess.run(tf.global_variables_initializer())
                feed = {dcgan.images: images, dcgan.augment_numbers: numbers, dcgan.is_training: True}
                changed.append(sess.run(dcgan.seen, feed))
                logits.append(sess.run(dcgan.D_logits, {**feed, dcgan.is_training: False}))
    np.testing.assert_array_equal(changed[0], changed[1])
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-5)
    assert abs(changed[0] - images).max() > 0.1


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Trainings of 6 steps: (folder, processes)."""
    def run(name):
        folder = tmp_path_factory.mktemp("run")
        write_pictures(folder / "pictures")
        half = ["--precision", "bfloat16"] if processors_arithmetic() else []
        parts = {"text": [[]], "average": [["--ema", 0.999]], "all": [ALL], "all, halves": [
            [*ALL, "--epoch", 1], ALL], "two devices": [
            [*ALL, *half, "--num_devices", 2, "--batch_size", 4]], "text, then all": [["--epoch", 1], ALL]}[name]
        return folder, [train(folder, "--epoch", 2, *flags) for flags in parts]
    return two_at_a_time(run, ["text", "average", "all", "all, halves", "two devices", "text, then all"])


def test_all_trainings_end_well(runs):
    for name, (_, processes) in runs.items():
        assert [(process.returncode, process.stderr) for process in processes] == [(0, "")] * len(processes), name


def test_the_average_changes_no_bit_of_the_training(runs):
    text, average = variables(runs["text"][0]), variables(runs["average"][0])
    more = set(average) - set(text)
    assert {name: average[name] for name in text} == text
    assert "ema_updates" in more and all(name.endswith(SUFFIX) for name in more - {"ema_updates"})
    assert len(more) - 1 == sum(name.startswith("generator/") and "Adam" not in name for name in text)
    pictures = [(runs[name][0] / "samples" / "epoch_01.png").read_bytes() for name in ("text", "average")]
    assert pictures[0] != pictures[1]  # which the average draws


def test_all_parts_resume_bit_for_bit(runs):
    assert variables(runs["all"][0]) == variables(runs["all, halves"][0])
    assert variables(runs["all"][0]) != variables(runs["text"][0])


def test_a_run_of_the_text_continues_with_all_parts_and_says_so(runs):
    _, (_, then) = runs["text, then all"]
    assert "more of the optimizers' or averages'): they start anew" in then.stdout
    assert " [*] going on with augment True (it was False)" in then.stdout


def test_samples_are_drawn_with_the_average(runs):
    """With the values that NumPy puts into the variables from the checkpoint, the same picture."""
    folder, _ = runs["all"]
    for weights in ("auto", "average", "latest"):
        assert run_script("gantut_sample.py", "--count", 4, "--weights", weights, "--out", weights + ".png",
                          cwd=folder).returncode == 0
    drawn = {weights: (folder / (weights + ".png")).read_bytes() for weights in ("auto", "average", "latest")}
    assert drawn["auto"] == drawn["average"] != drawn["latest"]
    reader = tf.train.load_checkpoint(str(folder / "checkpoint"))
    with tf.Graph().as_default(), tf.Session() as sess:
        DCGAN(sess, image_size=16, gf_dim=4, df_dim=4, z_dim=8)
        saver = tf.train.Saver()
        for var in tf.global_variables():
            name = var.op.name
            sess.run(var.assign(reader.get_tensor(name + SUFFIX if name.startswith("generator/") else name)))
        saver.save(sess, str(folder / "swapped" / "DCGAN.model"), global_step=1)
    run_script("gantut_sample.py", "--count", 4, "--checkpoint_dir", "swapped", cwd=folder)
    assert (folder / "grid.png").read_bytes() == drawn["auto"]


def test_a_checkpoint_without_an_average_when_one_is_asked_for(runs, tmp_path):
    folder, _ = runs["text"]
    for script in ("gantut_sample.py", "gantut_complete.py", "gantut_judge.py"):
        flags = [] if script == "gantut_sample.py" else ["--dataset", write_pictures(tmp_path / "pictures", n=70)]
        process = run_script(script, "--weights", "average", *flags, cwd=folder)
        assert "has none: train with --ema 0.999" in the_error(process)
    with pytest.raises(UserError, match="has none"):
        names_to_draw_with(tf.train.latest_checkpoint(str(folder / "checkpoint")), "average")


@pytest.mark.quick
@pytest.mark.parametrize("fast", [False, True])
def test_one_update_of_g(sess, fast):
    dcgan = made(sess, g_updates=1, fast=fast)
    run = BareRun(dcgan)
    sess.run(tf.global_variables_initializer())
    for _ in range(3):
        run.step(np.zeros([4, 8, 8, 3]), np.zeros([4, 8]))
    powers = [sess.run(adam._get_beta_accumulators()[0]) for adam in run.optimizers]
    np.testing.assert_allclose(powers, [0.5**4, 0.5**4], rtol=1e-6)
