"""Every mode of gantut_sample.py against NumPy: its pictures against the reference network of tests/reference.py, its
ways through z against the formulas written out here. Its exports are in tests/test_export.py."""
import contextlib
import os
import re
import shutil
from types import SimpleNamespace

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import load_image, run_script, snapshot, the_error, train, two_at_a_time, write_pictures
from PIL import Image
from reference import Reference, random_params
from scipy import stats

import gantut_sample
from gantut.checkpoints import model_sizes
from gantut.errors import UserError
from gantut.seeding import random_state
from gantut_gan import DCGAN
from gantut_sample import Sampler

SIZES = dict(image_size=16, c_dim=3, gf_dim=4, df_dim=4, z_dim=8)


def make_checkpoint(folder, **changes):
    """Save a model of random numbers, moving averages too, in folder/checkpoint; returns its numbers."""
    sizes = {**SIZES, **changes}
    params = random_params(**sizes, seed=5, stddev=0.2, spread=0.5)
    with tf.Graph().as_default(), tf.Session() as sess:
        dcgan = DCGAN(sess, **sizes)
        for var in tf.global_variables():
            var.load(params[var.op.name], sess)
        dcgan.save(str(folder / "checkpoint"), 3)
    return params


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with a checkpoint, and the checkpoint's numbers."""
    folder = tmp_path_factory.mktemp("model")
    return SimpleNamespace(folder=folder, params=make_checkpoint(folder))


@contextlib.contextmanager
def open_sampler(folder, seed=1):
    with tf.Graph().as_default(), tf.Session() as sess:
        yield Sampler(sess, str(folder / "checkpoint"), seed)


@pytest.fixture(scope="module")
def sampler(model):
    with open_sampler(model.folder) as sampler:
        yield sampler


def config(out, **changes):
    """The defaults of gantut_sample.py's flags."""
    return SimpleNamespace(**{**dict(
        out=str(out), count=64, seed=1, path="straight", steps=8, a=[], b=[], c=[], walk="closed", frames=None,
        seconds=None, sample_dir="samples", dataset=None, is_crop=False, crop_size=0, skip_bad_images=False,
        neighbours=5, threads=0, precision="float32", mode="grid", checkpoint_dir="checkpoint", weights="auto"),
        **changes})


def noise(*numbers, seed=1, z_dim=8):
    """What the noise of samples is documented to be."""
    return np.array([random_state(seed, "sample", i).uniform(-1, 1, z_dim) for i in numbers])


def reference_images(model, z):
    """Images [N, 16, 16, 3] in [-1, 1] by NumPy, batch norm with moving averages."""
    return Reference(dict(model.params), **SIZES).generator(z, train=False).x


def to_bytes(images):
    return np.round((images + 1) * 127.5)


def read_sheet(path, rows, columns, size=16):
    """The pictures of a sheet: int [rows, columns, size, size, ...]."""
    sheet = iio.imread(path).astype(int)
    assert sheet.shape[:2] == (rows * size, columns * size)
    return sheet.reshape([rows, size, columns, size, *sheet.shape[2:]]).swapaxes(1, 2)


def same(pictures, images):
    """Whether pictures of 0..255 show images in [-1, 1]; where float32 and float64 round apart, by one level."""
    return abs(pictures - to_bytes(images)).max() <= 1


# the model, its noise and its pictures

@pytest.mark.quick
@pytest.mark.parametrize("sizes", [
    dict(image_size=8, c_dim=1, z_dim=3, gf_dim=2, df_dim=5),
    dict(image_size=16, c_dim=3, z_dim=100, gf_dim=4, df_dim=2),
    dict(image_size=64, c_dim=1, z_dim=20, gf_dim=8, df_dim=3),
    dict(image_size=128, c_dim=3, z_dim=7, gf_dim=2, df_dim=2)])
def test_sizes_come_from_the_checkpoint(tmp_path, sizes):
    make_checkpoint(tmp_path, **sizes)
    assert model_sizes(str(tmp_path / "checkpoint")) == sizes
    with open_sampler(tmp_path) as sampler:
        images = sampler.draw_all(sampler.noise(range(2)))
    assert images.shape == (2, sizes["image_size"], sizes["image_size"], sizes["c_dim"])


