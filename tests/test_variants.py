"""variants/: the data, the models of the two graph lessons, and all four as processes (Keras's: keras_checks.py)."""
import gzip
import os
import pickle
import pty
import re
import subprocess
import sys

import forked
import imageio.v3 as iio
import mnist
import mnist_dcgan
import mnist_gan
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import ROOT, run_script, script_command, snapshot, the_error, two_at_a_time, wait_until

from gantut.errors import UserError, locked

VARIANTS = os.path.join(ROOT, "variants")
RESTORE = """
import sys
sys.path.insert(0, sys.argv[1])
import mnist, numpy as np
for name in sys.argv[3:]:
    folder = sys.argv[2] + "/" + name
    np.save(folder + "/restored.npy", __import__(name).generate(folder, np.load(folder + "/z.npy")))
"""


def python(*arguments):
    process = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr


def bytes_of_digits(n=6):
    rng = np.random.RandomState(0)
    return rng.randint(0, 256, (n, 28, 28)).astype(np.uint8), rng.randint(0, 10, n).astype(np.uint8)


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    with gzip.open(path, "wb") if path.suffix == ".gz" else open(path, "wb") as file:
        file.write(header + array.tobytes())


# the data

@pytest.mark.quick
def test_digits():
    images, labels = mnist.load()
    held_out, held_out_labels = mnist.load("digits", "test")
    assert images.shape == (1500, 28, 28) and held_out.shape == (297, 28, 28) and images.dtype == np.float32
    assert images.min() == 0 and images.max() == 1
    assert set(labels) == set(held_out_labels) == set(range(10))


@pytest.mark.quick
def test_digits_are_scikit_learns():
    datasets = pytest.importorskip("sklearn.datasets")
    with np.load(mnist.DIGITS) as file:
        assert np.array_equal(file["images"], datasets.load_digits().images)
        assert np.array_equal(file["labels"], datasets.load_digits().target)


@pytest.mark.quick
def test_scale_keeps_a_constant_and_the_order():
    images = mnist.scale(np.stack([np.full((8, 8), 0.25), np.tile(np.linspace(0, 1, 8), (8, 1))]))
    assert np.all(images[0] == 0.25) and np.all(np.diff(images[1], axis=1) >= 0)


@pytest.mark.quick
@pytest.mark.parametrize("names", [("x_train", "y_train"), ("images", "labels")])
@pytest.mark.parametrize("shape", [(6, 28, 28), (6, 28, 28, 1), (6, 784)])
def test_npz(tmp_path, names, shape):
    x, y = bytes_of_digits()
    np.savez(tmp_path / "a.npz", **dict(zip(names, (x.reshape(shape), y))))
    images, labels = mnist.load(str(tmp_path / "a.npz"))
    np.testing.assert_allclose(images, x / 255, atol=1e-7)
    assert np.array_equal(labels, y)


@pytest.mark.quick
@pytest.mark.parametrize("extension", ["", ".gz"])
def test_idx(tmp_path, extension):
    x, y = bytes_of_digits()
    for part, name in (("train", "train"), ("test", "t10k")):
        write_idx(tmp_path / f"{name}-images-idx3-ubyte{extension}", x)
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte{extension}", y)
        images, labels = mnist.load(str(tmp_path), part)
        np.testing.assert_allclose(images, x / 255, atol=1e-7)
        assert np.array_equal(labels, y)


