"""Checks that the NumPy reference is itself right: against SciPy, finite differences and numbers computed by hand."""

import numpy as np
import pytest
import reference
from reference import Reference, random_params
from scipy.signal import convolve2d, correlate2d

pytestmark = pytest.mark.quick

MODEL = {"image_size": 16, "c_dim": 3, "gf_dim": 2, "df_dim": 2, "z_dim": 5}
GREY_8 = {"image_size": 8, "c_dim": 1, "gf_dim": 2, "df_dim": 3, "z_dim": 4}
GREY_32 = {"image_size": 32, "c_dim": 1, "gf_dim": 1, "df_dim": 1, "z_dim": 3}
MODELS = pytest.mark.parametrize("model", [MODEL, GREY_8, GREY_32], ids=["16px", "8px", "32px"])


def sharp(model, seed=0, **kwargs):
    """A model in which no term vanishes because of a zero, a one or a tiny weight."""
    return Reference(random_params(**model, seed=seed, stddev=0.3, spread=0.5), **model, **kwargs)


def batch(model, n=4, seed=1):
    rng = np.random.default_rng(seed)
    size, c_dim = model["image_size"], model["c_dim"]
    return rng.uniform(-1, 1, (n, model["z_dim"])), rng.uniform(-1, 1, (n, size, size, c_dim))


