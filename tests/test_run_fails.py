"""Failures: full disks, folders that cannot be written to, data that vanishes, trainings that go wrong."""
import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
from types import SimpleNamespace

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import (
    SMALL,
    run_program,
    snapshot,
    start,
    steps_done,
    the_error,
    train,
    two_at_a_time,
    variables,
    wait_until,
    write_pictures,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gantut import monitoring, outputs
from gantut.errors import UserError
from gantut.monitoring import Monitor

BASE = ["--image_size", 8]
PLACES = ["checkpoint", "samples", "logs"]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A run of one epoch: 3 steps, and a checkpoint."""
    folder = tmp_path_factory.mktemp("started")
    write_pictures(folder / "pictures", size=8)
    assert train(folder, *BASE, "--epoch", 1).returncode == 0
    return folder


def ended(process, folder):
    """A process started by start(), when it has ended, as train() would return it."""
    code = process.wait(120)
    return SimpleNamespace(returncode=code, stdout=(folder / "stdout").read_text(),
                           stderr=(folder / "stderr").read_text())


# full disks

@contextlib.contextmanager
def small_disk(folder, free):
    """Mount a file system in memory that has the contents of folder and this many kilobytes free."""
    content = snapshot(folder)
    size = sum(len(data) // 4096 + 2 for data in content.values()) * 4 + free
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", folder],
                           capture_output=True)
    if mount.returncode:
        pytest.skip("this test mounts a small file system, which takes root: " + mount.stderr.decode().strip())
    try:
        for path, data in content.items():
            (folder / path).write_bytes(data)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_for_the_checkpoint_ends_the_run_in_one_line(started, tmp_path):
    folder = shutil.copytree(started, tmp_path / "run")
    with small_disk(folder / "checkpoint", 100):  # space for part of a second one
        process = train(folder, *BASE, "--epoch", 12, "--sample_every", 1, "--save_every", 5)
        line = the_error(process)
        assert "o space left" in line and "checkpoint" in line and "run the same command again" in line
        assert process.stderr == line + "\n"
        assert "Epoch [ 1]" in process.stdout
        assert variables(folder)


@pytest.fixture(scope="module")
def whole(started, tmp_path_factory):
    """The variables at the end of a run of twelve epochs."""
    folder = shutil.copytree(started, tmp_path_factory.mktemp("whole") / "run")
    assert train(folder, *BASE, "--epoch", 12).returncode == 0
    return variables(folder)


# space for some grids; for the graph and some summaries
@pytest.mark.parametrize("place, free", [("samples", 60), ("logs", 900)])
def test_a_full_disk_for_pictures_or_curves_does_not_end_the_run(started, whole, tmp_path, place, free):
    folder = shutil.copytree(started, tmp_path / "run")
    with small_disk(folder / place, free):
        process = train(folder, *BASE, "--epoch", 12, "--sample_every", 1, "--save_every", 5)
        assert process.returncode == 0 and process.stderr.count("\n") == 1, process.stderr
        assert re.match(rf" \[!\] cannot write {place}.*o space left.*the training continues", process.stderr)
        assert variables(folder) == whole


def vanish(path):
    """Remove a folder at once, although a training writes into it."""
    shutil.rmtree(path.rename(path.with_name("gone")))


def become_a_file(path):
    while not path.is_file():
        vanish(path)
        with contextlib.suppress(IsADirectoryError):  # made again in the meantime
            path.write_text("")


VANISHES = {  # what happens to a folder of a running training, and what is said
    "samples": (vanish, r"samples was deleted, and is created again"),
    "logs": (vanish, r"cannot write logs: .*its curves will have a gap"),
    "a file": (become_a_file, r"cannot write samples.*the training continues"),
}


@pytest.mark.parametrize("name", VANISHES)
def test_a_folder_that_vanishes_does_not_end_the_run_and_is_made_again(started, whole, tmp_path, name):
    folder, place = shutil.copytree(started, tmp_path / "run"), "logs" if name == "logs" else "samples"
    process = start(folder, *BASE, "--epoch", 12, "--sample_every", 1, "--save_every", 6)
    wait_until(lambda: steps_done(folder) >= 3, process)
    VANISHES[name][0](folder / place)
    process = ended(process, folder)
    assert process.returncode == 0 and re.search(VANISHES[name][1], process.stderr), process.stderr
    assert variables(folder) == whole
    if name != "a file":
        assert (folder / place).is_dir() and os.listdir(folder / place)


def test_ctrl_c_saves_without_the_logs_folder(started, whole, tmp_path):
    folder = shutil.copytree(started, tmp_path / "run")
    process = start(folder, *BASE, "--epoch", 1000)
    wait_until(lambda: steps_done(folder) >= 3, process)
    vanish(folder / "logs")
    process.send_signal(signal.SIGINT)
    process = ended(process, folder)
    assert process.returncode == 130 and "stopped and saved" in process.stderr
    step = 4 + process.stdout.count("Epoch [")
    assert (folder / "checkpoint" / f"DCGAN.model-{step}.index").exists()


def test_logs_continue_once_there_is_space_again(started, tmp_path):
    folder = shutil.copytree(started, tmp_path / "run")
    with small_disk(folder / "logs", 900):
        process = start(folder, *BASE, "--epoch", 1000, "--save_every", 5)
        wait_until(lambda: "cannot write logs" in (folder / "stderr").read_text(), process)
        subprocess.run(["mount", "-o", "remount,size=90m", folder / "logs"], check=True)
        wait_until(lambda: "logs can be written to again" in (folder / "stderr").read_text(), process)
        steps = steps_done(folder)
        wait_until(lambda: steps_done(folder) > steps + 5, process)
        process.send_signal(signal.SIGTERM)
        process = ended(process, folder)
        assert process.returncode == 143 and process.stderr.count("[!]") == 2, process.stderr
        accumulator = EventAccumulator(str(folder / "logs"))
        accumulator.Reload()
        assert accumulator.Scalars("d_loss")[-1].step > steps


@pytest.mark.quick
def test_logs_that_do_not_reach_the_disk_are_reported(tmp_path):
    """TensorFlow loses some silently, some with an error in its thread."""
    with tf.Graph().as_default() as graph:
        writer = outputs.open_writer(str(tmp_path), graph, 1)
    assert outputs.flush(writer, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, before[1]))
    try:
        for step in range(30):
            writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="x" * 20000, simple_value=1)]), step)
        written = outputs.flush(writer, 30)
    except Exception:
        written = False
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not written


FILE_LIMITS = {  # name: (bytes, flags)
    "checkpoint": (2_500_000, ["--summary_every", 1000000]),
    "logs": (1_500_000, []),
}


@pytest.mark.parametrize("place", FILE_LIMITS)
def test_a_limit_on_file_sizes_is_one_line(tmp_path, place):
    """The limit is less than a checkpoint, or soon reached by the logs."""
    write_pictures(tmp_path / "pictures", size=8)
    large = [*BASE, "--gf_dim", 16, "--df_dim", 16] if place == "checkpoint" else BASE
    assert train(tmp_path, *large, "--epoch", 1).returncode == 0
    before = variables(tmp_path)
    limit, flags = FILE_LIMITS[place]
    running = start(tmp_path, *large, "--epoch", 12, "--save_every", 5, *flags)
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (limit, limit))
    process = SimpleNamespace(returncode=running.wait(600), stdout="", stderr=(tmp_path / "stderr").read_text())
    assert re.search(f"cannot write {place}.*(File too large|no space left)", process.stderr)
    if place == "logs":  # a new file is started, until it is as large
        assert process.returncode == 0 and variables(tmp_path) != before
        assert all(re.match(r" \[!\] (cannot write logs: |logs can be written to again)", line)
                   for line in process.stderr.splitlines())
    else:
        assert process.stderr.count("\n") == 1
        assert "run the same command again" in the_error(process) and variables(tmp_path) == before


@pytest.mark.parametrize("place", PLACES)
def test_a_folder_that_is_a_file_ends_the_run_in_one_line(started, tmp_path, place):
    folder = shutil.copytree(started, tmp_path / "run")
    (folder / "file").write_text("")
    flag = {"checkpoint": "--checkpoint_dir", "samples": "--sample_dir", "logs": "--logs_dir"}[place]
    process = train(folder, *BASE, "--epoch", 2, "--sample_every", 1, flag, "file")
    line = the_error(process)
    assert process.stderr == line + "\n" and "cannot write file" in line
    assert variables(folder) == variables(started)


def test_a_read_only_folder_is_one_line(started, tmp_path):
    with small_disk(tmp_path, 4000):
        write_pictures(tmp_path / "pictures", size=8)
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        process = train(tmp_path, *BASE, "--epoch", 2)
        line = the_error(process)
        assert process.stderr == line + "\n" and "Read-only file system" in line


def test_a_folder_that_becomes_read_only_ends_the_run_in_one_line(started, tmp_path):
    folder = shutil.copytree(started, tmp_path / "run")
    process = start(folder, *BASE, "--epoch", 1000, "--save_every", 5)
    wait_until(lambda: steps_done(folder) >= 3, process)
    with small_disk(folder / "checkpoint", 8000):  # mounted over the folder, whose lock is held
        subprocess.run(["mount", "-o", "remount,ro", folder / "checkpoint"], check=True)
        process = ended(process, folder)
        line = the_error(process)
        assert process.stderr == line + "\n" and "Read-only file system" in line
    assert variables(folder)


# data that vanishes

def test_data_that_vanish_end_the_run_saved_and_it_continues_with_them(started, tmp_path):
    folder = shutil.copytree(started, tmp_path / "run")
    process = start(folder, *BASE, "--epoch", 20, "--save_every", 1000, "--cache_mb", 0)
    wait_until(lambda: steps_done(folder) >= 3, process)
    shutil.rmtree(folder / "pictures")
    process = ended(process, folder)
    line = the_error(process)
    assert process.stderr == line + "\n" and re.search(r"pictures/\d{3}\.png", line)
    done = process.stdout.count("Epoch [")
    assert (folder / "checkpoint" / f"DCGAN.model-{3 + done + 1}.index").exists()

    write_pictures(folder / "pictures", size=8)
    epochs = 2 + done // 3
    whole = shutil.copytree(started, tmp_path / "whole")
    for result in two_at_a_time(lambda path: train(path, *BASE, "--epoch", epochs), [folder, whole]).values():
        assert result.returncode == 0
    assert variables(folder) == variables(whole)


# divergence

@pytest.mark.parametrize("flags", [[], ["--summary_every", 1000000]])
def test_a_divergence_stops_the_run_before_it_reaches_the_checkpoint(started, tmp_path, flags):
    folder = shutil.copytree(started, tmp_path / "run")
    process = train(folder, *BASE, "--epoch", 4, "--save_every", 1, "--learning_rate", 1e30, *flags)
    line = the_error(process)
    assert process.stderr == line + "\n"
    assert re.fullmatch(r"error: training has diverged: [\w/]+ is not finite at step \d+; .*smaller --learning_rate.*",
                        line)
    left = snapshot(folder / "checkpoint")
    assert {**left, "run.json": b""} == {**snapshot(started / "checkpoint"), "run.json": b""}
    assert variables(folder) == variables(started)


@pytest.mark.quick
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_is_named(sess, value):
    with pytest.raises(UserError, match="g_loss is not finite at step 7"):
        Monitor(sess, []).check_losses(7, d_loss_fake=0.5, d_loss_real=0.5, g_loss=value)


@pytest.mark.quick
def test_a_weight_that_is_not_finite_is_named(sess):
    good, bad = tf.Variable([1.0, 2.0], name="good"), tf.Variable([1.0, np.inf], name="bad")
    sess.run(tf.global_variables_initializer())
    Monitor(sess, [good]).check_weights(7)
    with pytest.raises(UserError, match="bad is not finite at step 7"):
        Monitor(sess, [good, bad]).check_weights(7)


# warnings

def feed(monitor, steps, d_loss, first=1):
    for step in range(first, first + steps):
        monitor.check_losses(step, d_loss_fake=d_loss / 2, d_loss_real=d_loss / 2, g_loss=9.5)


@pytest.mark.quick
def test_that_d_has_won_is_said_once_with_its_numbers(sess, capsys):
    monitor = Monitor(sess, [])
    feed(monitor, 199, 0.01)
    feed(monitor, 1, 1.4)  # not in a row
    feed(monitor, 199, 0.01)
    assert capsys.readouterr().err == ""
    feed(monitor, 1, 0.01)
    said = capsys.readouterr().err
    assert re.fullmatch(r" \[!\] D has won: its loss has been below 0\.05 for 200 steps \(now 0\.0100, g_loss 9\.50\)"
                        r".*--df_dim.*\n", said)
    feed(monitor, 300, 0.01)
    feed(monitor, 1, 1.4)
    feed(monitor, 300, 0.01)
    assert capsys.readouterr().err == ""


@pytest.mark.quick
def test_a_collapse_is_said_once_with_its_numbers(sess, capsys):
    monitor = Monitor(sess, [])
    rng = np.random.RandomState(0)
    images = rng.uniform(-1, 1, [64, 8, 8, 3])
    collapsed = images[:1] + 0.01 * rng.uniform(-1, 1, [64, 8, 8, 3])
    monitor.check_samples(499, collapsed, images)
    monitor.check_samples(500, images[::-1], images)
    assert capsys.readouterr().err == ""
    monitor.check_samples(500, collapsed, images)
    said = capsys.readouterr().err
    assert re.fullmatch(r" \[!\] the samples have collapsed: their spread is 0\.005\d, that of the pictures 0\.5\d+;"
                        r".*--learning_rate\n", said)
    monitor.check_samples(501, collapsed, images)
    assert capsys.readouterr().err == ""
    assert monitoring.COLLAPSED == (0.05, 500)


NEARER = """
import sys
import gantut.quiet, gantut.flags, gantut.monitoring
gantut.monitoring.D_HAS_WON, gantut.monitoring.COLLAPSED = (3.0, 5), (2.0, 3)
import gantut_trainer
gantut.flags.run(gantut_trainer.main)
"""


def test_a_run_warns_once_of_either_and_continues(tmp_path):
    """The trainer with limits that any run exceeds."""
    write_pictures(tmp_path / "pictures", size=8)
    process = run_program(NEARER, *SMALL, *BASE, "--dataset", "pictures", "--epoch", 4, "--sample_every", 1,
                          cwd=tmp_path)
    assert process.returncode == 0 and process.stdout.count("Epoch [") == 12
    collapsed, won = process.stderr.splitlines()
    assert "the samples have collapsed: their spread is" in collapsed
    assert "D has won: its loss has been below 3.0 for 5 steps" in won


@pytest.mark.slow
def test_a_generator_that_cannot_vary_is_reported_as_collapsed(tmp_path):
    """Pictures of random black and white pixels, and a generator with one filter and one noise number."""
    os.makedirs(tmp_path / "pictures")
    rng = np.random.RandomState(0)
    for i in range(16):
        iio.imwrite(tmp_path / "pictures" / f"{i:02d}.png", np.uint8(rng.randint(0, 2, (8, 8, 3)) * 255))
    process = train(tmp_path, *BASE, "--gf_dim", 1, "--df_dim", 32, "--z_dim", 1, "--batch_size", 16, "--epoch", 900,
                    "--summary_every", 100000, "--sample_every", 50, "--learning_rate", 0.0005)
    assert process.returncode == 0
    assert process.stderr.count("\n") == 1 and "the samples have collapsed" in process.stderr
