"""The project installed: the source distribution, the wheel built from it, and its commands in an empty folder."""
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow.compat.v1 as tf
from helpers import ROOT, SMALL, snapshot, two_at_a_time

from gantut import __version__
from gantut.errors import UserError
from gantut.flags import parse_flags
from gantut.paths import COMMANDS
from gantut_gan import DCGAN

SOURCES = [".ci", ".github", ".gitignore", "*.cff", "*.in", "*.md", "*.py", "*.txt", "LICENSE", "benchmarks", "course",
           "docs", "gantut", "pretrained", "pyproject.toml", "tests", "variants", "data/*.*", "data/aligned",
           "data/portraits"]
BUILD = "from setuptools import build_meta; build_meta.build_sdist({!r})"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
TRAIN = [*SMALL, "--dataset", "aligned", "--is_crop", "--train_size", 16]
DRAW = ["--dataset", "held_out", "--is_crop"]


def copy_sources(folder):
    """Copy what a clone holds into folder."""
    for pattern in SOURCES:
        for path in Path(ROOT).glob(pattern):
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, target)


def make_model(folder):
    """Save a small DCGAN with its initial values, should the project have no model of its own."""
    if not folder.exists():
        with tf.Graph().as_default(), tf.Session() as sess:
            dcgan = DCGAN(sess, image_size=16, gf_dim=4, df_dim=4, z_dim=8)
            sess.run(tf.global_variables_initializer())
            dcgan.save(str(folder), 1)