@pytest.mark.quick
def test_noise_depends_on_seed_and_number_alone(sampler):
    assert np.array_equal(sampler.noise(range(70))[[3, 69]], noise(3, 69))
    assert np.array_equal(sampler.noise([69]), noise(69))
    assert not np.isclose(noise(3), noise(3, seed=2)).any()
    assert stats.kstest(sampler.noise(range(500)).ravel(), stats.uniform(-1, 2).cdf).pvalue > 0.001


@pytest.mark.quick
def test_pictures_are_the_reference_networks_in_evaluation_mode(model, sampler):
    z = noise(*range(70))  # more than one batch
    assert np.allclose(sampler.draw_all(z), reference_images(model, z), atol=1e-5)
    assert reference_images(model, z).std(axis=0).mean() > 0.1  # they differ, so that the comparison means something


@pytest.mark.quick
def test_a_picture_is_the_same_alone_and_among_63_others(sampler):
    z = sampler.noise(range(64))
    together = sampler.draw_all(z)
    for i in range(0, 64, 9):
        alone = sampler.draw_all(z[i:i + 1])
        assert np.allclose(alone[0], together[i], rtol=0, atol=1e-6)  # mostly to the bit, as the kernels choose
    assert np.allclose(sampler.draw_all(z[::-1])[::-1], together, rtol=0, atol=1e-6)


# the modes

@pytest.mark.quick
def test_grid(tmp_path, model, sampler):
    gantut_sample.grid(sampler, config(tmp_path / "grid.png", count=7))
    pictures = read_sheet(tmp_path / "grid.png", 3, 3).reshape([9, 16, 16, 3])
    assert same(pictures[:7], reference_images(model, noise(*range(7))))
    assert not pictures[7:].any()


@pytest.mark.quick
def test_images_are_single_files_drawn_in_small_batches(tmp_path, model, sampler, monkeypatch):
    drawn = []
    monkeypatch.setattr(sampler, "draw_all", lambda z: drawn.append(len(z)) or type(sampler).draw_all(sampler, z))
    out = tmp_path / "images"
    gantut_sample.images(sampler, config(out, count=130))
    assert sorted(os.listdir(out)) == [f"image_{i:05d}.png" for i in range(130)]
    assert drawn == [64, 64, 2]
    pictures = np.array([iio.imread(out / f"image_{i:05d}.png").astype(int) for i in range(130)])
    assert same(pictures, reference_images(model, noise(*range(130))))

    with pytest.raises(UserError, match="1 other picture.*image_00129.png"):  # which FID would count too
        gantut_sample.images(sampler, config(out, count=129))
    before = snapshot(out)
    gantut_sample.images(sampler, config(out, count=130))  # the same command again does no harm
    assert snapshot(out) == before
    (out / "image_00128.png").write_bytes(b"")  # as a power cut leaves it
    gantut_sample.images(sampler, config(out, count=130))
    assert snapshot(out) == before
    deep = np.arange(256, dtype=np.uint16).reshape(16, 16)  # as of a depth map, whose range is unknown
    iio.imwrite(out / "image_00129.png", deep)
    with pytest.raises(UserError, match="image_00129.png exists and is another picture"):
        gantut_sample.images(sampler, config(out, count=130))
    assert (iio.imread(out / "image_00129.png") == deep).all()
    write_pictures(tmp_path / "other", n=1)
    shutil.copy(tmp_path / "other" / "000.png", out / "image_00070.png")
    other = snapshot(out)
    with pytest.raises(UserError, match="image_00070.png exists and is another picture"):
        gantut_sample.images(sampler, config(out, count=130))
    assert snapshot(out) == other


def slerp(a, b, t):
    """Turn a towards b in their plane (Gram-Schmidt, cosine and sine), with its length changing evenly to b's."""
    u = a / np.linalg.norm(a)
    v = b - (b @ u) * u
    v = v / np.linalg.norm(v)
    angle = t * np.arctan2(b @ v, b @ u)
    return ((1 - t) * np.linalg.norm(a) + t * np.linalg.norm(b)) * (np.cos(angle) * u + np.sin(angle) * v)


