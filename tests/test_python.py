"""docs/python.md: its code as it is, as a program and in a notebook; DCGAN with a plain namespace."""
import json
import os
import re
from types import SimpleNamespace

import imageio.v3 as iio
import nbformat
import pytest
import tensorflow.compat.v1 as tf
from helpers import ROOT, run_program, write_pictures
from nbclient import NotebookClient

from gantut.errors import UserError
from gantut.flags import settings
from gantut.session import set_precision
from gantut_gan import DCGAN

LEFT = ["0.0002", "0.002", "checkpoint", "fast", "in_place", "logs", "samples", "sixteen.png"]
SMALL = dict(image_size=16, gf_dim=4, df_dim=4, z_dim=8, batch_size=8)


def blocks():
    with open(os.path.join(ROOT, "docs", "python.md"), encoding="utf-8") as file:
        return re.findall(r"^```python\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)


def test_the_page_is_a_program(tmp_path):
    process = run_program("\n".join(blocks()), cwd=tmp_path)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.count("No model found") == 5 and process.stdout.count("Epoch [ 1] [   3/   4]") == 5
    assert "loaded: True" in process.stdout
    assert sorted(os.listdir(tmp_path)) == LEFT
    assert iio.imread(tmp_path / "sixteen.png").shape == (64, 64, 3)


def test_the_page_is_a_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ROOT)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(block) for block in blocks()])
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert sorted(os.listdir(tmp_path)) == LEFT
    said = notebook.cells[-1].outputs
    shown = [output.data for output in said if output.output_type == "display_data"]
    assert ["text/html" in data for data in shown] == [True, False, False]
    assert ["image/png" in data for data in shown] == [False, False, True]
    assert 'value="8" max="8"' in shown[0]["text/html"] and "Epoch [ 1] [   3/   4] d_loss" in shown[0]["text/html"]
    assert shown[2]["text/plain"] == "in_place/samples/epoch_01.png"
    assert not any("Epoch [" in output.get("text", "") for output in said)


def test_a_model_is_not_lost_because_it_was_not_loaded(tmp_path):
    dataset = write_pictures(tmp_path / "pictures")
    config = SimpleNamespace(dataset=dataset, epoch=1, **{name + "_dir": str(tmp_path / name)
                                                          for name in ("checkpoint", "sample", "logs")})

    def train(checkpoint_dir):
        with tf.Graph().as_default(), tf.Session() as sess:
            DCGAN(sess, checkpoint_dir=checkpoint_dir, **SMALL).train(config)
    train(None)
    before = sorted(os.listdir(tmp_path / "checkpoint"))
    for other in (None, str(tmp_path / "another")):
        with pytest.raises(UserError, match="would not continue from"):
            train(other)
    assert sorted(os.listdir(tmp_path / "checkpoint")) == before
    config.epoch = 2
    train(str(tmp_path) + "/./checkpoint/")
    assert "DCGAN.model-7.index" in os.listdir(tmp_path / "checkpoint")


class Unbuilt:
    """The attributes of a DCGAN that settings() reads."""
    image_size, batch_size, is_crop, c_dim, z_dim, gf_dim, df_dim = 16, 8, False, 3, 8, 4, 4
    sess = SimpleNamespace(_config=None)


REFUSED = {  # what train() is told to do: what the line says
    "epochs=2": ("epochs", "is epoch meant?"), "zz=1": ("zz", "--help lists"), "ema=0.999": ("ema", "with_parts"),
    "augment=True": ("augment", "with_parts"), "r1=1.0": ("r1", "with_parts"), "fast=True": ("fast", "with_parts"),
    "g_updates=1": ("g_updates", "with_parts"), "losses_every=5": ("losses_every", "with_parts"),
    "image_size=32": ("image_size", "DCGAN(sess, image_size=32)"), "batch_size=4": ("batch_size", "DCGAN(sess"),
    "is_crop=True": ("is_crop", "DCGAN(sess"), "recipe='modern'": ("recipe", "for the command"),
    "precision='bfloat16'": ("precision", "for the command"), "threads=1": ("threads", "for the command"),
    "num_devices=2": ("num_devices", "for the command"), "devices=2": ("devices", "is num_devices meant?"),
    "worker_hosts=['a:1', 'b:1']": ("worker_hosts", "command"),
    "scale_learning_rate=True": ("scale_learning_rate", "for the command"), "save_every=0": ("save_every", "1 or more"),
    "learning_rate=-1": ("learning_rate", "greater than 0"), "epoch=0": ("epoch", "1 or more"),
    "epoch='20'": ("epoch='20'", "1 or more"), "save_every='9'": ("save_every='9'", "1 or more"),
    "train_size=None": ("train_size", "1 or more"), "ema=float('nan')": ("ema", ""),
    "crop_size=8": ("crop_size", "is_crop"), "keep_best=True": ("keep_best", "judge"),
}


@pytest.mark.quick
@pytest.mark.parametrize("asked", REFUSED)
def test_what_train_cannot_do_is_refused_by_name(tmp_path, asked):
    config = SimpleNamespace(dataset=str(tmp_path), **eval(f"dict({asked})"))
    with pytest.raises(UserError) as caught:
        settings(config, Unbuilt)
    assert all(words in str(caught.value) for words in REFUSED[asked]) and "\n" not in str(caught.value)


@pytest.mark.quick
def test_a_model_of_neither_gray_nor_colour_is_refused(tmp_path):
    class TwoChannels(Unbuilt):
        c_dim = 2
    with pytest.raises(UserError, match=re.escape("c_dim=2: must be 1 (gray) or 3 (RGB)")):
        settings(SimpleNamespace(dataset=str(tmp_path)), TwoChannels)


@pytest.mark.quick
def test_train_goes_by_what_it_is_told(tmp_path):
    given = dict(epoch=3, train_size=8.0, ema=0.999, judge_every=1, keep_best=True, learning_rate=0.1, image_size=16)

    class WithParts(Unbuilt):
        parts = dict(ema=0.999)
    found = settings(SimpleNamespace(dataset=str(tmp_path), **given), WithParts)
    assert {name: getattr(found, name) for name in given} == given and isinstance(found.train_size, int)
    assert settings(found, WithParts) is found
    assert settings(SimpleNamespace(dataset=str(tmp_path)), WithParts).ema == 0.999


def test_run_json_says_the_precision_of_the_session(tmp_path):
    config = tf.ConfigProto(intra_op_parallelism_threads=1)
    set_precision(config, "bfloat16")
    namespace = SimpleNamespace(dataset=write_pictures(tmp_path / "pictures", n=8), epoch=1, **{
        name + "_dir": str(tmp_path / name) for name in ("checkpoint", "sample", "logs")})
    with tf.Graph().as_default(), tf.Session(config=config) as sess:
        DCGAN(sess, **SMALL).train(namespace)
    flags = json.loads((tmp_path / "checkpoint" / "run.json").read_text())["flags"]
    assert (flags["precision"], flags["threads"], flags["fast"]) == ("bfloat16", "1", "False")