def test_what_is_not_data_is_one_line(tmp_path):
    x, y = bytes_of_digits()
    np.savez(tmp_path / "other.npz", a=x)
    np.savez(tmp_path / "small.npz", images=x[:, :8, :8], labels=y)
    np.savez(tmp_path / "labels.npz", images=x, labels=y[:3])
    np.savez(tmp_path / "nan.npz", images=np.full((2, 28, 28), np.nan), labels=y[:2])
    np.savez(tmp_path / "objects.npz", images=np.array([{}]), labels=y)
    np.savez(tmp_path / "words.npz", images=np.full((2, 784), "a"), labels=y[:2])
    np.save(tmp_path / "array.npy", x)
    (tmp_path / "text.npz").write_text("no array")
    np.savez(tmp_path / "number.npz", images=np.uint8(3), labels=y)
    np.savez(tmp_path / "table.npz", images=np.zeros((2, 784), "f4,f4"), labels=y[:2])
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0\0\x09")
    (tmp_path / "bad_gz").mkdir()
    (tmp_path / "bad_gz" / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b\x08\0no gzip")
    paths = ["nowhere", *tmp_path.iterdir()]
    for path in paths:
        with pytest.raises(UserError, match="--data") as error:
            mnist.load(str(path))
        assert "\n" not in str(error.value)
    assert len(paths) == 14


@pytest.mark.quick
def test_what_could_not_be_read_to_an_end_is_not_read(tmp_path):
    """A pipe; as an IDX file a folder stands for it, since this process cannot be at both ends."""
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDWR)  # so that opening it again does not wait
    with pytest.raises(UserError, match="pipe: is neither a file nor a folder"):
        mnist.load(str(tmp_path / "pipe"))
    os.close(pipe)
    (tmp_path / "train-images-idx3-ubyte").mkdir()
    with pytest.raises(UserError, match="no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in that folder"):
        mnist.load(str(tmp_path))


@pytest.mark.quick
def test_one_image_is_too_few(tmp_path, monkeypatch):
    """One line, before the results of an earlier run are moved."""
    x, y = bytes_of_digits(1)
    np.savez(tmp_path / "one.npz", images=x, labels=y)
    (tmp_path / "train_losses.pkl").write_text("of an earlier run")
    before = snapshot(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mnist_gan.py", "--data", str(tmp_path / "one.npz"), "--out_dir", str(tmp_path)])
    with pytest.raises(UserError, match=r"images of shape \(1, 28, 28\), type uint8, are not two or more digits"):
        mnist_gan.main()
    assert snapshot(tmp_path) == before


@pytest.mark.quick
def test_a_file_that_is_damaged_or_another_sets_says_which(tmp_path):
    x, y = bytes_of_digits(2000)
    np.savez(tmp_path / "whole.npz", x_train=x, y_train=y)
    whole = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:len(whole) // 2])
    (tmp_path / "flipped.npz").write_bytes(whole[:9000] + bytes([whole[9000] ^ 255]) + whole[9001:])
    (tmp_path / "page.npz").write_text("<!DOCTYPE html>")
    np.savez(tmp_path / "cifar.npz", x_train=np.zeros((2, 32, 32, 3), np.uint8), y_train=y[:2, np.newaxis])
    np.savez(tmp_path / "faces.npz", faces=x)
    np.savez(tmp_path / "letters.npz", images=x[:2], labels=np.array(["a", "b"]))
    np.savez(tmp_path / "nan.npz", images=x[:2], labels=np.full(2, np.nan))
    for name, part, message in [
            ("cut", "train", "is not an .npz, or is truncated"), ("page", "train", "is not an .npz, or is truncated"),
            ("flipped", "train", "Bad CRC-32"), ("cifar", "train", "(2, 32, 32, 3)"),
            ("faces", "train", "has no x_train and y_train, but faces"),
            ("whole", "test", "has no x_test and y_test, but x_train, y_train"),
            ("letters", "train", "labels are not whole numbers"), ("nan", "train", "labels are not whole numbers")]:
        with pytest.raises(UserError, match=f"--data [^\n]*{name}.npz: [^\n]+$") as error:
            mnist.load(str(tmp_path / f"{name}.npz"), part)
        assert message in str(error.value)


@pytest.mark.quick
@pytest.mark.parametrize("order", [1, -1])
def test_digits_that_lie_class_by_class_are_mixed(tmp_path, order):
    """Each image keeps its label, and a lesson's first batch has every class."""
    labels = np.repeat(np.arange(10), 300)[::order].astype(np.uint8)
    images = np.tile(labels[:, np.newaxis, np.newaxis] * 20, (1, 28, 28)).astype(np.uint8)
    np.savez(tmp_path / "sorted.npz", x_train=images, y_train=labels)
    write_idx(tmp_path / "train-images-idx3-ubyte", images)
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels)
    for data in tmp_path / "sorted.npz", tmp_path:
        found, found_labels = mnist.load(str(data))
        np.testing.assert_allclose(found[:, 5, 5] * 255, found_labels * 20, atol=1e-4)
        assert sorted(found_labels) == sorted(labels) and set(found_labels[:128]) == set(range(10))
        assert np.array_equal(found_labels, mnist.load(str(data))[1])  # the same seed, the same training