@pytest.mark.quick
@pytest.mark.parametrize("path", ["straight", "spherical"])
def test_interpolation(tmp_path, model, sampler, path):
    gantut_sample.interpolate(sampler, config(tmp_path / "i.png", count=3, steps=5, path=path))
    pictures = read_sheet(tmp_path / "i.png", 3, 5)
    way = slerp if path == "spherical" else lambda a, b, t: a + t * (b - a)
    for row in range(3):
        a, b = noise(2 * row, 2 * row + 1)
        assert same(pictures[row], reference_images(model, np.array([way(a, b, t) for t in np.linspace(0, 1, 5)])))
    gantut_sample.images(sampler, config(tmp_path / "images", count=6))
    ends = [iio.imread(tmp_path / "images" / f"image_{i:05d}.png") for i in range(6)]
    assert np.array_equal(pictures[:, [0, -1]].reshape([6, 16, 16, 3]), ends)  # the samples themselves, to the bit


@pytest.mark.quick
def test_spherical_path():
    a, b = noise(0, 1, z_dim=100), noise(2, 3, z_dim=100) * 1.5
    for t in np.linspace(0, 1, 7):
        z = gantut_sample.spherical(a, b, t)
        assert np.allclose(z, [slerp(*pair, t) for pair in zip(a, b)])
        norm, norm_a, norm_b = (np.linalg.norm(x, axis=1) for x in (z, a, b))
        assert np.allclose(norm, (1 - t) * norm_a + t * norm_b)
    assert np.array_equal(gantut_sample.spherical(a, b, 0), a) and np.array_equal(gantut_sample.spherical(a, b, 1), b)
    assert np.linalg.norm((a + b) / 2, axis=1).max() < np.linalg.norm(gantut_sample.spherical(a, b, 0.5), axis=1).min()


@pytest.mark.quick
@pytest.mark.parametrize("factor", [1, 2, -1])
def test_spherical_path_on_one_line_is_straight(factor):
    a = noise(0, 1)
    assert np.allclose(gantut_sample.spherical(a, factor * a, 0.25), (0.75 + 0.25 * factor) * a)


@pytest.mark.quick
def test_arithmetic(tmp_path, model, sampler):
    gantut_sample.arithmetic(sampler, config(tmp_path / "a.png", a=["1", "5", "9"], b=["2", "3"], c=["4"]))
    pictures = read_sheet(tmp_path / "a.png", 4, 4)
    a, b, c = noise(1, 5, 9), noise(2, 3), noise(4)
    assert same(pictures[0], reference_images(model, np.vstack([a.mean(axis=0), a])))
    assert same(pictures[1, :3], reference_images(model, np.vstack([b.mean(axis=0), b])))
    assert same(pictures[2, :2], reference_images(model, np.vstack([c, c])))
    result = (a[0] + a[1] + a[2]) / 3 - (b[0] + b[1]) / 2 + c[0]
    assert same(pictures[3, 0], reference_images(model, result[np.newaxis])[0])
    assert not pictures[1, 3].any() and not pictures[2, 2:].any() and not pictures[3, 1:].any()


@pytest.mark.quick
@pytest.mark.parametrize("wrong", ["64", "-1", "x", "", "1.5"])
def test_arithmetic_wants_samples_of_the_grid(tmp_path, sampler, wrong):
    with pytest.raises(UserError, match=f"no sample {wrong} in a grid of 64: its samples are 0 to 63"):
        gantut_sample.arithmetic(sampler, config(tmp_path / "a.png", a=["1"], b=["2", wrong], c=["4"]))


