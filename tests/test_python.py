"""docs/python.md: its code as it stands there, as a program and in a notebook; DCGAN with a plain namespace."""
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import imageio.v3 as iio
import nbformat
import pytest
import tensorflow.compat.v1 as tf
from conftest import ROOT, write_pictures
from nbclient import NotebookClient

from gantut.errors import UserError
from gantut_gan import DCGAN

LEFT = ["0.0002", "0.002", "checkpoint", "in_place", "logs", "samples", "sixteen.png"]
SMALL = dict(image_size=16, gf_dim=4, df_dim=4, z_dim=8, batch_size=8)


def blocks():
    with open(os.path.join(ROOT, "docs", "python.md"), encoding="utf-8") as file:
        return re.findall(r"^```python\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)


def test_the_page_is_a_program(tmp_path):
    process = subprocess.run([sys.executable, "-c", "\n".join(blocks())], cwd=tmp_path, capture_output=True, text=True,
                             timeout=300, env={**os.environ, "PYTHONPATH": ROOT})
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.count("No model found") == 4 and process.stdout.count("Epoch [ 1] [   3/   4]") == 4
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
        with pytest.raises(UserError, match="would not go on from"):
            train(other)
    assert sorted(os.listdir(tmp_path / "checkpoint")) == before
    config.epoch = 2
    train(str(tmp_path) + "/./checkpoint/")
    assert "DCGAN.model-7.index" in os.listdir(tmp_path / "checkpoint")
