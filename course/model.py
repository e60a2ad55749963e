"""The checks of class DCGAN, method by method in the tutorial's order, against TensorFlow's own operators.

train() is checked in training.py.
"""
import contextlib
import glob
import os
import tempfile

import numpy as np
import tensorflow.compat.v1 as tf

from .functions import session, set_all
from .judging import Unkept, Wrong, attempt, compare, is_empty, load, need, ours
from .pictures import refuses_small_pictures

SIZES = dict(image_size=64, batch_size=4, sample_size=4, gf_dim=8)  # the text's D works only for 64 x 64, 64 filters
FORGOTTEN = ": the text forgets it, but build_model() needs lowres, 8, and lowres_size = image_size // lowres"
HELPERS = ["conv2d", "lrelu", "linear", "conv2d_transpose"]
D_LAYERS = ["d_h00_conv", "d_h1_conv", "d_h2_conv", "d_h3_conv"]
D_FILTERS = [64, 128, 256, 512]
G_FILTERS = [64, 64, 32, 16]  # with SIZES


def model_class(with_ours=False):
    """The reader's DCGAN. with_ours: use the project's versions of the helpers that come later in the text."""
    module = load("gantut_gan")
    for name in HELPERS:
        source = ours("gantut_datafuncs") if with_ours else load("gantut_datafuncs")
        if with_ours or hasattr(module, name):
            setattr(module, name, getattr(source, name))
    if with_ours:
        empty = [name for name in HELPERS if is_empty(getattr(load("gantut_datafuncs"), name, None))]
        if empty:
            print(f"({', '.join(empty)} to be written later: the project's own are used)")
    return module.DCGAN


def bare(DCGAN, sess):
    """A DCGAN as __init__ leaves it before it builds the graph."""
    dcgan = object.__new__(DCGAN)
    make = load("gantut_datafuncs").batch_norm
    dcgan.__dict__.update(
        sess=sess, is_crop=False, image_shape=[64, 64, 3], z_dim=100, df_dim=64, gfc_dim=1024, dfc_dim=1024, lam=0.1,
        c_dim=3, lowres=8, lowres_size=8, checkpoint_dir=None, model_name="DCGAN.model",
        d_bns=[make(name=f"d_bn{i}") for i in range(4)],
        g_bns=[make(name=f"g_bn{i}") for i in range(6)],
        is_training=tf.placeholder(tf.bool, name="is_training"), **SIZES)
    return dcgan


def init(_):
    DCGAN = model_class()
    built = []
    Model = type("DCGAN", (DCGAN,), {"build_model": lambda self: built.append(dict(vars(self)))})
    with session() as sess:
        call = "DCGAN(sess, image_size=32, batch_size=5, z_dim=7, gf_dim=8, df_dim=9, c_dim=1, checkpoint_dir='c')"
        dcgan = attempt(call, Model, sess, image_size=32, batch_size=5, sample_size=6, z_dim=7, gf_dim=8, df_dim=9,
                        gfc_dim=10, dfc_dim=11, c_dim=1, checkpoint_dir="c", lam=0.3)
        expected = dict(sess=sess, image_size=32, batch_size=5, sample_size=6, z_dim=7, gf_dim=8, df_dim=9, gfc_dim=10,
                        dfc_dim=11, c_dim=1, checkpoint_dir="c", lam=0.3, is_crop=False, image_shape=[32, 32, 1],
                        lowres=8, lowres_size=4)
        for name, value in expected.items():
            need(hasattr(dcgan, name), f"self.{name} is not set{FORGOTTEN if 'lowres' in name else ''}")
            need(getattr(dcgan, name) == value, f"self.{name} is {getattr(dcgan, name)}, expected {value}")
        need(len(built) == 1, f"build_model() is called {len(built)} times, expected once")
        for name in ("d_bns", "g_bns", "lowres_size", "checkpoint_dir"):
            need(name in built[0], f"build_model() is called before self.{name} is set")
        names = [bn.name for bn in dcgan.d_bns]
        need(names == ["d_bn0", "d_bn1", "d_bn2", "d_bn3"], f"the names of d_bns are {names}, expected d_bn0 to d_bn3: "
             "they are the variables' names")
        names = [bn.name for bn in dcgan.g_bns]
        need(names == [f"g_bn{i}" for i in range(5)], f"the names of g_bns are {names}, expected g_bn0 to g_bn4 for "
             "32 x 32: log(32) / log(2) = 5")
        need(dcgan.model_name == "DCGAN.model", f"self.model_name is {dcgan.model_name}")
        for size in (48, 4):
            try:
                with contextlib.suppress(AssertionError, ValueError):
                    Model(sess, image_size=size)
                    raise Wrong(f"image_size={size} is accepted: it must be a power of two, 8 or more")
            except NotImplementedError:
                pass