@pytest.mark.quick
def test_mnist_without_a_network_is_one_line(monkeypatch):
    datasets = pytest.importorskip("tensorflow.keras.datasets")

    def load_data():
        raise Exception("URL fetch failure on https://...")

    monkeypatch.setattr(datasets.mnist, "load_data", load_data)
    with pytest.raises(UserError, match="--data digits"):
        mnist.load("mnist")


@pytest.mark.quick
def test_batches_leave_nothing_out():
    images = np.arange(10)
    batches = mnist.batches(images, 4, np.random.RandomState(0))
    drawn = np.concatenate([next(batches) for _ in range(5)])
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(images)
    assert len(next(mnist.batches(images, 25, np.random.RandomState(0)))) == 25


@pytest.mark.quick
@pytest.mark.parametrize("flags", [["--epochs", "0"], ["--epochs", "x"], ["--seed", "-1"], ["--data", "nowhere"],
                                   ["--steps", "3"], ["--out_dir", "file/folder"], ["--out_dir", "run[1]"],
                                   ["--beta1", "1"], ["--beta1", "x"]])
def test_a_wrong_flag_is_one_line(tmp_path, monkeypatch, flags):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", ["mnist_gan.py", *flags])
    monkeypatch.setattr("gantut.scripts.begin", lambda *_: None)  # this process's streams and signals
    with pytest.raises(SystemExit, match="^error: [^\n]+$"):
        mnist.run(mnist_gan.main)


# the two lessons in graph mode

@pytest.fixture
def gan(sess):
    model = mnist_gan.build_model()
    sess.run(tf.global_variables_initializer())
    rng = np.random.RandomState(0)
    real = rng.uniform(-1, 1, (mnist_gan.batch_size, 784))
    return sess, model, {model.input_real: real, model.input_z: mnist_gan.sample_noise(rng, mnist_gan.batch_size)}


@pytest.fixture
def dcgan(sess):
    model = mnist_dcgan.build_model()
    sess.run(tf.global_variables_initializer())
    rng = np.random.RandomState(0)
    real = rng.uniform(-1, 1, (mnist_dcgan.batch_size, 28, 28, 1))
    return sess, model, {model.real_image_input: real, model.istraining: True,
                         model.noise: mnist_dcgan.sample_noise(rng, mnist_dcgan.batch_size)}


def changed(sess, update, feed, variables):
    """Which variables an update changes, by name."""
    before = sess.run(variables)
    sess.run(update, feed)
    return {v.op.name for v, old, new in zip(variables, before, sess.run(variables)) if not np.array_equal(old, new)}


def names(variables):
    return {v.op.name for v in variables}


@pytest.mark.quick
def test_gan_shapes(gan):
    _, model, _ = gan
    assert model.g_model.shape.as_list() == [None, 784]
    assert model.d_logits_real.shape.as_list() == model.d_model_fake.shape.as_list() == [None, 1]
    assert {v.op.name: v.shape.as_list() for v in model.t_vars} == {
        "generator/dense/kernel": [100, 128], "generator/dense/bias": [128],
        "generator/dense_1/kernel": [128, 784], "generator/dense_1/bias": [784],
        "discriminator/dense/kernel": [784, 128], "discriminator/dense/bias": [128],
        "discriminator/dense_1/kernel": [128, 1], "discriminator/dense_1/bias": [1]}


@pytest.mark.quick
def test_gan_networks_against_numpy(gan):
    sess, model, feed = gan
    v = dict(zip([v.op.name for v in model.t_vars], sess.run(model.t_vars)))

    def network(x, scope):
        hidden = x @ v[scope + "/dense/kernel"] + v[scope + "/dense/bias"]
        return np.where(hidden > 0, hidden, 0.01 * hidden) @ v[scope + "/dense_1/kernel"] + v[scope + "/dense_1/bias"]

    fake = np.tanh(network(feed[model.input_z], "generator"))
    for got, expected in zip(sess.run([model.g_model, model.d_logits_fake, model.d_logits_real], feed),
                             [fake, network(fake, "discriminator"),
                              network(feed[model.input_real], "discriminator")]):
        np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.quick
