"""Image completion: its gradient, its searches, masks and blending against independent arithmetic, and as a process."""
import csv
import os
import signal
import time
from types import SimpleNamespace

import forked
import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import run_script, script_command, snapshot, touch, wait_until, write_pictures
from PIL import Image
from reference import random_params
from scipy import stats
from test_gan import assign

import gantut_complete
from gantut.completion import make_mask, put_results_aside
from gantut.errors import UserError
from gantut_complete import Completion, adam, complete, hmc, join, near_the_hole, poisson_blend, write_losses
from gantut_gan import DCGAN

SIZES = dict(image_size=16, c_dim=3, z_dim=6, gf_dim=4, df_dim=4)


def sharp_model(sess):
    """A model with weights large enough that its images differ."""
    dcgan = DCGAN(sess, **SIZES)
    completion = Completion(dcgan)
    sess.run(tf.global_variables_initializer())
    assign(sess, random_params(**SIZES, seed=2, stddev=0.2, spread=0.3))
    return completion


def settings(**changes):
    values = dict(restarts=1, weighted=False, mask="center", approach="adam", n_iter=5, lr=0.01, beta1=0.9, beta2=0.999,
                  hmc_eps=0.001, hmc_l=3, hmc_beta=0.2, hmc_anneal=1.0, film_every=2, seed=1)
    return SimpleNamespace(**{**values, **changes})


@pytest.mark.quick
@pytest.mark.parametrize("lowres_weight", [0.0, 1.0])
def test_the_gradient_agrees_with_finite_differences(sess, lowres_weight):
    completion = sharp_model(sess)
    rng = np.random.RandomState(0)
    images, weights = rng.uniform(-1, 1, [3, 16, 16, 3]), rng.uniform(0, 1, [3, 16, 16, 1])
    energy = completion.energy(images, weights, lowres_weight)
    z = rng.uniform(-0.9, 0.9, [3, 6])
    gradient = energy(z)[1]
    step = 1e-3
    for k in range(6):
        shift = np.eye(6)[k] * step
        difference = (np.float64(energy(z + shift)[0]) - energy(z - shift)[0]) / (2 * step)
        np.testing.assert_allclose(gradient[:, k], difference, rtol=0.03, atol=0.03 * abs(gradient).max())


@pytest.mark.quick
def test_the_losses_are_the_papers(sess):
    completion = sharp_model(sess)
    rng = np.random.RandomState(0)
    images, weights = rng.uniform(-1, 1, [3, 16, 16, 3]), rng.uniform(0, 1, [3, 16, 16, 1])
    z = rng.uniform(-1, 1, [3, 6])
    loss, _, contextual, perceptual, G = completion.energy(images, weights, 1.0)(z)
    blocks = (G - images).reshape(3, 2, 8, 2, 8, 3).mean(axis=(2, 4))
    expected = (weights * abs(G - images)).sum(axis=(1, 2, 3)) + abs(blocks).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(contextual, expected, rtol=1e-4)
    dcgan = completion.dcgan
    logits = sess.run(dcgan.D_logits_, {dcgan.z: z, dcgan.is_training: False})[:, 0]
    np.testing.assert_allclose(perceptual, np.log1p(np.exp(-np.float64(logits))), rtol=1e-4)
    np.testing.assert_allclose(loss, contextual + 0.1 * perceptual, rtol=1e-5)


@pytest.mark.quick
@pytest.mark.parametrize("approach", ["adam", "hmc"])
def test_a_picture_is_completed_the_same_alone_and_among_others(sess, approach):
    completion = sharp_model(sess)
    pictures = np.random.RandomState(0).uniform(-1, 1, [4, 16, 16, 3])
    masks = np.array([make_mask("center", 16, None)] * 4)
    names = ["a", "b", "c", "d"]
    config = settings(approach=approach, restarts=2)
    together, _ = complete(completion, pictures, masks, names, config)
    alone, _ = complete(completion, pictures[2:3], masks[2:3], names[2:3], config)
    np.testing.assert_allclose(alone[-1][0], together[-1][2], atol=1e-5)


def test_adam_is_tensorflows_adam_within_the_bounds(sess):
    start = np.array([[0.5, -0.3], [0.2, 0.9]])
    scale = np.array([3.0, 0.5])
    path = [z for z, _ in adam(start, lambda z: ((scale * z**2).sum(axis=1), 2 * scale * z), 30, lr=0.05)]
    var = tf.Variable(start)
    step = tf.train.AdamOptimizer(0.05).minimize(tf.reduce_sum(scale * var**2))
    sess.run(tf.global_variables_initializer())
    for z in path:
        np.testing.assert_allclose(z, sess.run(var), atol=1e-5)
        sess.run(step)
    outwards = [z for z, _ in adam(start, lambda z: (-z.sum(axis=1), -np.ones_like(z)), 100, lr=0.1)]
    assert abs(outwards[-1]).max() == 1


