"""benchmarks/judge_digits.py: its figures against known answers, and the command on an untrained generator."""
import json
import os
import re

import judge_digits
import mnist
import numpy as np
import pytest
import scipy.linalg
from helpers import ROOT, run_program, run_script, the_error

from gantut.errors import UserError


def shape_to(mean, covariance, n=50, seed=0):
    """A sample [n, d] that has exactly this mean and covariance."""
    x = np.random.RandomState(seed).normal(size=(n, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ np.linalg.cholesky(covariance).T + mean


def some_covariance(d, seed):
    x = np.random.RandomState(seed).normal(size=(3 * d, d))
    return np.cov(x, rowvar=False)


@pytest.mark.quick
def test_frechet_of_a_sample_with_itself_is_0():
    x = np.random.RandomState(0).normal(size=(100, 32))
    assert abs(judge_digits.frechet(x, x)) < 1e-6


@pytest.mark.quick
def test_frechet_of_shifted_and_stretched_gaussians():
    mean_a, mean_b = np.array([0.0, 1.0, 2.0]), np.array([3.0, 1.0, -2.0])
    deviations_a, deviations_b = np.array([1.0, 2.0, 0.5]), np.array([2.0, 2.0, 3.0])
    expected = 9 + 16 + ((deviations_a - deviations_b) ** 2).sum()  # where the covariances are diagonal
    a, b = shape_to(mean_a, np.diag(deviations_a ** 2)), shape_to(mean_b, np.diag(deviations_b ** 2), n=80, seed=1)
    np.testing.assert_allclose(judge_digits.frechet(a, b), expected)
    np.testing.assert_allclose(judge_digits.frechet(b, a), expected)


@pytest.mark.quick
def test_frechet_against_the_root_of_a_matrix():
    a, b = some_covariance(8, 1), some_covariance(8, 2)
    expected = 8 + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    np.testing.assert_allclose(judge_digits.frechet(shape_to(np.ones(8), a), shape_to(np.zeros(8), b)), expected)


@pytest.mark.quick
def test_frechet_where_a_feature_never_varies():
    x = np.random.RandomState(0).normal(size=(100, 4))
    x[:, 2] = 0
    assert abs(judge_digits.frechet(x, x)) < 1e-6


@pytest.mark.quick
def test_coverage_and_confidence():
    probabilities = np.full((100, 10), 0.01)
    classes = [3] * 97 + [5] * 2 + [9]
    probabilities[np.arange(100), classes] = 0.91
    assert judge_digits.class_counts(probabilities).tolist() == [0, 0, 0, 97, 0, 2, 0, 0, 0, 1]
    assert judge_digits.coverage(probabilities) == 2  # 1 % is too little
    assert judge_digits.confidence(probabilities) == pytest.approx(0.91)
    assert judge_digits.coverage(np.eye(10)) == 10


def test_what_is_not_a_run_is_one_line(tmp_path):
    (tmp_path / "generator.keras").write_text("no model")
    for argument, message in ((f"mnist_gan={tmp_path}", "holds no generator of mnist_gan"),
                              ("keras_gan=nowhere", "holds no generator of keras_gan"),
                              ("runs/mnist_gan", "LESSON=FOLDER"), (f"faces={tmp_path}", "LESSON one of mnist_gan")):
        with pytest.raises(UserError, match=message) as error:
            judge_digits.parse_runs([argument])
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="no digits from keras_gan: [^\n]+$"):
        judge_digits.generate("keras_gan", str(tmp_path), 3)


@pytest.mark.quick
def test_pictures_are_what_was_written(tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (3, 28, 28)) / 255
    judge_digits.write(images, tmp_path)
    np.testing.assert_allclose(judge_digits.read(sorted(tmp_path.iterdir())), images, atol=1e-9)


def test_a_folder_without_the_trainers_model(tmp_path, capfd):
    with pytest.raises(UserError, match="no digits from gantut_trainer"):
        judge_digits.generate("gantut_trainer", str(tmp_path), 3)
    assert "error: " in capfd.readouterr().err


def test_the_command(tmp_path):
    make = ("import sys; sys.path.insert(0, sys.argv[1]); import mnist, keras_gan; "
            "keras_gan.get_generator().save('generator.keras')")
    assert run_program(make, os.path.join(ROOT, "variants"), cwd=tmp_path).returncode == 0
    process = run_script("benchmarks/judge_digits.py", "keras_gan=.", "--json", "figures.json", cwd=tmp_path)
    assert process.returncode == 0 and process.stderr == "", process.stderr
    assert process.stdout.splitlines()[2] == "| 1000 samples | classes of ten | mean confidence | Fréchet distance |"

    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["accuracy"] >= 0.95 and "cpu" in figures["machine"]
    real, noise, untrained = (figures["samples"][name] for name in ("training digits", "noise", "."))
    assert real["classes"] == 10 and real["confidence"] > 0.97 and real["frechet"] < 30
    assert sum(real["of each class"]) == sum(untrained["of each class"]) == 1000
    assert noise["classes"] < 5 and untrained["classes"] < 5
    assert noise["frechet"] > 5 * real["frechet"] and untrained["frechet"] > 5 * real["frechet"]


@pytest.mark.slow
def test_lessons_continue_where_they_stopped(tmp_path):
    """What is in figures.json is not done again; a training that is done again gives the same figures."""
    np.savez(tmp_path / "digits.npz", **{name + part: array for part in ("train", "test")
                                         for name, array in zip(("x_", "y_"), mnist.load("digits", part))})
    command = ["benchmarks/lessons.py", "--data", "digits.npz", "--folder", "lessons", "--runs", "keras_gan",
               "--length", 1, "--seeds"]
    assert run_script(*command, 1, cwd=tmp_path).returncode == 0
    path, log = tmp_path / "lessons" / "figures.json", tmp_path / "lessons" / "keras_gan-1-1" / "log.txt"
    first, written = json.loads(path.read_text()), log.stat().st_mtime_ns
    process = run_script(*command, 1, 2, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    both = json.loads(path.read_text())
    assert log.stat().st_mtime_ns == written and log.read_text().count("processing batch") == 12
    assert both["classifier"]["accuracy"] >= 0.95 and set(both["runs"]) == {"keras_gan-1-1", "keras_gan-1-2"}
    assert both["runs"]["keras_gan-1-1"] == first["runs"]["keras_gan-1-1"]
    assert re.search(r"^\| keras_gan-1 \| 1 2 \| \d+ \d+ \| [\d.]+ [\d.]+ \| [\d.]+ [\d.]+ \|$", process.stdout, re.M)

    del both["runs"]["keras_gan-1-1"]  # as if it had been stopped before
    path.write_text(json.dumps(both))
    assert run_script(*command, 1, cwd=tmp_path).returncode == 0
    again = json.loads(path.read_text())["runs"]["keras_gan-1-1"]
    assert again["frechet"] == pytest.approx(first["runs"]["keras_gan-1-1"]["frechet"], rel=1e-3)

    np.savez(tmp_path / "few.npz", **{name + part: array[:100] for part in ("train", "test")
                                      for name, array in zip(("x_", "y_"), mnist.load("digits", part))})
    other = run_script(*command[:2], "few.npz", *command[3:], 1, cwd=tmp_path)
    assert "was made with other flags (digits" in the_error(other)