@pytest.mark.quick
def test_closed_walk_is_closed_smooth_and_uniform():
    a, b = noise(*range(40), z_dim=50), noise(*range(40, 80), z_dim=50)
    z = gantut_sample.closed_walk(a, b, 100)
    assert z.shape == (100, 40, 50)
    assert np.allclose(z[[0, 25, 50, 75]], [a, b, -a, -b])
    steps = np.linalg.norm(z - np.roll(z, 1, axis=0), axis=2)  # the last one to the first too
    assert steps.max() < 0.15 * np.linalg.norm(a, axis=1).mean() and steps.min() > 0
    for frame in z[[0, 12, 40]]:  # on a straight line, a frame between the corners would fail
        assert stats.kstest(frame.ravel(), stats.uniform(-1, 2).cdf).pvalue > 0.001
    assert stats.kstest(((a + b) / 2).ravel(), stats.uniform(-1, 2).cdf).pvalue < 1e-6


@pytest.mark.quick
def test_dimension_walk_moves_one_entry_at_a_time():
    z = noise(0, 1)
    walk = gantut_sample.dimension_walk(z, 8).reshape([8, 8, 2, 8])  # [dimension, frame, sample, entry]
    for d in range(8):
        others = np.delete(np.arange(8), d)
        assert np.array_equal(walk[d][:, :, others], np.tile(z[:, others], [8, 1, 1]))
        assert np.allclose(walk[d, [0, 2, 4, 6], :, d], [z[:, d], [1, 1], [0, 0], [-1, -1]])
    assert abs(walk).max() == 1


@pytest.mark.quick
@pytest.mark.parametrize("kind, frames", [("closed", 60), ("dimensions", 64)])
def test_walk(tmp_path, model, sampler, kind, frames):
    gantut_sample.walk(sampler, config(tmp_path / "w.gif", count=2, walk=kind))
    with Image.open(tmp_path / "w.gif") as gif:
        assert gif.size == (32, 16) and gif.info["loop"] == 0
        first, durations = np.asarray(gif.convert("RGB")).astype(int), []
        for i in range(gif.n_frames):
            gif.seek(i)
            durations.append(gif.info["duration"])
    assert sum(durations) == frames * 50  # Pillow joins frames that are equal
    expected = to_bytes(np.concatenate(list(reference_images(model, noise(0, 1))), axis=1))
    assert abs(first - expected).mean() < 8  # a GIF has 256 colours


def write_epochs(folder, numbers, size=16):
    folder.mkdir()
    for i in numbers:
        iio.imwrite(folder / f"epoch_{i:02d}.png", np.full([size, size, 3], i, dtype=np.uint8))


@pytest.mark.quick
def test_film_has_a_frame_for_each_epoch_in_order(tmp_path):
    epochs = [0, 1, 2, 10, 99, 100, 101]  # as names, 100 comes before 99
    write_epochs(tmp_path / "samples", epochs)
    write_pictures(tmp_path / "samples" / "train", n=1)
    iio.imwrite(tmp_path / "samples" / "train_00-0001.png", np.zeros([16, 16, 3], dtype=np.uint8))
    gantut_sample.film(config(tmp_path / "film.gif", sample_dir=str(tmp_path / "samples"), seconds=0.3))
    with Image.open(tmp_path / "film.gif") as gif:
        assert gif.n_frames == len(epochs)
        shown = []
        for i in range(gif.n_frames):
            gif.seek(i)
            assert gif.info["duration"] == 300
            shown.append(np.asarray(gif.convert("RGB")).mean())
    assert shown == epochs


@pytest.mark.quick
def test_film_says_what_is_wrong(tmp_path, capsys):
    with pytest.raises(UserError, match="no epoch_NN.png in .*nowhere"):
        gantut_sample.film(config(tmp_path / "film.gif", sample_dir=str(tmp_path / "nowhere")))
    write_epochs(tmp_path / "samples", [0, 1])
    film = config(tmp_path / "film.gif", sample_dir=str(tmp_path / "samples"))
    iio.imwrite(tmp_path / "samples" / "epoch_02.png", np.zeros([32, 16, 3], dtype=np.uint8))
    with pytest.raises(UserError, match="epoch_02.png has another size"):
        gantut_sample.film(film)
    (tmp_path / "samples" / "epoch_02.png").write_bytes(b"")  # as a power cut may leave it
    gantut_sample.film(film)
    with Image.open(tmp_path / "film.gif") as gif:
        assert gif.n_frames == 2
    assert re.fullmatch(r" \[!\] .*epoch_02.png: is not a picture: left out\n", capsys.readouterr().err)
    for path in (tmp_path / "samples").iterdir():
        path.write_text("no picture")
    with pytest.raises(UserError, match="none of the epoch_NN.png in .*samples is a picture"):
        gantut_sample.film(film)