@pytest.mark.parametrize("sigma", [0.2, 0.7])
def test_hmc_samples_a_truncated_normal(sigma):
    """A target whose answer is known: exp(-beta * energy) is the normal density, cut off at -1 and 1."""
    beta, mean = 0.5, 0.4
    rngs = [np.random.RandomState(i) for i in range(400)]
    start = np.random.RandomState(1).uniform(-1, 1, [400, 2])

    def energy(z):
        return [((z - mean)**2).sum(axis=1) / (2 * sigma**2 * beta), (z - mean) / (sigma**2 * beta)]
    samples = [z for z, _ in hmc(start, energy, 60, rngs, eps=0.1, leapfrog=10, beta=beta)][20:]
    drawn = np.concatenate(samples)[:, 0]
    target = stats.truncnorm((-1 - mean) / sigma, (1 - mean) / sigma, mean, sigma)
    assert abs(drawn.mean() - target.mean()) < 0.02
    assert abs(drawn.std() - target.std()) < 0.02
    assert stats.kstest(samples[-1][:, 0], target.cdf).pvalue > 1e-3


@pytest.mark.quick
@pytest.mark.parametrize("kind, kept", [("center", 0.75), ("left", 0.5), ("full", 1), ("grid", 1 / 16), ("lowres", 0)])
def test_masks_keep_their_fraction(kind, kept):
    assert make_mask(kind, 64, None).mean() == kept


@pytest.mark.quick
def test_a_random_mask_keeps_four_fifths():
    assert abs(make_mask("random", 64, np.random.RandomState(0)).mean() - 0.8) < 0.02


@pytest.mark.quick
def test_weights_are_the_fraction_of_missing_neighbours():
    mask = np.random.RandomState(0).uniform(size=[12, 12]) > 0.3
    weights = near_the_hole(mask)
    for y, x in [(4, 4), (5, 7), (8, 3)]:
        expected = (~mask)[y - 3:y + 4, x - 3:x + 4].mean() if mask[y, x] else 0
        assert weights[y, x] == pytest.approx(expected)


@pytest.mark.quick
def test_blending_the_picture_into_itself_gives_the_picture():
    picture = np.random.RandomState(0).uniform(0, 255, [20, 20, 3])
    mask = make_mask("center", 20, None)
    np.testing.assert_allclose(poisson_blend(picture, picture + 40, mask), picture, atol=1e-8)


@pytest.mark.quick
def test_blending_nothing_into_a_ramp_continues_the_ramp():
    y, x = np.mgrid[:16, :16]
    ramp = (3.0 * x + 5 * y)[:, :, np.newaxis]
    np.testing.assert_allclose(poisson_blend(ramp, np.zeros_like(ramp), make_mask("center", 16, None)), ramp, atol=1e-8)


@pytest.mark.quick
@pytest.mark.parametrize("kind", ["left", "grid", "random", "lowres"])
def test_blending_solves_its_equation_wherever_the_hole_lies(kind):
    rng = np.random.RandomState(0)
    picture, fill = rng.uniform(0, 255, [2, 16, 16, 1])
    mask = make_mask(kind, 16, rng)
    result = poisson_blend(picture, fill, mask)
    np.testing.assert_array_equal(result[mask], picture[mask])
    if not mask.any():
        np.testing.assert_array_equal(result, fill)
        return
    for y, x in np.argwhere(~mask):
        around = [(y + dy, x + dx) for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))
                  if 0 <= y + dy < 16 and 0 <= x + dx < 16]
        assert sum(result[y, x] - result[p] for p in around) == pytest.approx(sum(fill[y, x] - fill[p] for p in around))