def test_gan_losses_against_numpy(gan):
    sess, model, feed = gan
    real, fake, d_loss_real, d_loss, g_loss = sess.run(
        [model.d_logits_real, model.d_logits_fake, model.d_loss_real, model.d_loss, model.g_loss], feed)

    def entropy(logits, label):
        p = 1 / (1 + np.exp(-logits.astype(np.float64)))
        return -np.mean(label * np.log(p) + (1 - label) * np.log(1 - p))

    np.testing.assert_allclose(d_loss_real, entropy(real, 0.9), rtol=1e-5)  # label smoothing 0.1
    np.testing.assert_allclose(d_loss, entropy(real, 0.9) + entropy(fake, 0), rtol=1e-5)
    np.testing.assert_allclose(g_loss, entropy(fake, 1), rtol=1e-5)


@pytest.mark.quick
def test_gan_an_update_changes_its_own_network(gan):
    sess, model, feed = gan
    assert changed(sess, model.d_train_opt, feed, model.t_vars) == names(model.d_vars)
    assert changed(sess, model.g_train_opt, feed, model.t_vars) == names(model.g_vars)


@pytest.mark.quick
@pytest.mark.parametrize("arguments, beta1", [([], 0.9), ([0.5], 0.5)])
def test_gan_beta1(sess, arguments, beta1):
    mnist_gan.build_model(*arguments)
    sess.run(tf.global_variables_initializer())
    powers = [v for v in tf.global_variables() if "beta1_power" in v.op.name]
    np.testing.assert_allclose(sess.run(powers), [beta1, beta1], rtol=1e-6)


@pytest.mark.quick
def test_dcgan_shapes(dcgan):
    _, model, _ = dcgan
    assert model.gen_sample.shape.as_list() == [None, 28, 28, 1]
    assert model.disc_real.shape.as_list() == model.stacked_gan.shape.as_list() == [None, 2]
    assert {v.op.name: v.shape.as_list() for v in model.gen_vars + model.disc_vars if "kernel" in v.op.name} == {
        "Generator/dense/kernel": [100, 6272], "Generator/conv2d_transpose/kernel": [5, 5, 64, 128],
        "Generator/conv2d_transpose_1/kernel": [5, 5, 1, 64],
        "Discriminator/conv2d/kernel": [5, 5, 1, 64], "Discriminator/conv2d_1/kernel": [10, 10, 64, 128],
        "Discriminator/dense/kernel": [6272, 1024], "Discriminator/dense_1/kernel": [1024, 2]}


@pytest.mark.quick
def test_dcgan_losses_against_numpy(dcgan):
    sess, model, feed = dcgan
    real, fake, disc_loss, gen_loss = sess.run([model.disc_real, model.disc_fake, model.disc_loss, model.gen_loss],
                                               feed)

    def entropy(logits, label):
        logits = logits.astype(np.float64)
        return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[:, label])

    np.testing.assert_allclose(disc_loss, entropy(real, 1) + entropy(fake, 0), rtol=1e-4)
    np.testing.assert_allclose(gen_loss, entropy(fake, 1), rtol=1e-4)


@pytest.mark.quick
def test_dcgan_leakyrelu(sess):
    x = np.linspace(-2, 2, 9, dtype=np.float32)
    np.testing.assert_allclose(sess.run(mnist_dcgan.leakyrelu(tf.constant(x))), np.where(x > 0, x, 0.2 * x), atol=1e-6)


@pytest.mark.quick
def test_dcgan_an_update_changes_its_own_network_and_averages(dcgan):
    sess, model, feed = dcgan
    variables = tf.global_variables("Generator/") + tf.global_variables("Discriminator/")
    weights = {name for name in names(variables) if "Adam" not in name and "/bias" not in name}  # a bias before a
    # batch norm has a gradient of 0, or of rounding

    for update, scope in ((model.train_disc, "Discriminator/"), (model.train_gen, "Generator/")):
        moved = changed(sess, update, feed, variables)
        assert {name for name in moved if not name.startswith(scope) and "Adam" not in name} == set()
        assert {name for name in weights if name.startswith(scope)} <= moved


