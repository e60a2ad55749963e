"""A trained network for other runtimes: a SavedModel, an ONNX file or a TensorFlow Lite file that holds its numbers.

gantut_sample.py --mode export hands over the class and the numbers; docs/export.md says how to load what it writes.
Both networks map images as [0, 1], so that what the generator returns can be given to the discriminator as it is.
"""
import logging
import os
import tempfile

import tensorflow
import tensorflow.compat.v1 as tf
from tensorflow.python.eager.context import eager_mode

from gantut.errors import UserError, all_whole, write_whole, writing

FORMATS = {"saved_model": "export", "onnx": "export.onnx", "tflite": "export.tflite"}  # and where to, if not told
OPSET = 17  # of ONNX, from 2022: what the runtimes of today and those of some years ago read


def export_network(DCGAN, sizes, numbers, network, form, out):
    """Write one network of a model, batch norm in evaluation mode, to out; any number of images a call.

    DCGAN: the class. sizes: its arguments. numbers: arrays by the names of its variables. network: "G" maps z, float32
    [N, z_dim] in [-1, 1], to images, float32 [N, size, size, c_dim] in [0, 1]; "D" maps images to probability and
    logits, [N, 1], of being real. form: one of FORMATS. Raises UserError if out cannot be written, or is there already
    and a SavedModel, or if a package is not installed.
    """
    if form == "saved_model" and os.path.lexists(out) and not (os.path.isdir(out) and not os.listdir(out)):
        raise UserError("cannot write {}: it exists already; remove it, or give another --out".format(out))
    for converter in ("absl", "tf2onnx"):  # they would tell every step
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
    """What a network takes and what it returns: two dicts of tensors by name."""
    if network == "G":
        z = tf.placeholder(tf.float32, [None, dcgan.z_dim], name="z")
        return {"z": z}, {"images": tf.identity((dcgan.generator(z) + 1) / 2, name="images")}
    images = tf.placeholder(tf.float32, [None] + dcgan.image_shape, name="images")
    probability, logits = dcgan.discriminator(images * 2 - 1)
    return {"images": images}, {"probability": probability, "logits": logits}


def tflite_model(sess, inputs, outputs):
    """The bytes of a TensorFlow Lite model, whose signature serving_default has the names of inputs and outputs."""
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.simple_save(sess, folder + "/model", inputs, outputs)
        with eager_mode():  # else it is the converter of TensorFlow 1, which leaves the signature out
            return tensorflow.lite.TFLiteConverter.from_saved_model(folder + "/model").convert()


def onnx_model(graph, inputs, outputs):
    """The bytes of an ONNX model, whose tensors are called as in inputs and outputs."""
    try:
        from tf2onnx.convert import from_graph_def
    except ImportError as error:
        raise UserError("--format onnx needs tf2onnx ({}): pip install 'gantut[export]'".format(error)) from None
    names = {tensor.name: name for name, tensor in {**inputs, **outputs}.items()}
    model, _ = from_graph_def(graph.as_graph_def(), "gantut", [tensor.name for tensor in inputs.values()],
                              [tensor.name for tensor in outputs.values()], OPSET, tensors_to_rename=names)
    for one in [*model.graph.input, *model.graph.output]:
        one.type.tensor_type.shape.dim[0].dim_param = "N"
    return model.SerializeToString()


def frozen(DCGAN, numbers):
    """A DCGAN with numbers as constants in place of variables, in evaluation mode: for one network."""

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
    """A batch_norm's evaluation mode alone: no updates, which constants could not take."""

    def normalise(x, train):
        with tf.variable_scope(bn.name):
            mean, variance, beta, gamma = (tf.get_variable(name, x.get_shape()[-1:]) for name in (
                "moving_mean", "moving_variance", "beta", "gamma"))
            return tf.nn.batch_normalization(x, mean, variance, beta, gamma, bn.epsilon)

    return normalise