@pytest.mark.quick
def test_nearest(tmp_path, sampler, capsys):
    data = tmp_path / "data"
    write_pictures(data, n=150)
    gantut_sample.images(sampler, config(tmp_path / "images", count=2))
    for i, name in ((0, "149.png"), (1, "copy.png")):  # the training folder holds two of the samples
        os.replace(tmp_path / "images" / f"image_{i:05d}.png", data / name)
    capsys.readouterr()
    gantut_sample.nearest(sampler, config(tmp_path / "n.png", count=3, dataset=str(data), neighbours=4))
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("149.png at 0.002") and said[1].endswith("copy.png at 0.002"), said  # rounded to 8 bits

    names = sorted(os.listdir(data))
    pictures = np.array([load_image(str(data / name), 16) for name in names])
    rows = read_sheet(tmp_path / "n.png", 3, 5)
    for row, sample in zip(rows, sampler.draw_all(noise(0, 1, 2))):
        order = np.argsort([np.linalg.norm((picture - sample).astype(np.float64)) for picture in pictures])[:4]
        assert np.array_equal(row, to_bytes(np.array([sample, *pictures[order]])))
    assert np.array_equal(rows[0, 0], rows[0, 1]) and np.array_equal(rows[1, 0], rows[1, 1])


@pytest.mark.quick
def test_nearest_of_few_pictures(tmp_path, sampler):
    write_pictures(tmp_path / "data", n=2)
    gantut_sample.nearest(sampler, config(tmp_path / "n.png", count=3, dataset=str(tmp_path / "data")))
    read_sheet(tmp_path / "n.png", 3, 3)


@pytest.mark.quick
def test_quiz_takes_pictures_of_both_kinds(tmp_path, sampler, monkeypatch):
    write_pictures(tmp_path / "data", n=20)
    given = []
    monkeypatch.setattr(gantut_sample, "make_quiz", lambda real, fake, rng: given.append((real, fake)) or "page")
    quiz = config(tmp_path / "q.html", count=6, dataset=str(tmp_path / "data"))
    gantut_sample.quiz(sampler, quiz)
    real, fake = given[0]
    known = [iio.imread(tmp_path / "data" / name).tobytes() for name in os.listdir(tmp_path / "data")]
    assert len({picture.tobytes() for picture in real} & set(known)) == 6  # six different ones
    assert np.array_equal(fake, to_bytes(sampler.draw_all(noise(*range(6)))))
    with pytest.raises(UserError, match="20 picture.*use --count 20 or less"):
        gantut_sample.quiz(sampler, config(tmp_path / "q.html", count=21, dataset=str(tmp_path / "data")))