@pytest.mark.quick
def test_dcgan_moving_averages(dcgan):
    sess, model, feed = dcgan
    kernel = sess.run(model.disc_vars[0])
    _, fake = sess.run([model.train_disc, model.gen_sample], feed)

    def mean(images):
        return sess.run(tf.reduce_mean(tf.nn.conv2d(images.astype(np.float32), kernel, 2, "SAME"), [0, 1, 2]))

    expected = 0
    for images in (feed[model.real_image_input], fake, fake):  # the three passes, in this order
        expected = 0.99 * expected + 0.01 * mean(images)
    v, = tf.global_variables("Discriminator/batch_normalization/moving_mean")
    np.testing.assert_allclose(sess.run(v), expected, atol=1e-6)

    kernel = sess.run(model.gen_vars[0])
    sess.run(model.train_gen, feed)
    v, = tf.global_variables("Generator/batch_normalization/moving_mean")
    np.testing.assert_allclose(sess.run(v), 0.01 * np.mean(feed[model.noise] @ kernel, axis=0), atol=1e-6)

    feed[model.istraining] = False
    averages = [v for v in tf.global_variables() if "moving_" in v.op.name]
    assert changed(sess, model.gen_update_ops + model.disc_update_ops, feed, averages) == set()


# checkpoints

def save(sess, folder, variables, z, digits):
    folder.mkdir()
    tf.train.Saver(variables).save(sess, str(folder / "checkpoints" / "generator.ckpt"))
    np.save(folder / "z.npy", z)
    np.save(folder / "digits.npy", digits.reshape(-1, 28, 28))
    return tf.train.load_checkpoint(str(folder / "checkpoints")).get_variable_to_shape_map()


def restored(folder, *names):
    """Let a process of its own draw the digits again; they are the same, and are digits of different z."""
    python("-c", RESTORE, VARIANTS, folder, *names)
    for name in names:
        digits = np.load(folder / name / "digits.npy")
        np.testing.assert_allclose(np.load(folder / name / "restored.npy"), digits, atol=1e-6)
        assert digits.shape == (3, 28, 28) and np.abs(digits[0] - digits[1]).max() > 0.001


def test_a_new_process_restores_the_generator(tmp_path):
    z = np.random.RandomState(1).uniform(-1, 1, (3, 100))
    with tf.Graph().as_default(), tf.Session() as sess:
        model = mnist_gan.build_model()
        sess.run(tf.global_variables_initializer())
        digits = sess.run(model.g_model, {model.input_z: z})
        saved = save(sess, tmp_path / "mnist_gan", model.g_vars, z, digits)
    assert set(saved) == names(model.g_vars)

    with tf.Graph().as_default(), tf.Session() as sess:
        model = mnist_dcgan.build_model()
        sess.run(tf.global_variables_initializer())
        noise = np.random.RandomState(2).uniform(-1, 1, (mnist_dcgan.batch_size, 100))
        sess.run(model.train_gen, {model.noise: noise, model.istraining: True})  # moves the averages
        digits = sess.run(model.gen_sample, {model.noise: z, model.istraining: False})
        saved = save(sess, tmp_path / "mnist_dcgan", model.gen_saved, z, digits)
    assert set(saved) > names(model.gen_vars) and all(name.startswith("Generator/") for name in saved)
    assert "Generator/batch_normalization/moving_mean" in saved and not any("Adam" in name for name in saved)

    restored(tmp_path, "mnist_gan", "mnist_dcgan")


def test_keras(tmp_path):
    python(os.path.join(ROOT, "tests", "keras_checks.py"), tmp_path)
    restored(tmp_path, "keras_gan", "keras_dcgan")


# as processes

LINES = {  # what they print: as often as their texts do
    "mnist_gan": r"Epoch 1/2 - DLoss: [\d.]+ - GLoss: [\d.]+\nEpoch 2/2 - DLoss: [\d.]+ - GLoss: [\d.]+",
    "mnist_dcgan": r"Step 1: Loss A \(generator\): [\d.]+, Loss B \(discriminator\): [\d.]+",
    "keras_gan": "\n".join(rf"epoch{epoch}, processing batch {batch}, D loss: [\d.]+, G loss: [\d.]+"
                           for epoch in (0, 1) for batch in (0, 1)),
    "keras_dcgan": r"2 \[D loss: [\d.]+\] \[G loss: [\d.]+\]"}


