"""gantut/fused_step.py against class DCGAN, the tutorial's: its schedule to the bit, its layers but for rounding."""
import contextlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from step import BareRun

import gantut.fused_step
from gantut.fused_step import faster, update_both
from gantut_gan import DCGAN

STEPS = 20


def trained(Model, image_size, gf_dim, threads):
    """Train for STEPS steps; returns the losses of each, and the bits of every variable, Adam's too, by name."""
    rng = np.random.RandomState(0)
    images = rng.uniform(-1, 1, (STEPS, 8, image_size, image_size, 3)).astype(np.float32)
    z = rng.uniform(-1, 1, (STEPS, 8, 100)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=threads)) as sess:
        tf.set_random_seed(1)
        step = BareRun(Model(sess, image_size=image_size, gf_dim=gf_dim, df_dim=gf_dim)).step
        variables = {var.op.name: var for var in tf.global_variables()}
        sess.run(tf.global_variables_initializer())
        losses = [np.float32(step(*batch)).tobytes() for batch in zip(images, z)]
        return losses, {name: value.tobytes() for name, value in sess.run(variables).items()}


@pytest.mark.parametrize("image_size, gf_dim, threads", [(16, 8, 1), (32, 16, 2)])
def test_the_same_bits_as_the_tutorials_schedule(image_size, gf_dim, threads, monkeypatch):
    monkeypatch.setattr(gantut.fused_step, "fused", list)
    monkeypatch.setattr(gantut.fused_step, "fast_gradients", contextlib.nullcontext)
    losses, variables = trained(faster(DCGAN), image_size, gf_dim, threads)
    losses_written, variables_written = trained(DCGAN, image_size, gf_dim, threads)
    assert variables.keys() == variables_written.keys() and len(variables) > 40
    assert [name for name in variables if variables[name] != variables_written[name]] == []
    assert losses == losses_written


def test_the_same_first_values_and_summaries():
    """Of one seed: the variables are made before the faster kernels."""
    found = []
    for Model in DCGAN, faster(DCGAN):
        with tf.Graph().as_default() as graph, tf.Session() as sess:
            tf.set_random_seed(1)
            dcgan = Model(sess, image_size=16, gf_dim=4, df_dim=4)
            sess.run(tf.global_variables_initializer())
            tags = [graph.get_tensor_by_name(op.inputs[0].name).op.get_attr("value").string_val
                    for op in graph.get_operations() if op.type.endswith("Summary")
                    and not op.name.startswith("as_written/")]
            found.append(({var.op.name: value.tobytes() for var, value in
                           zip(tf.global_variables(), sess.run(tf.global_variables()))}, tags,
                          [var.op.name for var in dcgan.d_vars + dcgan.g_vars]))
    assert found[0] == found[1] and len(found[0][1]) == 8


def test_g_draws_its_images_once_for_the_updates_of_d_and_g(sess):
    """The tutorial's three updates run the generator three times, ours twice: counted in the trace of a run."""
    dcgan = DCGAN(sess, image_size=16, gf_dim=4, df_dim=4)
    run = BareRun(dcgan)
    dg_optim, _ = update_both(dcgan, run.d_optim, run.g_optim)
    sess.run(tf.global_variables_initializer())
    trace = tf.RunMetadata()
    sess.run(dg_optim, {dcgan.images: np.zeros([4, 16, 16, 3]), dcgan.z: np.zeros([4, 100]), dcgan.is_training: True},
             options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=trace)
    names = [node.node_name.split(":")[0] for device in trace.step_stats.dev_stats for node in device.node_stats]
    drawn = [name for name in names if name.startswith("generator/g_h2/conv2d_transpose") and "grad" not in name]
    assert len([name for name in drawn if name == "generator/g_h2/conv2d_transpose"]) == 1, drawn