@pytest.mark.quick
@pytest.mark.parametrize("mode", ["nearest", "quiz"])
def test_pictures_that_are_cut_off_after_their_header(tmp_path, sampler, capsys, mode):
    """With --skip_bad_images they are named and left out, else the line names that flag."""
    write_pictures(tmp_path / "data", n=80, size=16)
    for name in ("003.png", "070.png"):
        path = tmp_path / "data" / name
        os.truncate(path, path.stat().st_size // 2)
    out = tmp_path / {"nearest": "n.png", "quiz": "q.html"}[mode]
    make = gantut_sample.MODES[mode][0]
    with pytest.raises(UserError, match=r"0[07][03]\.png: .*--skip_bad_images"):
        make(sampler, config(out, count=78, dataset=str(tmp_path / "data")))
    assert not out.exists()
    make(sampler, config(out, count=78, dataset=str(tmp_path / "data"), skip_bad_images=True))
    said = capsys.readouterr().err
    assert said.count("003.png") <= 1 and said.count("070.png") <= 1 and "image file is truncated" in said
    assert out.exists() and (mode == "quiz" or said.count(".png") == 2)  # the quiz needs 78 of the 80


# as the user meets it

@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder in which the trainer ran for three epochs on gray pictures."""
    folder = tmp_path_factory.mktemp("trained")
    write_pictures(folder / "pictures", channels=1)
    process = train(folder, "--epoch", 3, "--c_dim", 1, "--z_dim", 5)
    assert process.returncode == 0, process.stderr
    return folder


def test_the_modes_as_commands_after_a_training(trained):
    out = trained / "out"
    cases = [("grid", "grid.png", ""), ("images", "images", "--count 3"), ("interpolate", "interpolate.png", ""),
             ("arithmetic", "arithmetic.png", "--a 1,5,9 --b 2,3 --c 4"), ("walk", "walk.gif", "--frames 4"),
             ("film", "film.gif", ""), ("nearest", "nearest.png", "--dataset pictures"),
             ("quiz", "quiz.html", "--dataset pictures"), ("export", "export", ""),
             ("page", "page.html", "")]
    assert [case[0] for case in cases] == list(gantut_sample.MODES)
    processes = two_at_a_time(lambda case: run_script(
        "gantut_sample.py", "--mode", case[0], "--out", out / case[1], *case[2].split(), cwd=trained), cases)
    for (_, name, _), process in processes.items():
        assert process.returncode == 0 and process.stderr == "", process.stderr
        assert process.stdout.endswith(f"wrote {out / name}\n")
    assert sorted(os.listdir(out)) == sorted(case[1] for case in cases)
    assert iio.imread(out / "grid.png").shape == (128, 128)  # gray
    with Image.open(out / "film.gif") as film:
        assert film.n_frames == 3


@pytest.mark.parametrize("flags, message", [
    (dict(out="grid"), "--mode grid writes a .png file"),
    (dict(out="file/grid.png"), "cannot write file/grid.png"),
    (dict(mode="images", out="file"), "cannot write file"),
    (dict(mode="film", out="film.gif", sample_dir="empty"), "no epoch_NN.png in empty"),
    (dict(mode="nearest", dataset="empty"), "no pictures in empty"),
    (dict(mode="nearest", dataset="nowhere"), "no folder nowhere"),
    (dict(mode="quiz", out="q.html", dataset="large"), "add --is_crop"),
    (dict(mode="quiz", out="q.html", dataset="broken"), "a.png: is not a picture"),
    (dict(mode="arithmetic", a=["1"], b=["2"], c=["64"]), "no sample 64"),
])
def test_what_the_user_can_correct_is_one_line(trained, monkeypatch, flags, message):
    monkeypatch.chdir(trained)
    for folder in ("empty", "broken"):
        os.makedirs(folder, exist_ok=True)
    for file in ("file", "broken/a.png"):
        open(file, "w").close()
    write_pictures("large", n=2, size=32)
    monkeypatch.setattr(gantut_sample, "FLAGS", config(**{"out": "out.png", **flags}))
    with tf.Graph().as_default(), pytest.raises(UserError) as error:
        gantut_sample.main()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_what_will_be_overwritten_is_named_first(trained, tmp_path):
    (tmp_path / "mine.gif").write_bytes(b"mine")
    process = run_script("gantut_sample.py", "--mode", "film", "--out", tmp_path / "mine.gif", cwd=trained)
    assert process.returncode == 0, process.stderr
    assert process.stderr == f" [!] {tmp_path / 'mine.gif'} exists and will be overwritten\n"


def test_errors_are_one_line_on_the_terminal(trained):
    cases = {
        "--checkpoint_dir nowhere": "no checkpoint in nowhere",
        "--mode film --out pictures/000.png": "writes a .gif file",
        "--mode nearest": "--mode nearest and quiz need --dataset",
        "--count 10001": "--count must be 10,000 or less",
        "--mode arithmetic --a 1 --b 2": "needs --a, --b and --c",
        "--mode juggle": "--mode=juggle",
    }
    processes = two_at_a_time(lambda words: run_script("gantut_sample.py", *words.split(), cwd=trained), cases)
    for words, process in processes.items():
        assert cases[words] in the_error(process)
        assert len(process.stderr.splitlines()) == 1
