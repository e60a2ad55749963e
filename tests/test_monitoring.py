"""gantut/monitoring.py: what ends a training in the middle of a step is one line, and what was trained is saved."""
import os
from types import SimpleNamespace

import pytest
import tensorflow.compat.v1 as tf
from helpers import variables, write_pictures

from gantut.errors import UserError
from gantut_gan import DCGAN

pytestmark = pytest.mark.quick

ENDS = {  # name: (what is raised, in which step, what the line says, the checkpoint that is saved)
    "memory of a GPU": (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[64,1]"), 3,
                        "there is not enough memory .*OOM when.*--batch_size.*middle of step 3: it .*bit$", 3),
    "memory": (MemoryError("Unable to allocate 9 GiB"), 3, "not enough .*Unable to allocate.* step 3: .* bit$", 3),
    "in the first step": (MemoryError("Unable to allocate 9 GiB"), 1, "not enough memory .*needs less$", None),
    "TensorFlow's": (tf.errors.InternalError(None, None, "cuDNN launch failure"), 3,
                     r"TensorFlow has ended the .*\(cuDNN launch failure\); the training is saved.* 3: .* bit$", 3),
    "the system's": (OSError(28, "No space left on device", "samples/file"), 3, "cannot write samples/file: No sp", 2),
}


def train(folder, raised, step):
    class Failing(DCGAN):
        def step(self, d_optim, g_optim, batch_images, batch_z, counter):
            if counter == step:
                raise raised
            return super().step(d_optim, g_optim, batch_images, batch_z, counter)
    config = SimpleNamespace(dataset=write_pictures(folder / "pictures"), epoch=2, checkpoint_dir=str(
        folder / "checkpoint"), sample_dir=str(folder / "samples"), logs_dir=str(folder / "logs"), save_every=1000)
    with tf.Graph().as_default(), tf.Session() as sess:
        Failing(sess, image_size=16, gf_dim=4, df_dim=4, z_dim=8, batch_size=8, checkpoint_dir=config.checkpoint_dir
                ).train(config)


@pytest.mark.parametrize("name", ENDS)
def test_what_ends_a_step_is_one_line_and_what_was_trained_is_saved(tmp_path, monkeypatch, name):
    raised, step, words, saved = ENDS[name]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words) as caught:
        train(tmp_path, raised, step)
    assert "\n" not in str(caught.value)
    found = [file for file in os.listdir(tmp_path / "checkpoint") if file.endswith("index")]
    assert found == ([f"DCGAN.model-{saved}.index"] if saved else [])
    assert not saved or variables(tmp_path)


@pytest.mark.parametrize("raised", [ZeroDivisionError("a reader's"), FileNotFoundError(2, "None", "weights.npy")])
def test_an_error_in_a_readers_code_is_raised_as_it_is(tmp_path, raised):
    with pytest.raises(type(raised)):
        train(tmp_path, raised, 2)