def normalised(x, values, name, training):
    mean, variance = tf.nn.moments(x, [0, 1, 2]) if training else (values[name + "/moving_mean"],
                                                                   values[name + "/moving_variance"])
    return tf.nn.batch_normalization(x, tf.cast(mean, x.dtype), tf.cast(variance, x.dtype), values[name + "/beta"],
                                     values[name + "/gamma"], 1e-5)


def reference_d(image, values, training):
    """D's logits, with TensorFlow's operators and the values of its variables, by name."""
    h = image
    for i, layer in enumerate(D_LAYERS):
        scope = "discriminator/" + layer
        h = tf.nn.bias_add(tf.nn.conv2d(h, values[scope + "/w"], [1, 2, 2, 1], "SAME"), values[scope + "/biases"])
        h = tf.nn.leaky_relu(h if i == 0 else normalised(h, values, f"discriminator/d_bn{i - 1}", training))
    return tf.matmul(tf.reshape(h, [-1, 8192]), values["discriminator/d_h4_lin/Matrix"]) + values[
        "discriminator/d_h4_lin/bias"]


def reference_g(z, values, training):
    filters = SIZES["gf_dim"]
    h = tf.matmul(z, values["generator/g_h0_lin/Matrix"]) + values["generator/g_h0_lin/bias"]
    h = tf.nn.relu(normalised(tf.reshape(h, [-1, 4, 4, 8 * filters]), values, "generator/g_bn0", training))
    for i, channels in enumerate([8 * filters, 4 * filters, 2 * filters, 3], 1):
        scope, size = f"generator/g_h{i}", 4 * 2**i
        h = tf.nn.bias_add(tf.nn.conv2d_transpose(h, values[scope + "/w"], [SIZES["batch_size"], size, size, channels],
                                                  [1, 2, 2, 1]), values[scope + "/biases"])
        h = tf.nn.relu(normalised(h, values, f"generator/g_bn{i}", training)) if i < 4 else tf.nn.tanh(h)
    return h


def small_values(sess):
    """Set all variables so that neither network saturates; returns them, float32, by name."""
    values = set_all(sess)
    for var in tf.global_variables():
        if var.op.name.endswith(("/w", "/Matrix")):
            values[var.op.name] *= 0.06
        values[var.op.name] = values[var.op.name].astype(np.float32)
        var.load(values[var.op.name], sess)
    return values


def check_variables(call, expected, scope):
    """Raise Wrong unless the variables are the expected ones, {name: shape}."""
    found = {var.op.name: var.shape.as_list() for var in tf.global_variables()}
    for name in sorted(expected.keys() - found.keys()):
        in_scope = any(one.startswith(scope) for one in found)
        hint = "" if in_scope else f'; is it in tf.variable_scope("{scope}")?'
        raise Wrong(f"{call} has no variable {name}{hint}")
    extra = sorted(found.keys() - expected.keys())
    need(not extra, f"{call} has variables that the text does not have, for example {extra and extra[0]}")
    for name, shape in expected.items():
        need(found[name] == shape, f"{call}: {name} has the shape {found[name]}, expected {shape}")


def norm_variables(name, filters):
    """The variables of a batch norm, {name: shape}."""
    return {f"{name}/{one}": [filters] for one in ("beta", "gamma", "moving_mean", "moving_variance")}