def test_each_lesson_runs_alone(tmp_path):
    images, labels = mnist.load()
    np.savez(tmp_path / "tiny.npz", images=images[:160], labels=labels[:160])
    lessons = {"mnist_gan": ("--epochs", 2), "mnist_dcgan": ("--steps", 2), "keras_gan": ("--epochs", 2),
               "keras_dcgan": ("--steps", 2)}
    done = two_at_a_time(lambda name: run_script(f"variants/{name}.py", *lessons[name], "--data", "tiny.npz",
                                                 cwd=tmp_path), lessons)
    for name, process in done.items():
        out = tmp_path / "runs" / name
        assert process.returncode == 0 and process.stderr == "", process.stderr
        assert re.fullmatch(LINES[name] + "\n", process.stdout), process.stdout
        for picture in out.glob("*.png"):
            assert iio.imread(picture).std() > 1
        with open(out / "train_losses.pkl", "rb") as file:
            losses = np.array(pickle.load(file))
        assert losses.shape == ((4, 2) if name == "keras_gan" else (2, 2)) and np.isfinite(losses).all()
        assert (out / "digit.png").exists() == (name == "mnist_gan")
        assert (out / "samples.png").exists() and (out / "losses.png").exists()
        assert (out / ("generator.keras" if "keras" in name else "checkpoints/generator.ckpt.index")).exists()
        with mnist.exits:
            mnist.start(str(out))
        assert sorted(os.listdir(out)) == ["earlier-1", "train_losses.pkl"]


def test_a_lesson_that_is_killed_has_kept_its_losses_and_the_ones_before(tmp_path):
    images, labels = mnist.load()
    np.savez(tmp_path / "tiny.npz", images=images[:160], labels=labels[:160])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "train_losses.pkl").write_text("of an earlier run")
    with open(tmp_path / "said", "w") as said:
        process = forked.Process([os.path.join(ROOT, "variants", "mnist_gan.py"), "--epochs", "100000", "--data",
                                  "tiny.npz", "--out_dir", "run"], tmp_path, said, said)
    both = [tmp_path / "run" / "earlier-1" / "train_losses.pkl", tmp_path / "run" / "train_losses.pkl"]
    wait_until(lambda: both[0].exists() and both[1].exists() and pickle.loads(both[1].read_bytes()), process)
    process.kill()
    process.wait()
    assert both[0].read_text() == "of an earlier run"
    losses = np.array(pickle.loads(both[1].read_bytes()))
    printed = re.findall(r"DLoss: ([\d.]+) - GLoss: ([\d.]+)", (tmp_path / "said").read_text())
    assert len(losses) >= 1
    np.testing.assert_allclose(losses, np.array(printed, float)[:len(losses)], atol=6e-5)