def run(*words, cwd, env=None, **kwargs):
    return subprocess.run([str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True, timeout=300,
                          **kwargs)


def must(*words, **kwargs):
    process = run(*words, **kwargs)
    assert process.returncode == 0, process.stdout + process.stderr
    return process


def build(tmp):
    """Build the source distribution, and the wheel from its files; nothing comes from the network."""
    for name in ("clone", "dist", "empty"):
        (tmp / name).mkdir()
    copy_sources(tmp / "clone")
    make_model(tmp / "clone" / "pretrained")
    must(sys.executable, "-c", BUILD.format(str(tmp / "dist")), cwd=tmp / "clone")
    sdist, = (tmp / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
        file.extractall(tmp, filter="data")
    sources = tmp / sdist.name[:-len(".tar.gz")]
    must(*PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", tmp / "dist", sources, cwd=tmp)
    wheel, = (tmp / "dist").glob("*.whl")
    return SimpleNamespace(sources=sources, names=names, sdist=sdist, wheel=wheel, empty=tmp / "empty")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, installed in a folder of its own."""
    tmp = tmp_path_factory.mktemp("installed")
    built = build(tmp)
    must(*PIP, "install", "--no-deps", "--no-index", "--target", tmp / "site", built.wheel, cwd=tmp)
    env = {**os.environ, "PYTHONPATH": str(tmp / "site"), "PYTHONDONTWRITEBYTECODE": "1",
           "PATH": str(tmp / "site" / "bin") + os.pathsep + os.environ["PATH"]}
    return SimpleNamespace(**vars(built), site=tmp / "site", env=env, before=snapshot(tmp / "site"))


@pytest.fixture(scope="module")
def results(installed):
    """The processes of the commands, called in an empty folder: {name: process}."""
    python = [sys.executable, "-m"]
    first = {"train": ["gantut-train", *TRAIN, "--epoch", 1], "faces": ["gantut-faces", "held_out", "--count", 4,
                                                                       "--seed", 2, "--size", 32],
             "start": ["gantut-course", "start", "mine", "--part", 4],
             "list": [*python, "gantut"], "report": [*python, "gantut", "--report"],
             **{name + " --version": [name, "--version"] for name in ("gantut-align", "gantut-faces", "gantut-course")},
             **{name + " --help": [*name.split(), "--help"] for name in COMMANDS.values()}}
    then = {"continue": [*python, "gantut_trainer", *TRAIN, "--epoch", 2],
            "pretrained": ["gantut-sample", "--checkpoint_dir", "pretrained", "--count", 4, "--out", "ours.png"],
            "complete": ["gantut-complete", *DRAW, "--n_iter", 2], "check": ["gantut-course", "check", "mine"],
            "portraits": ["gantut-sample", "--checkpoint_dir", "pretrained", "--mode", "nearest", "--dataset",
                          "portraits", "--count", 2, "--out", "nearest.png"],
            "judge": ["gantut-judge", "--dataset", "aligned", "--is_crop", "--count", 32],
            "align": ["gantut-align", "held_out", "squares", "--mode", "crop", "--size", 16, "--workers", 1],
            "lesson": [*python, "gantut_variants.mnist_gan", "--epochs", 1, "--out_dir", "lesson"]}
    found = {}
    for commands in (first, then):
        found.update(two_at_a_time(lambda name: run(*commands[name], cwd=installed.empty, env=installed.env),  # noqa: B023
                                   commands))
    return found


def test_the_source_distribution_holds_all_files(installed):
    if not os.path.exists(os.path.join(ROOT, ".git")):
        pytest.skip("what a clone holds is known in a clone")
    tracked = must("git", "-c", "safe.directory=*", "ls-files", "-z", cwd=ROOT).stdout.split("\0")[:-1]
    assert [name for name in tracked if os.path.exists(os.path.join(ROOT, name)) and name not in installed.names] == []
    assert __version__ in installed.sdist.name and installed.wheel.name.startswith(f"gantut-{__version__}-")


def test_the_tests_run_from_the_source_distribution(installed):
    env = {**os.environ, "PYTHONPATH": ""}
    process = run(sys.executable, "-m", "pytest", "-q", "-n", 0, "-p", "no:cacheprovider", "tests/test_imgfuncs.py",
                  cwd=installed.sources, env=env)
    assert process.returncode == 0 and " passed" in process.stdout, process.stdout


def test_it_is_the_installed_one_and_works_in_an_empty_folder(installed, results):
    where = "from importlib.util import find_spec as find; print(find('gantut').origin, find('gantut_gan').origin)"
    places = must(sys.executable, "-c", where, cwd=installed.empty, env=installed.env).stdout.split()
    assert all(path.startswith(str(installed.site)) for path in places)
    for name in set(results) - {"check"}:
        assert results[name].returncode == 0, (name, results[name].stdout + results[name].stderr)
    assert {"checkpoint", "samples", "logs", "held_out", "mine", "completions", "ours.png", "nearest.png", "scores.csv",
            "squares", "lesson"} == set(os.listdir(installed.empty))
    assert snapshot(installed.site) == installed.before


def test_help_says_the_command_that_was_typed(results):
    for command in COMMANDS.values():
        said = results[command + " --help"].stdout
        assert re.search(rf"\b{command}\b", said) and not re.search(r"python [\w/]+\.py", said), said
    for command in (name for script, name in COMMANDS.items() if script.startswith("gantut_")):
        assert "--checkpoint_dir" in results[command + " --help"].stdout


def test_every_command_says_the_version(results, capsys):
    with pytest.raises(SystemExit) as left:
        parse_flags(["gantut-train", "--version"])  # as the four whose flags are absl's
    assert left.value.code == 0
    said = [capsys.readouterr().out, *(results[name].stdout for name in results if name.endswith(" --version"))]
    assert said == [f"gantut {__version__}\n"] * 4


def test_the_commands_are_listed_and_a_report_says_installed(results):
    listed = re.findall(r"^  (\S+(?: start| check)?)  ", results["list"].stdout, re.MULTILINE)
    assert set(COMMANDS.values()) <= set(listed)
    assert re.search(rf"^gantut +{re.escape(__version__)}, installed$", results["report"].stdout, re.MULTILINE)


def test_a_training_continues_by_any_name_of_the_command(results):
    assert "Epoch [ 0] [   1/   2]" in results["train"].stdout and "No model found" in results["train"].stdout
    stdout = results["continue"].stdout
    assert "Epoch [ 1] [   1/   2]" in stdout and "Epoch [ 0]" not in stdout


def test_the_included_model_is_read_and_never_written(results, sess, monkeypatch, tmp_path):
    assert results["pretrained"].stdout.endswith("wrote ours.png\n")
    monkeypatch.chdir(ROOT)
    dcgan = DCGAN(sess, image_size=16, gf_dim=4, df_dim=4, is_crop=True)
    folders = dict(checkpoint_dir="checkpoint", sample_dir="samples", logs_dir="logs")
    for name in folders:
        config = {**{flag: str(tmp_path / folder) for flag, folder in folders.items()}, name: "pretrained/more"}
        with pytest.raises(UserError, match=f"--{name} pretrained/more .* only read"):
            dcgan.train(SimpleNamespace(dataset="aligned", train_size=16, **config))
    assert os.listdir(tmp_path) == []


def test_the_course_works_from_what_is_installed(installed, results):
    assert "next: gantut-course check mine" in results["start"].stdout
    assert results["check"].returncode == 1 and "3 of 16 steps are right" in results["check"].stdout
    assert sorted(os.listdir(installed.empty / "mine"))[0] == "gantut_datafuncs.py"


def test_faces_and_squares(installed):
    assert len(os.listdir(installed.empty / "held_out")) == 4
    assert len(list((installed.empty / "squares").glob("*.png"))) == 4