def d_variables():
    """The variables of D, {name: shape}."""
    found = {}
    for i, (layer, channels, filters) in enumerate(zip(D_LAYERS, [3, *D_FILTERS], D_FILTERS)):
        name = "discriminator/" + layer
        found.update({name + "/w": [5, 5, channels, filters], name + "/biases": [filters]})
        found.update(norm_variables(f"discriminator/d_bn{i - 1}", filters) if i else {})
    return {**found, "discriminator/d_h4_lin/Matrix": [8192, 1], "discriminator/d_h4_lin/bias": [1]}


def g_variables():
    """The variables of G, {name: shape}."""
    n = 16 * G_FILTERS[0]
    found = {"generator/g_h0_lin/Matrix": [100, n], "generator/g_h0_lin/bias": [n]}
    for i, (channels, filters) in enumerate(zip(G_FILTERS, [*G_FILTERS[1:], 3])):
        name = f"generator/g_h{i + 1}"
        found.update({name + "/w": [5, 5, filters, channels], name + "/biases": [filters]})
        found.update(norm_variables(f"generator/g_bn{i}", channels))
    return found


def discriminator(_):
    DCGAN = model_class(with_ours=True)
    with session() as sess:
        dcgan = bare(DCGAN, sess)
        image = tf.placeholder(tf.float32, [None, 64, 64, 3])
        call = "discriminator(image) of image [4, 64, 64, 3]"
        result = attempt(call, dcgan.discriminator, image)
        what = "nothing" if result is None else "one thing"
        need(isinstance(result, (tuple, list)) and len(result) == 2,
             f"{call} returns {what}: the text returns the probabilities and the logits")
        norms = [var.op.name for var in tf.global_variables() if var.op.name.endswith("/beta")]
        need(len(norms) < 4, "there are four batch norms: the text's first layer has none")
        need("discriminator/d_bn3/beta" not in norms, "d_bns[3] is used: the text's three are d_bns[0] to d_bns[2]")
        check_variables(call, d_variables(), "discriminator")
        n = len(tf.global_variables())
        call_again = "discriminator(image, reuse=True)"
        try:
            again = attempt(call_again, dcgan.discriminator, image, reuse=True)
        except Wrong as wrong:
            hint = " (reuse must reach the scope: scope.reuse_variables())" if "already exists" in str(wrong) else ""
            raise Wrong(f"{wrong}{hint}") from None
        need(len(tf.global_variables()) == n, f"{call_again} has made new variables: D has two sets of weights")
        values = small_values(sess)
        x = np.random.RandomState(0).uniform(-1, 1, [4, 64, 64, 3]).astype(np.float32)
        for training in (False, True):
            logits, other = sess.run([reference_d(tf.constant(x), values, one) for one in (training, not training)])
            feed = {image: x, dcgan.is_training: training}
            words = f"{call}, is_training {training}"
            got = sess.run(list(result), feed)
            sigmoid = 1 / (1 + np.exp(-logits))
            compare("the logits of " + words, got[1], logits, [
                ("is_training is ignored", other), ("probabilities and logits are exchanged", sigmoid)], 5e-3)
            compare("the probabilities of " + words, got[0], sigmoid, [
                ("the sigmoid is applied twice", 1 / (1 + np.exp(-sigmoid))),
                ("these are the logits: the sigmoid is missing", logits)], 5e-3)
        compare(call_again, sess.run(again[1], feed), logits, tolerance=5e-3)


def generator(_):
    DCGAN = model_class(with_ours=True)
    with session() as sess:
        dcgan = bare(DCGAN, sess)
        z = tf.placeholder(tf.float32, [None, 100])
        call = "generator(z) of z [4, 100]"
        G = attempt(call, dcgan.generator, z)
        what = "nothing: is there a return?" if G is None else "no tensor"
        need(tf.is_tensor(G), f"{call} returns {what}")
        check_variables(call, g_variables(), "generator")
        values = small_values(sess)
        x = np.random.RandomState(0).uniform(-1, 1, [4, 100]).astype(np.float32)
        for training in (False, True):
            images, other = sess.run([reference_g(tf.constant(x), values, one) for one in (training, not training)])
            words = f"{call}, is_training {training}"
            linear = np.arctanh(images.clip(-1 + 1e-7, 1 - 1e-7))
            compare(words, sess.run(G, {z: x, dcgan.is_training: training}), images, [
                ("is_training is ignored", other), ("the tanh is missing: images must lie in [-1, 1]", linear),
                ("it ends in a sigmoid, not in tanh: images lie in [0, 1]", 1 / (1 + np.exp(-linear)))], 5e-3)
        need(all(hasattr(dcgan, name) for name in ("z_", "h0_w", "h0_b")), "self.z_, self.h0_w and self.h0_b are not "
             "kept: linear(..., with_w=True) returns them")