@pytest.mark.quick
@pytest.mark.parametrize("c_dim", [1, 3])
def test_kept_pixels_do_not_change_by_a_bit(c_dim):
    rng = np.random.RandomState(0)
    pixels = rng.randint(0, 256, [16, 16, c_dim], dtype=np.uint8)
    mask = make_mask("random", 16, rng)
    for blend in ("none", "poisson"):
        joined = join((pixels / 127.5 - 1).astype(np.float32), rng.uniform(-1, 1, [16, 16, c_dim]), mask, blend)
        np.testing.assert_array_equal(joined[mask], pixels[mask])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with the checkpoint of a tiny model and seven pictures to complete."""
    folder = tmp_path_factory.mktemp("complete")
    with tf.Graph().as_default(), tf.Session() as session:
        dcgan = DCGAN(session, **SIZES)
        session.run(tf.global_variables_initializer())
        assign(session, random_params(**SIZES, seed=2, stddev=0.2, spread=0.3))
        dcgan.save(str(folder / "checkpoint"), 1)
    write_pictures(folder / "pictures", n=7)
    return folder


def test_the_command_writes_pictures_strips_film_table_and_plot(model):
    done = run_script("gantut_complete.py", "--dataset", "pictures", "--n_iter", 30, "--film_every", 10,
                      "--batch_size", 4, "--count", 6, "--out_dir", "out", cwd=model)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (model / "out" / "006.png").exists()
    mask = make_mask("center", 16, None)
    for i in range(6):
        before = iio.imread(model / "pictures" / f"{i:03d}.png")
        completed = iio.imread(model / "out" / f"{i:03d}.png")
        np.testing.assert_array_equal(completed[mask], before[mask])
        strip = iio.imread(model / "out" / f"{i:03d}_strip.png")
        np.testing.assert_array_equal(strip[:, :16], before)
        assert (strip[:, 16:32][~mask] == 128).all()
        np.testing.assert_array_equal(strip[:, 32:], completed)
    with Image.open(model / "out" / "film.gif") as film:
        assert film.n_frames == 4  # iterations 0, 10, 20 and the last
    with open(model / "out" / "losses.csv", newline="") as file:
        table = list(csv.DictReader(file))
    losses = np.array([float(row["loss"]) for row in table]).reshape(6, 30)
    assert (losses[:, -5:].mean(axis=1) < losses[:, :5].mean(axis=1)).all()
    assert iio.imread(model / "out" / "losses.png").shape[2] >= 3

    first = snapshot(model / "out")
    (model / "out" / "006.png.txt").write_text("the user's")
    other = run_script("gantut_complete.py", "--dataset", "pictures", "--n_iter", 2, "--mask", "left", "--count", 2,
                       "--out_dir", "out", cwd=model)
    assert (other.returncode, other.stderr) == (0, "") and "moved to out/earlier-1" in other.stdout
    assert snapshot(model / "out" / "earlier-1") == first
    assert {path.name for path in (model / "out").iterdir()} == {
        "000.png", "000_strip.png", "001.png", "001_strip.png", "006.png.txt", "earlier-1", "film.gif", "losses.csv",
        "losses.png"}


def test_what_is_completed_before_an_interruption_stays(model):
    (model / "long").mkdir()
    with open(os.devnull, "w") as nowhere:
        process = forked.Process(script_command("gantut_complete.py", "--dataset", "pictures", "--n_iter", 1500,
                                                "--batch_size", 4, "--out_dir", "long")[1:], model, nowhere, nowhere)
    wait_until(lambda: {"000.png", "003_strip.png"} <= set(os.listdir(model / "long")), process)  # tried one by one
    time.sleep(0.1)  # the second batch takes longer
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    names = {f"{i:03d}{end}.png" for i in range(4) for end in ("", "_strip")}
    assert set(os.listdir(model / "long")) == names | {"losses.csv", "losses.png"}
    assert all(iio.imread(model / "long" / name).std() > 1 for name in names)
    again = run_script("gantut_complete.py", "--dataset", "pictures", "--n_iter", 2, "--out_dir", "long", cwd=model)
    assert again.returncode == 0 and "7 pictures completed" in again.stdout, again.stderr


@pytest.mark.quick
def test_results_are_put_aside_whatever_the_pictures_are_called(tmp_path):
    write_losses(str(tmp_path), ["picture", "a, b"], np.ones([2, 2, 3]))
    touch(tmp_path, "picture.png", "picture_strip.png", "a, b.png", "c.png")
    put_results_aside(str(tmp_path), [])
    assert {path.name for path in tmp_path.iterdir()} == {"earlier-1", "c.png"}
    put_results_aside(str(tmp_path), ["d"])
    assert not (tmp_path / "earlier-2").exists()


@pytest.mark.quick
@pytest.mark.parametrize("first, flag", [(0, "--lam"), (2, "--lr")])
def test_a_loss_that_is_not_finite_names_the_flag_that_can_be_why(first, flag):
    """Before the first iteration nothing was done with --lr."""
    def energy(z):
        losses.append(np.inf if len(losses) == first else 1.0)
        return [np.full(1, losses[-1]), np.zeros_like(z), np.ones(1), np.ones(1), np.zeros([1, 4, 4, 3])]
    losses, completion = [], SimpleNamespace(dcgan=SimpleNamespace(z_dim=3), energy=lambda *_: energy)
    config = SimpleNamespace(restarts=1, seed=1, weighted=False, mask="left", approach="adam", n_iter=3, lr=0.1,
                             beta1=0.9, beta2=0.999, film_every=0)
    with pytest.raises(UserError, match=flag):
        complete(completion, np.zeros([1, 4, 4, 3]), np.ones([1, 4, 4], bool), ["a.png"], config)


@pytest.mark.parametrize("table", ["picture,iteration,loss,contextual,perceptual\nother,0,1\n", ""])
def test_a_result_replaces_no_file_whatever_the_table_says(model, tmp_path, table):
    """An original, put there to compare; the results of a completion whose table is empty."""
    earlier = {"losses.csv": table.encode(), "losses.png": b"a plot", "film.gif": b"a film", "000.png": b"an original",
               "006_strip.png": b"a strip"}
    for name, content in earlier.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "007.png").write_text("the user's")
    done = run_script("gantut_complete.py", "--dataset", "pictures", "--n_iter", 2, "--batch_size", 4, "--film_every",
                      0, "--out_dir", tmp_path, cwd=model)
    assert (done.returncode, done.stderr) == (0, "")
    assert snapshot(tmp_path / "earlier-1") == earlier and (tmp_path / "007.png").read_text() == "the user's"
    assert iio.imread(tmp_path / "000.png").shape == (16, 16, 3)


def test_without_a_film(model):
    done = run_script("gantut_complete.py", "--dataset", "pictures", "--n_iter", 2, "--film_every", 0, "--out_dir",
                      "still", cwd=model)
    assert (done.returncode, done.stderr) == (0, "")
    assert (model / "still" / "losses.csv").exists() and not (model / "still" / "film.gif").exists()


@pytest.mark.parametrize("flags", [["--mask", "random", "--approach", "hmc", "--hmc_l", "3"], ["--mask", "lowres"],
                                   ["--mask", "full", "--restarts", "3"],
                                   ["--mask", "mask.png", "--weighted", "--blend", "poisson"]], ids=lambda f: f[1])
def test_the_command_with_other_masks_and_methods(model, flags):
    iio.imwrite(model / "mask.png", np.uint8(make_mask("left", 16, None)) * 255)
    done = run_script("gantut_complete.py", "--dataset", "pictures/003.png", "--n_iter", 4, "--out_dir", "one", *flags,
                      cwd=model)
    assert (done.returncode, done.stderr) == (0, "")
    assert iio.imread(model / "one" / "003.png").shape == (16, 16, 3)


def bad_masks(model):
    iio.imwrite(model / "small.png", np.zeros([8, 8], np.uint8))
    iio.imwrite(model / "white.png", np.full([16, 16], 255, np.uint8))
    (model / "text.png").write_text("no picture")
    os.makedirs(model / "few", exist_ok=True)


@pytest.mark.parametrize("flags, words", [
    (["--checkpoint_dir", "nowhere"], ["no checkpoint in nowhere"]),
    (["--mask", "small.png"], ["small.png is 8x8", "16x16"]),
    (["--mask", "white.png"], ["white.png keeps every pixel"]),
    (["--mask", "text.png"], ["text.png cannot be read"]),
    (["--mask", "few"], ["no mask for pictures/000.png in few"]),
    (["--mask", "circle"], ["no mask circle", "center"]),
    (["--dataset", "nowhere"], ["no folder nowhere"]),
    (["--dataset", "small.png"], ["small.png", "8x8"]),
    (["--dataset", "few"], ["no pictures in few"]),
    (["--dataset", "small.png", "--is_crop", "--crop_size", "12"], ["small.png", "too small"]),
    (["--mask", "full", "--weighted"], ["--weighted needs a hole", "--mask full"]),
    (["--restarts", "65"], ["restarts=65", "--restarts must be --batch_size or less"]),
    (["--lr", "-1"], ["--lr"])], ids=str)
def test_bad_input_is_one_line(model, flags, words):
    bad_masks(model)
    given = ["--dataset", "pictures"] if "--dataset" not in flags else []
    done = run_script("gantut_complete.py", *given, *flags, "--n_iter", "3", "--out_dir", "bad", cwd=model)
    assert done.returncode == 1 and not os.path.exists(model / "bad")
    assert len(done.stderr.splitlines()) == 1 and all(word in done.stderr for word in words), done.stderr


def test_help_says_how(model):
    done = run_script("gantut_complete.py", "--help", cwd=model)
    assert done.returncode == 0 and "--mask" in done.stdout and gantut_complete.__doc__.split("\n")[0] in done.stdout