@pytest.mark.parametrize("size", [1, 2, 4, 5, 7, 8, 16])
def test_conv2d_is_scipys_correlation_on_the_padded_picture(size):
    rng = np.random.default_rng(size)
    x, w = rng.normal(size=(2, size, size, 3)), rng.normal(size=(5, 5, 3, 4))
    before, after = (1, 2) if size % 2 == 0 else (2, 2)
    padded = np.pad(x, [(0, 0), (before, after), (before, after), (0, 0)])
    for n in range(2):
        for k in range(4):
            expected = sum(correlate2d(padded[n, :, :, c], w[:, :, c, k], mode="valid")[::2, ::2] for c in range(3))
            np.testing.assert_allclose(reference.conv2d(x, w)[n, :, :, k], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_conv2d_transpose_and_filter_gradient_are_adjoints(size):
    rng = np.random.default_rng(size)
    x, w = rng.normal(size=(2, size, size, 3)), rng.normal(size=(5, 5, 3, 4))
    ax = reference.conv2d(x, w)
    y = rng.normal(size=ax.shape)
    back = reference.conv2d_transpose(y, w, size)
    assert back.shape == x.shape
    assert np.sum(ax * y) == pytest.approx(np.sum(x * back), rel=1e-12)
    assert np.sum(ax * y) == pytest.approx(np.sum(w * reference.filter_gradient(x, y)), rel=1e-12)


def test_conv2d_transpose_doubles_the_size():
    assert reference.conv2d_transpose(np.ones((2, 4, 4, 6)), np.ones((5, 5, 3, 6))).shape == (2, 8, 8, 3)


def test_variables_of_the_tutorials_model():
    shapes = reference.variable_shapes(64, 3, 64, 64, 100)
    assert shapes["generator/g_h0_lin/Matrix"] == (100, 8192)
    kernels = [shapes[f"generator/g_h{i}/w"] for i in range(1, 5)]
    assert kernels == [(5, 5, 512, 512), (5, 5, 256, 512), (5, 5, 128, 256), (5, 5, 3, 128)]
    kernels = [shapes[f"discriminator/{name}_conv/w"] for name in ("d_h00", "d_h1", "d_h2", "d_h3")]
    assert kernels == [(5, 5, 3, 64), (5, 5, 64, 128), (5, 5, 128, 256), (5, 5, 256, 512)]
    assert shapes["discriminator/d_h4_lin/Matrix"] == (8192, 1)
    assert [shapes[f"generator/g_bn{i}/gamma"] for i in range(4)] == [(512,), (512,), (256,), (128,)]
    assert [shapes[f"discriminator/d_bn{i}/gamma"] for i in range(3)] == [(128,), (256,), (512,)]
    assert len(shapes) == 2 + 4 * 4 + 4 * 2 + 4 * 2 + 3 * 4 + 2


def test_depth_never_falls_below_gf_dim():
    shapes = reference.variable_shapes(256, 3, 4, 4, 10)
    assert [shapes[f"generator/g_bn{i}/beta"] for i in range(6)] == [(32,), (32,), (16,), (8,), (4,), (4,)]
    assert shapes["generator/g_h6/w"] == (5, 5, 3, 4)


def test_random_params_start_as_the_tutorial_says():
    params = random_params(16, 3, 8, 16, 20, seed=0)
    assert np.std(params["generator/g_h1/w"]) == pytest.approx(0.02, rel=0.05)
    assert np.std(params["discriminator/d_h4_lin/Matrix"]) == pytest.approx(0.02, rel=0.2)
    truncated = params["discriminator/d_h3_conv/w"]
    assert np.abs(truncated).max() <= 0.04
    assert np.std(truncated) == pytest.approx(0.02 * 0.8796, rel=0.02)  # a normal cut at two standard deviations
    assert np.all(params["generator/g_bn0/gamma"] == 1) and np.all(params["discriminator/d_h4_lin/bias"] == 0)


@MODELS
def test_shapes_and_range(model):
    z, images = batch(model)
    fakes, real, fake = sharp(model).forward(z, images, train=True)
    assert fakes.shape == images.shape and np.abs(fakes).max() < 1
    assert real.shape == fake.shape == (4, 1)


def test_forward_is_the_tutorials_sequence_of_layers():
    """Line by line with SciPy's two-dimensional filters, in evaluation mode, for one picture."""
    model, (z, _) = sharp(GREY_8), batch(GREY_8, n=1)
    params = model.params

    def normal(x, name):
        beta, gamma, mean, variance = (
            params[f"{name}/{kind}"] for kind in ("beta", "gamma", "moving_mean", "moving_variance")
        )
        return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta

    def conv(x, name):
        w, before = params[name + "/w"], 1 + len(x) % 2
        padded = np.pad(x, [(before, 2), (before, 2), (0, 0)])
        maps = [
            sum(correlate2d(padded[:, :, c], w[:, :, c, k], "valid") for c in range(w.shape[2]))
            for k in range(w.shape[3])
        ]
        return np.stack(maps, axis=2)[::2, ::2] + params[name + "/biases"]

    h0 = z @ params["generator/g_h0_lin/Matrix"] + params["generator/g_h0_lin/bias"]
    h0 = np.maximum(normal(h0.reshape(4, 4, 16), "generator/g_bn0"), 0)
    stuffed, w = np.zeros((8, 8, 16)), params["generator/g_h1/w"]
    stuffed[::2, ::2] = h0
    h1 = sum(convolve2d(stuffed[:, :, c], w[:, :, 0, c]) for c in range(16))[1:9, 1:9, None]
    fake = np.tanh(h1 + params["generator/g_h1/biases"])

    h = conv(fake, "discriminator/d_h00_conv")
    h = np.where(h > 0, h, 0.2 * h)
    for i in range(3):
        h = normal(conv(h, f"discriminator/d_h{i + 1}_conv"), f"discriminator/d_bn{i}")
        h = np.where(h > 0, h, 0.2 * h)
    logit = h.ravel() @ params["discriminator/d_h4_lin/Matrix"] + params["discriminator/d_h4_lin/bias"]

    fakes, _, logits = model.forward(z, fake[None], train=False)
    np.testing.assert_allclose(fakes[0], fake, rtol=1e-10)
    np.testing.assert_allclose(logits[0], logit, rtol=1e-10)


def test_losses_are_the_logarithms_of_the_probabilities():
    z, images = batch(MODEL)
    _, real, fake = sharp(MODEL).forward(z, images, train=False)
    real, fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    expected = -np.log(1 - fake).mean(), -np.log(real).mean(), -np.log(fake).mean()
    np.testing.assert_allclose(sharp(MODEL).loss(z, images, train=False), expected, rtol=1e-10)
    assert reference.cross_entropy(np.array([[-800.0], [800.0]]), 1)[0] == 400


def assert_is_gradient(gradient, array, loss, name, samples=3, step=1e-6):
    """The largest entry of the gradient and a few others against central differences of the loss, changing `array`.

    The step is small because the loss has a kink wherever a relu's input crosses zero.
    """
    rng = np.random.default_rng(0)
    entries = {int(np.abs(gradient).argmax()), *rng.integers(0, array.size, samples).tolist()}
    for entry in entries:
        at = np.unravel_index(entry, array.shape)
        kept = array[at]
        array[at] = kept + step
        above = loss()
        array[at] = kept - step
        difference = (above - loss()) / (2 * step)
        array[at] = kept
        assert difference == pytest.approx(gradient[at], rel=1e-5, abs=1e-9), f"{name}{list(map(int, at))}"


@MODELS
@pytest.mark.parametrize("train", [True, False], ids=["training", "evaluation"])
def test_gradients_are_finite_differences(model, train):
    model_under_test, (z, images) = sharp(model), batch(model)
    if not train:
        model_under_test.loss(z, images, train=True)

    def d_loss():
        return sum(model_under_test.loss(z, images, train)[:2])

    def g_loss():
        return model_under_test.loss(z, images, train)[2]

    d_gradients = model_under_test.d_gradients(z, images, train)
    g_gradients, dz = model_under_test.g_gradients(z, train)
    trainable = {name for name in model_under_test.params if "moving_" not in name}
    assert d_gradients.keys() | g_gradients.keys() == trainable
    for gradients, loss in (d_gradients, d_loss), (g_gradients, g_loss):
        for name, gradient in gradients.items():
            assert gradient.shape == model_under_test.params[name].shape
            assert_is_gradient(gradient, model_under_test.params[name], loss, name)
    assert_is_gradient(dz, z, g_loss, "z", samples=8)


def test_adam_two_steps_worked_by_hand():
    """beta1 0.5, beta2 0.999, rate 0.1. The second weight's gradient is so small that the place of epsilon matters.

    Step 1: m = g/2, v = g*g/1000, rate 0.1 * sqrt(0.001)/0.5 = 0.006324555.
    Step 2: m = m/2 + g/2, v = 0.999v + g*g/1000, rate 0.1 * sqrt(0.001999)/0.75 = 0.005961357.
    """
    params, state = {"w": np.array([1.0, 1.0])}, {}
    reference.adam(params, {"w": np.array([1.0, 1e-6])}, state, 0.1, 0.5)
    first = [0.006324555 * 0.5 / 0.03162278, 0.006324555 * 5e-7 / (3.162278e-8 + 1e-8)]  # 0.1 and 0.07597
    np.testing.assert_allclose(1 - params["w"], first, rtol=1e-6)
    reference.adam(params, {"w": np.array([2.0, -1e-6])}, state, 0.1, 0.5)
    second = [0.005961357 * 1.25 / 0.07070361, 0.005961357 * -2.5e-7 / (4.471018e-8 + 1e-8)]  # 0.10539 and -0.02724
    np.testing.assert_allclose(1 - params["w"], np.add(first, second), rtol=1e-6)


def test_batch_norm_normalises_and_moves_its_averages():
    x = np.random.default_rng(0).normal(3, 2, (4, 2, 2, 1))
    start = {"bn/gamma": [2.0], "bn/beta": [0.5], "bn/moving_mean": [1.0], "bn/moving_variance": [5.0]}
    params = {name: np.array(value) for name, value in start.items()}

    net = reference.Pass(params, x, train=False)
    net.batch_norm("bn")
    np.testing.assert_allclose(net.x, 2 * (x - 1) / np.sqrt(5 + 1e-5) + 0.5)
    assert params["bn/moving_mean"] == 1 and params["bn/moving_variance"] == 5

    net = reference.Pass(params, x, train=True)
    net.batch_norm("bn")
    mean = x.sum() / 16
    variance = ((x - mean) ** 2).sum() / 16
    np.testing.assert_allclose(net.x, 2 * (x - mean) / np.sqrt(variance + 1e-5) + 0.5)
    np.testing.assert_allclose(params["bn/moving_mean"], [0.9 * 1 + 0.1 * mean])
    np.testing.assert_allclose(params["bn/moving_variance"], [0.9 * 5 + 0.1 * variance])


def first_conv(model, images):
    """What the discriminator's first batch norm sees, layer by layer."""
    params = model.params
    h0 = reference.conv2d(images, params["discriminator/d_h00_conv/w"]) + params["discriminator/d_h00_conv/biases"]
    h0 = np.where(h0 > 0, h0, 0.2 * h0)
    return reference.conv2d(h0, params["discriminator/d_h1_conv/w"]) + params["discriminator/d_h1_conv/biases"]


def test_round_moves_the_averages_in_the_tutorials_order():
    """At learning rate 0: the generator's averages three times, the discriminator's by real, then thrice by fake."""
    model, (z, images) = sharp(MODEL, learning_rate=0.0), batch(MODEL)
    start = dict(model.params)
    fakes, _, _ = sharp(MODEL).forward(z, images, train=True)
    model.round(z, images)

    h0 = (z @ start["generator/g_h0_lin/Matrix"] + start["generator/g_h0_lin/bias"]).reshape(4, 4, 4, 16)
    real, fake = first_conv(model, images), first_conv(model, fakes)
    for kind, of in ("moving_mean", np.mean), ("moving_variance", np.var):
        expected = 0.9**3 * start[f"generator/g_bn0/{kind}"] + (1 - 0.9**3) * of(h0, axis=(0, 1, 2))
        np.testing.assert_allclose(model.params[f"generator/g_bn0/{kind}"], expected)
        after_real = 0.9 * start[f"discriminator/d_bn0/{kind}"] + 0.1 * of(real, axis=(0, 1, 2))
        expected = 0.9**3 * after_real + (1 - 0.9**3) * of(fake, axis=(0, 1, 2))
        np.testing.assert_allclose(model.params[f"discriminator/d_bn0/{kind}"], expected)
    for name, value in model.params.items():
        assert "moving_" in name or np.array_equal(value, start[name])


def test_round_steps_d_once_and_g_twice():
    """Adam's first step is the learning rate wherever the gradient is not tiny, and evaluation changes nothing."""
    model, (z, images) = sharp(MODEL, learning_rate=0.001), batch(MODEL)
    start = dict(model.params)
    losses = model.round(z, images)
    assert model.d_state["t"] == 1 and model.g_state["t"] == 2

    step = np.abs(model.params["discriminator/d_h4_lin/Matrix"] - start["discriminator/d_h4_lin/Matrix"])
    np.testing.assert_allclose(step, 0.001, rtol=1e-3)
    step = np.abs(model.params["generator/g_h2/w"] - start["generator/g_h2/w"])
    assert np.median(step) == pytest.approx(0.002, rel=0.1)
    assert losses == model.loss(z, images, train=False)