def entropy(logits, label):
    return np.mean(np.maximum(logits, 0) - logits * label + np.log1p(np.exp(-abs(logits))))


def build_model(_):
    with session() as sess:
        dcgan = bare(model_class(), sess)
        del dcgan.is_training
        attempt("build_model()", dcgan.build_model)
        for name in ("is_training", "images", "z", "G", "D", "D_logits", "D_", "D_logits_", "d_loss_real",
                     "d_loss_fake", "d_loss", "g_loss", "d_vars", "g_vars", "saver", "z_sum", "d_sum", "d__sum",
                     "G_sum", "d_loss_real_sum", "d_loss_fake_sum", "d_loss_sum", "g_loss_sum", "lowres_images",
                     "lowres_G"):
            need(hasattr(dcgan, name), f"build_model() does not set self.{name}")
        need(dcgan.images.shape.as_list()[1:] == [64, 64, 3],
             f"self.images has the shape {dcgan.images.shape}, expected [None] + image_shape")
        need(dcgan.z.shape.as_list()[1:] == [100], f"self.z has the shape {dcgan.z.shape}, expected [None, z_dim]")
        scopes = {var.op.name.split("/")[0] for var in tf.global_variables()}
        need(scopes == {"generator", "discriminator"}, f"there are variables in the scopes {', '.join(sorted(scopes))}"
             ": does D have more than one set of weights? use reuse=True for the fakes")
        for name, scope in (("d_vars", "discriminator"), ("g_vars", "generator")):
            wanted = {var.op.name for var in tf.trainable_variables() if var.op.name.startswith(scope)}
            got = {var.op.name for var in getattr(dcgan, name)}
            what = "variables of the other network" if got - wanted else f"not all of the {scope}'s"
            need(got == wanted, f"self.{name} has {what}, for example {min(got ^ wanted, default='')}")
        small_values(sess)
        rng = np.random.RandomState(0)
        feed = {dcgan.images: rng.uniform(-1, 1, [4, 64, 64, 3]), dcgan.z: rng.uniform(-1, 1, [4, 100]),
                dcgan.is_training: False}
        names = ["D_logits", "D_logits_", "d_loss_real", "d_loss_fake", "d_loss", "g_loss", "G", "D_", "lowres_images",
                 "lowres_G"]
        got = dict(zip(names, sess.run([getattr(dcgan, name) for name in names], feed)))
        real, fake = got["D_logits"], got["D_logits_"]
        again = sess.run(dcgan.D_logits, {dcgan.images: got["G"], dcgan.is_training: False})
        compare("D's judgement of G(z), self.D_logits_,", fake, again, [("it is that of the real images", real)])
        twice = [1 / (1 + np.exp(-x)) for x in (real, fake)]
        for name, logits, label, again in (("d_loss_real", real, 1, twice[0]), ("d_loss_fake", fake, 0, twice[1]),
                                           ("g_loss", fake, 1, twice[1])):
            compare("self." + name, got[name], entropy(logits, label), [
                (f"labels are exchanged: {'D(x)' if logits is real else 'D(G(z))'} is compared to {1 - label}, not to "
                 f"{label}", entropy(logits, 1 - label)),
                ("the sigmoid is applied twice: give the loss the logits, not the probabilities",
                 entropy(again, label)),
                ("it is not the mean over the batch, but its sum", entropy(logits, label) * len(logits)),
                ("it uses the wrong images", entropy(real if logits is fake else fake, label))])
        compare("self.d_loss", got["d_loss"], got["d_loss_real"] + got["d_loss_fake"], [
            ("the fakes are left out", got["d_loss_real"]), ("the real ones are left out", got["d_loss_fake"]),
            ("it is half the sum", (got["d_loss_real"] + got["d_loss_fake"]) / 2),
            ("the losses are subtracted", got["d_loss_real"] - got["d_loss_fake"])])
        blocks = [feed[dcgan.images], got["G"]]
        for name, images in zip(("lowres_images", "lowres_G"), blocks):
            compare("self." + name, got[name], images.reshape([4, 8, 8, 8, 8, 3]).mean(axis=(2, 4)))


