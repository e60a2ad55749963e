"""A trained network for other runtimes, and two HTML pages that work offline: one that draws, and the quiz.

A SavedModel, an ONNX file or a TensorFlow Lite file contains one network and its numbers: gantut_sample.py --mode
export passes the class and the numbers; docs/export.md says how to load the file. Both networks use images in [0, 1],
so that the generator's output can be given to the discriminator as it is.
--mode page: page.html contains the generator and computes with TensorFlow.js, which is in tfjs/ with its licence.
--mode quiz: real or fake? quiz.html contains its pictures.
"""
import base64
import html
import io
import json
import logging
import math
import os
import re
import zlib

import numpy as np
import tensorflow
import tensorflow.compat.v1 as tf
from PIL import Image
from scipy.sparse.linalg import svds
from tensorflow.python.eager.context import eager_mode

from gantut.errors import UserError, all_whole, temporary_folder, write_whole, writing
from gantut.paths import in_words
from gantut.seeding import random_state

FORMATS = {"saved_model": "export", "onnx": "export.onnx", "tflite": "export.tflite"}  # with the default of --out
OPSET = 17  # of ONNX, from 2022: runtimes of today and of some years ago read it
HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = ["tf-core.es2017.min.js", "tf-backend-wasm.es2017.min.js", "tf-backend-webgl.es2017.min.js"]
DIRECTIONS = 6  # sliders
LOOKS = 4000  # z from which the directions are computed


def export_network(DCGAN, sizes, numbers, network, form, out):
    """Write one network of a model to out, with batch norm in evaluation mode; it takes any number of images at once.

    DCGAN: the class. sizes: its arguments. numbers: arrays by the names of its variables. network: "G" maps z, float32
    [N, z_dim] in [-1, 1], to images, float32 [N, size, size, c_dim] in [0, 1]; "D" maps images to the probability of
    being real and its logits, [N, 1]. form: one of FORMATS. Raises UserError if out cannot be written, or already
    exists and a SavedModel is asked for, or if a package is not installed.
    """
    if form == "saved_model" and os.path.lexists(out) and not (os.path.isdir(out) and not os.listdir(out)):
        raise UserError(f"cannot write {out}: it exists already; remove it, or give another --out")
    for converter in ("absl", "tf2onnx"):  # they would log every step
        logging.getLogger(converter).setLevel(logging.WARNING)
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        dcgan = frozen(DCGAN, numbers)(sess, **sizes)
        inputs, outputs = signature(dcgan, network)
        if form == "saved_model":
            folder, name = os.path.split(os.path.realpath(out))
            with writing(out), all_whole(folder) as part:
                tf.saved_model.simple_save(sess, os.path.join(part, name), inputs, outputs)
            return
        data = onnx_model(graph, inputs, outputs) if form == "onnx" else tflite_model(sess, inputs, outputs)
    with writing(out):
        write_whole(out, data)


def signature(dcgan, network):
    """The inputs and outputs of a network: two dicts of tensors by name."""
    if network == "G":
        z = tf.placeholder(tf.float32, [None, dcgan.z_dim], name="z")
        return {"z": z}, {"images": tf.identity((dcgan.generator(z) + 1) / 2, name="images")}
    images = tf.placeholder(tf.float32, [None] + dcgan.image_shape, name="images")
    probability, logits = dcgan.discriminator(images * 2 - 1)
    return {"images": images}, {"probability": probability, "logits": logits}


def tflite_model(sess, inputs, outputs):
    """The bytes of a TensorFlow Lite model, whose signature serving_default has the names of inputs and outputs."""
    with temporary_folder() as folder:
        tf.saved_model.simple_save(sess, folder + "/model", inputs, outputs)
        with eager_mode():  # otherwise it is the converter of TensorFlow 1, which leaves the signature out
            return tensorflow.lite.TFLiteConverter.from_saved_model(folder + "/model").convert()


def onnx_model(graph, inputs, outputs):
    """The bytes of an ONNX model, whose tensors have the names of inputs and outputs."""
    try:
        from tf2onnx.convert import from_graph_def
    except ImportError as error:
        raise UserError(in_words(f"--format onnx needs tf2onnx ({error}): pip install '.[export]'")) from None
    names = {tensor.name: name for name, tensor in {**inputs, **outputs}.items()}
    model, _ = from_graph_def(graph.as_graph_def(), "gantut", [tensor.name for tensor in inputs.values()],
                              [tensor.name for tensor in outputs.values()], OPSET, tensors_to_rename=names)
    for one in [*model.graph.input, *model.graph.output]:
        one.type.tensor_type.shape.dim[0].dim_param = "N"
    return model.SerializeToString()


def frozen(DCGAN, numbers):
    """A DCGAN in evaluation mode with numbers as constants instead of variables: for one network."""

    class FrozenDCGAN(DCGAN):
        def build_model(self):
            self.is_training = False
            self.d_bns, self.g_bns = (list(map(frozen_norm, bns)) for bns in (self.d_bns, self.g_bns))

        def generator(self, z):
            with constants():
                return super().generator(z)

        def discriminator(self, image, reuse=False):
            with constants():
                return super().discriminator(image, reuse)

    def constants():
        return tf.variable_scope(tf.get_variable_scope(), custom_getter=lambda getter, name, **_: tf.constant(
            numbers[name]))

    return FrozenDCGAN


