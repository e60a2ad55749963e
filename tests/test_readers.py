"""A reader's own Part 3 and Part 4 files, as the text has them (tests/readers/), in the place of ours."""
import os
import shutil
import subprocess
import sys

import imageio.v3 as iio
import pytest
from conftest import ROOT, write_pictures

from gantut_gan import DCGAN

THEIRS = os.path.join(ROOT, "tests", "readers")
PART_3, PART_4 = ["gantut_imgfuncs.py"], ["gantut_datafuncs.py", "gantut_gan.py"]


def house_with(folder, names):
    """A copy of the scripts and the machinery in which some files are the reader's."""
    folder.mkdir()
    for name in os.listdir(ROOT):
        if name.startswith("gantut_"):
            shutil.copy(os.path.join(THEIRS if name in names else ROOT, name), folder)
    shutil.copytree(os.path.join(ROOT, "gantut"), folder / "gantut", ignore=shutil.ignore_patterns("__pycache__"))


@pytest.mark.parametrize("names", [PART_3, PART_4, PART_3 + PART_4], ids=["Part 3", "Part 4", "both"])
def test_a_readers_files_train_two_steps_under_our_trainer(tmp_path, names):
    """At the tutorial's sizes, which the text's class cannot leave, but for the batch."""
    write_pictures(tmp_path / "pictures", n=16, size=64)
    house_with(tmp_path / "house", names)
    process = subprocess.run([sys.executable, os.path.join("house", "gantut_trainer.py"), "--dataset", "pictures",
                              "--epoch", "1", "--batch_size", "8", "--gf_dim", "8"], cwd=tmp_path, capture_output=True,
                             text=True, timeout=600)
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("Epoch [ 0]") == 2
    assert "DCGAN.model-2.index" in os.listdir(tmp_path / "checkpoint") or names == PART_3
    assert any(name.startswith("events") for name in os.listdir(tmp_path / "logs"))
    if names == PART_3:
        assert iio.imread(tmp_path / "samples" / "epoch_00.png").shape == (512, 512, 3)


def test_a_class_that_knows_no_run_is_refused_on_several_devices(tmp_path):
    write_pictures(tmp_path / "pictures", n=16, size=64)
    house_with(tmp_path / "house", PART_4)
    process = subprocess.run([sys.executable, os.path.join("house", "gantut_trainer.py"), "--dataset", "pictures",
                              "--worker_hosts", "localhost:1,localhost:2"], cwd=tmp_path, capture_output=True,
                             text=True, timeout=600)
    assert process.returncode == 1 and process.stderr.startswith("error: ") and process.stderr.count("\n") == 1
    assert "train" in process.stderr and os.listdir(tmp_path) != [] and not (tmp_path / "checkpoint").exists()


def test_the_class_has_the_tutorials_methods_and_the_step():
    public = [name for name in vars(DCGAN) if not name.startswith("_")]
    assert public == ["build_model", "generator", "discriminator", "train", "step", "save", "load"]
    assert [name for name in vars(DCGAN) if callable(vars(DCGAN)[name])] == ["__init__", *public]


def test_the_machinery_imports_none_of_the_front_rooms():
    for name in os.listdir(os.path.join(ROOT, "gantut")):
        if name.endswith(".py"):
            with open(os.path.join(ROOT, "gantut", name)) as file:
                lines = [line.split() for line in file]
            imports = [words[1] for words in lines if words[:1] in (["from"], ["import"])]
            assert not [module for module in imports if module.startswith("gantut_")], name