def notes():
    """Notes on code that is right as in the text, but not at 32 x 32 with 16 filters, as docs/course.md trains."""
    words = []
    other = "right at the text's size, 64 x 64 with 64 filters, not at others: "
    if not refuses_small_pictures(load("gantut_imgfuncs").center_crop):
        words.append("center_crop() takes its window from the wrong place if a picture is smaller, as in the text: "
                     "raise ValueError")
    try:
        right = load("gantut_imgfuncs").transform(np.zeros([40, 40, 3]), 32).shape[:2] == (32, 32)
    except ValueError:  # its center_crop() refuses a picture that is smaller than 64 x 64
        right = False
    if not right:
        words.append(other + "transform() crops to 64 x 64, whatever npx is: center_crop(image, npx, resize_w=npx)")
    with session() as sess:
        try:
            dcgan = model_class()(sess, image_size=32, batch_size=4, sample_size=4, gf_dim=16, df_dim=16)
            sess.run(tf.global_variables_initializer())
            feed = {dcgan.images: np.zeros([4, 32, 32, 3]), dcgan.is_training: False}
            right = sess.run(dcgan.D, feed).shape == (4, 1)
        except (ValueError, tf.errors.InvalidArgumentError):
            right = False
    if not right:
        words.append(other + "discriminator() reshapes to 8192, in general it is np.prod(h3.get_shape().as_list()[1:])")
    return words


@contextlib.contextmanager
def inside(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def built():
    """A session with the reader's model in a graph of its own."""
    sess = session()
    attempt_class = model_class()
    return sess, attempt("DCGAN(sess)", attempt_class, sess, **SIZES)


def save(_):
    sess, dcgan = built()
    with sess, tempfile.TemporaryDirectory() as folder:
        sess.run(tf.global_variables_initializer())
        target = os.path.join(folder, "new", "checkpoint")
        quietly("save('checkpoint', 7), where there is no such folder,", dcgan.save, target, 7)
        found = sorted(os.path.basename(path) for path in glob.glob(os.path.join(target, "*.index")))
        need(found == ["DCGAN.model-7.index"], f"save(checkpoint_dir, 7) writes {found or 'no checkpoint'}, expected "
             "DCGAN.model-7.index: global_step=step")
        names = {name for name, _ in tf.train.list_variables(target)}
        need(any("moving_mean" in name for name in names), "the checkpoint has no moving averages")


def load_(_):
    sess, dcgan = built()
    with sess, tempfile.TemporaryDirectory() as folder:
        sess.run(tf.global_variables_initializer())
        first = sess.run(tf.global_variables())
        with inside(folder):
            result = quietly("load(checkpoint_dir), where there is no checkpoint,", dcgan.load,
                             os.path.join(folder, "none"))
        need(result is False or result is not None and not result,
             f"load() returns {result} where there is no checkpoint, expected False")
        path = os.path.join(folder, "checkpoint")
        os.makedirs(path)
        tf.train.Saver().save(sess, os.path.join(path, "DCGAN.model"), global_step=3)
        for var in tf.global_variables():
            var.load(np.ones(var.shape.as_list()), sess)
        result = quietly("load(checkpoint_dir)", dcgan.load, path)
        need(all(np.array_equal(a, b) for a, b in zip(first, sess.run(tf.global_variables()))),
             "load() has not restored the variables: saver.restore(sess, path)")
        need(result, f"load() returns {result} although it has restored a checkpoint, expected True")


def quietly(call, function, *args):
    with contextlib.redirect_stdout(Unkept()):
        return attempt(call, function, *args)