@pytest.mark.quick
@pytest.mark.parametrize("name", ["checkpoints/epoch=3.ckpt", "generator.keras", "samples.png", "epoch-000.png"])
def test_results_of_another_program_are_refused(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("another program's")
    before = snapshot(tmp_path)
    with pytest.raises(UserError, match=f"{tmp_path / name.split('/')[0]} exists and is not from a lesson [^\n]+$"):
        mnist.start(str(tmp_path))
    assert snapshot(tmp_path) == before


@pytest.mark.quick
def test_a_lesson_that_was_killed_early_is_known(tmp_path):
    """By its losses, of which there are none yet. Files with other names stay where they are."""
    (tmp_path / "notes.txt").write_text("mine")
    with mnist.exits:
        mnist.start(str(tmp_path))
        (tmp_path / "digit.png").write_text("a lesson's")
    with mnist.exits:
        mnist.start(str(tmp_path))
    assert snapshot(tmp_path) == {
        "notes.txt": b"mine", "train_losses.pkl": pickle.dumps([]),
        "earlier-1/train_losses.pkl": pickle.dumps([]), "earlier-1/digit.png": b"a lesson's"}


def test_two_lessons_at_a_time_in_one_folder(tmp_path):
    with locked(str(tmp_path / "run"), ".run", "--out_dir"):  # as the first one holds it
        before = snapshot(tmp_path)
        line = the_error(run_script("variants/mnist_gan.py", "--epochs", 1, "--out_dir", "run", cwd=tmp_path))
        assert f"another run uses run: process {os.getpid()} on" in line and "--out_dir" in line
        assert snapshot(tmp_path) == before


def test_the_texts_lines_stay_on_a_terminal(tmp_path):
    """The bar continues below them."""
    terminal, stream = pty.openpty()
    process = subprocess.run(script_command("variants/mnist_dcgan.py", "--steps", 1), cwd=tmp_path, stdout=stream,
                             stderr=stream, timeout=600)
    os.close(stream)
    assert process.returncode == 0
    assert re.search(LINES["mnist_dcgan"] + "\r\n", os.read(terminal, 1 << 16).decode())
    os.close(terminal)


def find_mnist():
    """MNIST's file, where there is one: that of GANTUT_MNIST, or Keras's own."""
    path = os.environ.get("GANTUT_MNIST") or os.path.expanduser("~/.keras/datasets/mnist.npz")
    return path if os.path.exists(path) else pytest.skip("no mnist.npz: set GANTUT_MNIST to it")


@pytest.mark.slow
def test_mnist_itself(tmp_path):
    """The file is MNIST's, in whatever order, and the dense GAN learns from it."""
    data = find_mnist()
    images, labels = mnist.load(data)
    assert images.shape == (60000, 28, 28) and mnist.load(data, "test")[0].shape == (10000, 28, 28)
    assert np.bincount(labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert set(labels[:128]) == set(range(10))
    process = run_script("variants/keras_gan.py", "--epochs", 2, "--data", data, cwd=tmp_path)
    assert process.returncode == 0 and process.stdout.count("\n") == 2 * 469, process.stderr  # 128 of 60,000 each
    with open(tmp_path / "runs" / "keras_gan" / "train_losses.pkl", "rb") as file:
        losses = np.array(pickle.load(file))
    assert 0.3 < losses[-100:, 0].mean() < 0.69 < losses[-100:, 1].mean() < 2  # D is ahead, and G follows


def test_another_programs_settings_of_keras(tmp_path):
    """What ~/.keras/keras.json says changes nothing."""
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(
        '{"floatx": "float16", "epsilon": 0.1, "backend": "tensorflow", "image_data_format": "channels_first"}')
    images, labels = mnist.load()
    np.savez(tmp_path / "tiny.npz", images=images[:160], labels=labels[:160])
    cases = [(name, flags, home) for name, flags in [("keras_gan", ("--epochs", 2)), ("keras_dcgan", ("--steps", 2))]
             for home in (tmp_path, tmp_path / "nobody")]
    done = two_at_a_time(lambda case: run_script(
        f"variants/{case[0]}.py", *case[1], "--data", tmp_path / "tiny.npz", "--out_dir", case[2] / "out" / case[0],
        cwd=tmp_path, env={**os.environ, "HOME": str(case[2])}), cases)
    for process in done.values():
        assert process.returncode == 0, process.stderr  # where Matplotlib may say that it makes its cache
    for name in ("keras_gan", "keras_dcgan"):
        losses = [np.array(pickle.loads((home / "out" / name / "train_losses.pkl").read_bytes()))
                  for home in (tmp_path, tmp_path / "nobody")]
        np.testing.assert_allclose(*losses, rtol=1e-5)


def test_the_faces_dcgan_trains_on_digits(tmp_path):
    (tmp_path / "digits").mkdir()
    for i, image in enumerate(mnist.load()[0][:64]):
        iio.imwrite(tmp_path / "digits" / f"{i:02d}.png", (image * 255).astype(np.uint8))
    process = run_script("gantut_trainer.py", "--dataset", "digits", "--c_dim", 1, "--image_size", 32, "--is_crop",
                         "--gf_dim", 4, "--df_dim", 4, "--z_dim", 8, "--batch_size", 32, "--epoch", 1, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("Epoch [") == 2
    assert iio.imread(tmp_path / "samples" / "epoch_00.png").shape[:2] == (256, 256)
