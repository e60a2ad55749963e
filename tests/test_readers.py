"""A reader's own files of Parts 3, 4 and 5, as the text has them (tests/readers/), instead of ours."""
import os
import shutil

import imageio.v3 as iio
import pytest
from helpers import ROOT, run_forked, two_at_a_time, write_pictures

from gantut_gan import DCGAN

THEIRS = os.path.join(ROOT, "tests", "readers")
PART_3, LAYERS, CLASS, PART_5 = ([name + ".py"] for name in ("gantut_imgfuncs", "gantut_datafuncs", "gantut_gan",
                                                             "gantut_trainer"))
THEY_WROTE = {"Part 3": PART_3, "the layers": LAYERS, "the class": CLASS, "the trainer": PART_5,
              "Part 4": LAYERS + CLASS, "all": PART_3 + LAYERS + CLASS + PART_5}
RUNS = {"one epoch": ["--epoch", "1"], "train_size": ["--epoch", "2", "--train_size", "8"]}  # of 16 pictures, by 8


def scripts_with(folder, names):
    """A copy of the scripts and of the package behind them in which some files are the reader's."""
    folder.mkdir()
    for name in os.listdir(ROOT):
        if name.startswith("gantut_"):
            shutil.copy(os.path.join(THEIRS if name in names else ROOT, name), folder)
    shutil.copytree(os.path.join(ROOT, "gantut"), folder / "gantut", ignore=shutil.ignore_patterns("__pycache__"))


@pytest.mark.parametrize("names", THEY_WROTE.values(), ids=THEY_WROTE)
def test_a_readers_files_train_two_steps_with_ours(tmp_path, names):
    """At the tutorial's sizes but for the batch: the text's class works with no others, and the text's trainer has no
    flags for them."""
    write_pictures(tmp_path / "pictures", n=16, size=64)
    scripts_with(tmp_path / "scripts", names)
    small = [] if PART_5[0] in names else ["--gf_dim", "8"]

    def train(run):
        (tmp_path / run).mkdir()
        return run_forked([os.path.join("..", "scripts", "gantut_trainer.py"), "--dataset",
                           os.path.join("..", "pictures"), "--batch_size", "8", *small, *RUNS[run]], tmp_path / run)
    for run, process in two_at_a_time(train, RUNS).items():
        assert process.returncode == 0, process.stderr
        assert process.stdout.count("Epoch [ ") == 2
        saved = 2 if CLASS[0] in names else 3  # the text's class saves after the first step, ours at the end
        assert f"DCGAN.model-{saved}.index" in os.listdir(tmp_path / run / "checkpoint")
        assert any(name.startswith("events") for name in os.listdir(tmp_path / run / "logs"))
        if CLASS[0] not in names:
            assert iio.imread(tmp_path / run / "samples" / "epoch_00.png").shape == (512, 512, 3)


def test_a_class_without_a_run_is_refused_on_several_devices(tmp_path):
    write_pictures(tmp_path / "pictures", n=16, size=64)
    scripts_with(tmp_path / "scripts", LAYERS + CLASS)
    process = run_forked([os.path.join("scripts", "gantut_trainer.py"), "--dataset", "pictures", "--worker_hosts",
                          "localhost:1,localhost:2"], tmp_path)
    assert process.returncode == 1 and process.stderr.startswith("error: ") and process.stderr.count("\n") == 1
    assert "on one device of one process" in process.stderr
    process = run_forked([os.path.join("scripts", "gantut_trainer.py"), "--dataset", "pictures", "--judge_every", "1",
                          "--keep_best", "--save_every", "100"], tmp_path)
    assert process.returncode == 1 and "leave out --judge_every --keep_best, or use the project's" in process.stderr
    assert sorted(os.listdir(tmp_path)) == ["pictures", "scripts"]


@pytest.mark.quick
def test_the_class_has_the_tutorials_methods_and_the_step():
    public = [name for name in vars(DCGAN) if not name.startswith("_")]
    assert public == ["build_model", "generator", "discriminator", "train", "step", "save", "load"]
    assert [name for name in vars(DCGAN) if callable(vars(DCGAN)[name])] == ["__init__", *public]


@pytest.mark.quick
def test_the_package_imports_none_of_the_tutorials_files():
    for name in os.listdir(os.path.join(ROOT, "gantut")):
        if name.endswith(".py"):
            with open(os.path.join(ROOT, "gantut", name)) as file:
                lines = [line.split() for line in file]
            imports = [words[1] for words in lines if words[:1] in (["from"], ["import"])]
            assert not [module for module in imports if module.startswith("gantut_")], name