def frozen_norm(bn):
    """Only the evaluation mode of a batch_norm: constants cannot be updated."""

    def normalise(x, train):
        with tf.variable_scope(bn.name):
            mean, variance, beta, gamma = (tf.get_variable(name, x.get_shape()[-1:]) for name in (
                "moving_mean", "moving_variance", "beta", "gamma"))
            return tf.nn.batch_normalization(x, mean, variance, beta, gamma, bn.epsilon)

    return normalise


def make_page(numbers, epsilon, seed):
    """The page, as a str, for a generator's numbers, {name of the variable: array}.

    epsilon: of its batch norm. seed: face i on the page is sample i of this seed.
    """
    layers = fold(numbers, epsilon)
    matrix, bias = layers[0]
    model = {"seed": seed, "purpose": zlib.crc32(b"sample"),
             "directions": directions(matrix, bias, random_state(seed, "directions")).tolist(),
             "layers": [{"shape": w.shape, "w": encode(w, "<f2"), "b": encode(b, "<f4")} for w, b in layers]}
    parts = {"MODEL": json.dumps(model), "LICENCES": html.escape(read("tfjs/LICENSE") + "\n" + read("tfjs/NOTICES")),
             "LIBRARY": "\n".join(script(read("tfjs/" + name)) for name in LIBRARY), "WASM": base64.b64encode(
                 read_bytes("tfjs/tfjs-backend-wasm-simd.wasm")).decode()}
    return re.sub("|".join("{{%s}}" % name for name in parts), lambda found: parts[found[0][2:-2]], read("page.html"))


def fold(numbers, epsilon):
    """The generator's layers in evaluation mode, with batch norm folded into the layer before it.

    Returns a list of (weights, biases), float32: first [z_dim, 4 * 4 * channels], then [5, 5, channels out, in].
    """
    scope, layers = "generator/", []
    while True:
        i = len(layers)
        name, w, b = ("g_h0_lin", "Matrix", "bias") if i == 0 else (f"g_h{i}", "w", "biases")
        if scope + name + "/" + w not in numbers:
            return layers
        w, b = numbers[scope + name + "/" + w], numbers[scope + name + "/" + b]
        if scope + f"g_h{i + 1}/w" in numbers:  # the last layer has none
            beta, gamma, mean, variance = (numbers[scope + f"g_bn{i}/{one}"] for one in (
                "beta", "gamma", "moving_mean", "moving_variance"))
            scale = gamma / np.sqrt(variance + epsilon)
            shift = beta - mean * scale
            times = len(b) // len(scale)  # the first layer has each channel at 4 x 4 positions
            w = w * (np.tile(scale, times) if i == 0 else scale[:, np.newaxis])
            b = b * np.tile(scale, times) + np.tile(shift, times)
        layers.append((np.float32(w), np.float32(b)))


def directions(matrix, bias, rng):
    """The directions of z along which the first layer's output varies most: [DIRECTIONS, z_dim], the strongest first.

    As in GANSpace (Härkönen et al. 2020, arXiv 2004.02546): the principal components of the outputs over many z,
    mapped back to z by least squares. The length of each is the standard deviation of its component in z.
    """
    z = np.float32(rng.uniform(-1, 1, [LOOKS, len(matrix)]))
    results = np.maximum(z @ matrix + bias, 0)
    results -= results.mean(axis=0)
    count = min(DIRECTIONS, len(matrix))
    u, s, _ = svds(results, k=count, v0=np.ones(min(results.shape), np.float32))
    components = u[:, np.argsort(-s)] * np.sqrt(LOOKS)  # of variance 1, and orthogonal
    found = components.T @ z / LOOKS
    return found * np.sign(found.sum(axis=1, keepdims=True))  # the sign is arbitrary


def encode(array, dtype):
    return base64.b64encode(array.astype(dtype).tobytes()).decode()


def script(text):
    """A script for the page, without the line that makes debuggers ask for another file."""
    text = re.sub("//# sourceMappingURL=.*", "", text).strip()
    return f"<script>{text}</script>"


def read(name):
    return read_bytes(name).decode("utf-8")


def read_bytes(name):
    with open(os.path.join(HERE, name), "rb") as file:
        return file.read()


def make_quiz(real, fake, rng):
    """The page, as a str, that asks for each picture whether it is real, in a random order from rng.

    real, fake: uint8 [N, h, w, 1 or 3]. The answers are encoded (base64), so that neither the page's text nor its
    structure shows them before the player has answered.
    """
    pictures = [*real, *fake]
    truth = "r" * len(real) + "f" * len(fake)
    order = rng.permutation(len(pictures))
    quiz = {"pictures": [data_uri(pictures[i]) for i in order],
            "key": base64.b64encode("".join(truth[i] for i in order).encode()).decode(),
            "chances": chances(len(pictures))}
    return read("quiz.html").replace("QUIZ", json.dumps(quiz))


def data_uri(picture):
    """A picture, uint8 [h, w, 1 or 3], as a data URI of a PNG."""
    file = io.BytesIO()
    Image.fromarray(np.squeeze(picture, 2) if picture.shape[2] == 1 else picture).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def chances(n):
    """For each score 0..n, the probability of reaching it or more by guessing, 50 % each time (binomial, exact)."""
    ways = [math.comb(n, k) for k in range(n + 1)]
    return [sum(ways[k:]) / 2**n for k in range(n + 1)]
