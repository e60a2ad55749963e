"""A run that is not lost: exact resume, what a run records, how it stops. Real processes, real signals."""
import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import (
    losses,
    samples,
    script_command,
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

from gantut import run_record
from gantut.errors import UserError
from gantut.run import Run
from gantut.run_record import MAY_CHANGE, MUST_MATCH, steps_ahead

BASE = ["--image_size", 8, "--sample_every", 5]  # on 24 pictures: 3 steps an epoch


def copied(run, tmp_path):
    """A copy of a run's folder."""
    return shutil.copytree(run.folder, tmp_path / "copy")


def same_end(folder, other):
    """Whether two runs have ended with the same bits: checkpoints and sample grids."""
    assert variables(folder).keys() == variables(other).keys()
    different = [name for name, bits in variables(folder).items() if bits != variables(other)[name]]
    assert not different
    assert samples(folder) == samples(other)
    return True


# exact resume

@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """whole: 4 epochs at once; half: 2 epochs; again: a second whole; other: whole with another seed."""
    flags = {"whole": ["--epoch", 4], "half": ["--epoch", 2], "again": ["--epoch", 4],
             "other": ["--epoch", 4, "--seed", 2]}

    root = tmp_path_factory.mktemp("runs")

    def run(name):
        write_pictures(root / name / "pictures", size=8)
        return SimpleNamespace(folder=root / name, process=train(root / name, *BASE, *flags[name]))
    return SimpleNamespace(**two_at_a_time(run, flags))


def test_a_run_in_two_halves_is_the_run_in_one_go(runs, tmp_path):
    folder = copied(runs.half, tmp_path)
    rest = train(folder, *BASE, "--epoch", 4)
    assert (rest.returncode, rest.stderr) == (0, "")
    assert losses(runs.half.process.stdout) + losses(rest.stdout) == losses(runs.whole.process.stdout)
    assert len(losses(runs.whole.process.stdout)) == 12
    assert same_end(folder, runs.whole.folder)


def test_a_checkpoint_holds_all_that_was_compared(runs):
    names = "\n".join(variables(runs.whole.folder))
    for kind in ("g_h1/w", "d_bn1/moving_mean", "d_bn1/moving_variance", "d_h4_lin/Matrix/Adam", "Adam_1"):
        assert kind in names
    assert {"beta1_power", "beta2_power", "beta1_power_1", "beta2_power_1"} <= set(names.splitlines())


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(runs):
    assert losses(runs.again.process.stdout) == losses(runs.whole.process.stdout)
    assert same_end(runs.again.folder, runs.whole.folder)
    assert not set(losses(runs.other.process.stdout)) & set(losses(runs.whole.process.stdout))
    other, whole = variables(runs.other.folder), variables(runs.whole.folder)
    assert [name for name in whole if other[name] == whole[name]] == [
        name for name in whole if re.fullmatch(r"beta\d_power(_1)?", name)]


def test_a_finished_run_says_so_and_changes_nothing(runs, tmp_path):
    folder = copied(runs.whole, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    process = train(folder, *BASE, "--epoch", 4)
    assert (process.returncode, process.stderr) == (0, "")
    assert "All 4 epochs are done" in process.stdout and "Epoch [" not in process.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


# what a run records

def test_run_json_says_what_the_run_was_made_with(runs):
    run = json.loads((runs.whole.folder / "checkpoint" / "run.json").read_text())
    for flag in ("image_size=8", "c_dim=3", "z_dim=8", "gf_dim=4", "df_dim=4", "batch_size=8", "seed=1", "epoch=4",
                 "learning_rate=0.0002", "beta1=0.5"):
        name, value = flag.split("=")
        assert run["flags"][name] == value
    assert run["versions"]["tensorflow"] == tf.__version__ and run["versions"]["numpy"] == np.__version__
    assert (run["data"]["folder"], run["data"]["pictures"]) == ("pictures", 24)
    assert re.fullmatch("[0-9a-f]{16}", run["data"]["fingerprint"])


def change_a_picture(pictures):
    """Other content under the same name, of the same size."""
    content = bytearray((pictures / "007.png").read_bytes())
    content[-14] ^= 1  # in the last chunk's checksum, which headers do not tell
    (pictures / "007.png").write_bytes(content)


def add_a_picture(pictures):
    shutil.copy(pictures / "000.png", pictures / "100.png")


def other_pictures(pictures):
    """Some that have moved here from elsewhere."""
    write_pictures(pictures.parent / "elsewhere", n=24, size=8, seed=9)


def remove_a_picture(pictures):
    (pictures / "023.png").unlink()


OTHER = {  # name: (flags, what happens to the pictures, what the one line names)
    "image_size": (["--image_size", 16, "--is_crop"], None, ["--image_size=8", "--image_size=16"]),
    "c_dim": (["--c_dim", 1], None, ["--c_dim=3", "--c_dim=1"]),
    "z_dim": (["--z_dim", 9], None, ["--z_dim=8", "--z_dim=9"]),
    "gf_dim": (["--gf_dim", 5], None, ["--gf_dim=4", "--gf_dim=5"]),
    "df_dim": (["--df_dim", 5], None, ["--df_dim=4", "--df_dim=5"]),
    "batch_size": (["--batch_size", 4], None, ["--batch_size=8", "--batch_size=4"]),
    "seed": (["--seed", 2], None, ["--seed=1", "--seed=2"]),
    "changed content": ([], change_a_picture, ["other data", "24 pictures"]),
    "a picture more": ([], add_a_picture, ["24 pictures in pictures", "25 in pictures"]),
    "another train_size": (["--train_size", 16], None, ["24 of the pictures, now there are 16: use --train_size 24"]),
    "another train_size, bad ones skipped": (["--train_size", 16, "--skip_bad_images"], None, ["use --train_size 24"]),
    "another folder, bad ones skipped": (["--dataset", "elsewhere", "--skip_bad_images"], other_pictures,
                                         ["other data", "24 in elsewhere", "delete checkpoint/run.json"]),
    "a picture less": ([], remove_a_picture, ["24 pictures in pictures", "23 in pictures"]),
}


@pytest.fixture(scope="module")
def refusals(runs, tmp_path_factory):
    """An attempt to resume the half run in each OTHER way."""
    def attempt(name):
        folder = copied(runs.half, tmp_path_factory.mktemp("other"))
        flags, spoil, _ = OTHER[name]
        if spoil:
            spoil(folder / "pictures")
        return SimpleNamespace(folder=folder, process=train(folder, *BASE, "--epoch", 4, *flags))
    return two_at_a_time(attempt, OTHER)


@pytest.mark.parametrize("name", OTHER)
def test_a_resume_with_something_else_is_refused_in_one_line(runs, refusals, name):
    process = refusals[name].process
    line = the_error(process)
    assert process.stderr == line + "\n"
    for words in [*OTHER[name][2], "--checkpoint_dir"]:
        assert words in line
    assert snapshot(refusals[name].folder / "checkpoint") == snapshot(runs.half.folder / "checkpoint")


def test_a_run_continues_with_a_moved_data_folder(runs, tmp_path):
    folder = copied(runs.half, tmp_path)
    (folder / "elsewhere").mkdir()
    (folder / "pictures").rename(folder / "elsewhere" / "faces")
    process = train(folder, *BASE, "--epoch", 4, "--dataset", "elsewhere/faces")
    assert (process.returncode, process.stderr) == (0, "")
    assert same_end(folder, runs.whole.folder)


def test_a_run_continues_with_another_learning_rate_and_says_so(runs, tmp_path):
    folder = copied(runs.half, tmp_path)
    process = train(folder, *BASE, "--epoch", 3, "--learning_rate", 0.0001)
    assert (process.returncode, process.stderr) == (0, "")
    assert " [*] going on with learning_rate 0.0001 (it was 0.0002)\n" in process.stdout
    assert len(losses(process.stdout)) == 3


def test_a_run_of_an_earlier_version_continues_as_written_and_with_fast_and_says_so(runs, tmp_path):
    """Its run.json does not mention --fast, with which all were trained; of another flag it means the default."""
    folder = copied(runs.half, tmp_path)
    path = folder / "checkpoint" / "run.json"
    run = json.loads(path.read_text())
    del run["flags"]["fast"], run["flags"]["seed"]
    path.write_text(json.dumps(run))
    assert "was made with --seed=1, not --seed=2" in the_error(train(folder, *BASE, "--epoch", 3, "--seed", 2))
    written = train(folder, *BASE, "--epoch", 3)
    fast = train(folder, *BASE, "--epoch", 4, "--fast", "--precision", "float32")
    assert [process.returncode for process in (written, fast)] == [0, 0], written.stderr + fast.stderr
    assert " [*] going on as written (it was with --fast): the rounding of a step changes\n" in written.stdout
    assert " [*] going on with --fast (it was as written): the rounding of a step changes\n" in fast.stdout


def test_losses_are_checked_every_so_many_steps(runs, tmp_path):
    folder = copied(runs.half, tmp_path)
    process = train(folder, *BASE, "--epoch", 4, "--fast", "--precision", "float32", "--losses_every", 4)
    assert process.returncode == 0, process.stderr
    assert [line for line, _ in losses(process.stdout)] == [  # of steps 7 to 12 the eighth and the twelfth
        "Epoch [ 2] [   1/   3]", "Epoch [ 3] [   2/   3]"]
    assert "--losses_every needs --fast" in the_error(train(folder, *BASE, "--losses_every", 4))


# safe stop

@pytest.mark.parametrize("signum, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_step_and_the_printed_command_continues(runs, tmp_path, signum, code):
    write_pictures(tmp_path / "pictures", size=8)
    process = start(tmp_path, *BASE, "--epoch", 4)
    wait_until(lambda: steps_done(tmp_path) >= 3, process)
    process.send_signal(signum)
    assert process.wait(60) == code
    first = (tmp_path / "stdout").read_text()
    said = (tmp_path / "stderr").read_text().splitlines()
    assert said[0] == "stopping after this step; a second signal stops at once" and len(said) == 2
    command = re.fullmatch("stopped and saved; to go on: (.*)", said[1])[1]
    assert tf.train.latest_checkpoint(str(tmp_path / "checkpoint")).endswith(f"-{len(losses(first)) + 1}")

    rest = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert (rest.returncode, rest.stderr) == (0, "")
    assert losses(first) + losses(rest.stdout) == losses(runs.whole.process.stdout)
    assert same_end(tmp_path, runs.whole.folder)


@pytest.mark.parametrize("seconds", [1, 2, 5])
def test_ctrl_c_while_it_starts_leaves_no_traceback(tmp_path, seconds):
    write_pictures(tmp_path / "pictures", size=8)
    importing = {"start_new_session": True} if seconds < 5 else {}  # a forked process has TensorFlow already
    process = start(tmp_path, *BASE, "--epoch", 1000, **importing)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) in (130, -signal.SIGINT)  # a shell shows both as 130
    assert "Traceback" not in (tmp_path / "stderr").read_text()


LARGE = ["--image_size", 64, "--gf_dim", 64, "--df_dim", 64, "--batch_size", 64, "--summary_every", 1000000]


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    write_pictures(tmp_path / "pictures", n=64, size=64)
    process = start(tmp_path, *LARGE, "--epoch", 1000, "--save_every", 1)
    wait_until((tmp_path / "checkpoint" / "checkpoint").exists, process)
    state = (tmp_path / "checkpoint" / "checkpoint").read_text()
    time.sleep(0.5)  # into the next step, which takes seconds
    process.send_signal(signal.SIGINT)
    time.sleep(0.6)
    assert process.poll() is None, "the step was too short for this test"
    start_time = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert time.monotonic() - start_time < 0.5
    assert "stopped and saved" not in (tmp_path / "stderr").read_text()
    assert (tmp_path / "checkpoint" / "checkpoint").read_text() == state
    assert variables(tmp_path)


@pytest.mark.parametrize("flags, steps", [([], [13]), (["--max_to_keep", 3], [10, 12, 13])])
def test_max_to_keep_holds_across_restarts(tmp_path, flags, steps):
    write_pictures(tmp_path / "pictures", size=8)
    for epoch in (3, 4):
        assert train(tmp_path, *BASE, "--epoch", epoch, "--save_every", 2, *flags).returncode == 0
    found = sorted(int(path.stem.split("-")[1]) for path in (tmp_path / "checkpoint").glob("*.index"))
    state = tf.train.get_checkpoint_state(str(tmp_path / "checkpoint"))
    known = [int(path.split("-")[-1]) for path in state.all_model_checkpoint_paths]
    assert found == known == steps


@pytest.mark.quick
@pytest.mark.parametrize("before, now, done, position", [
    ((32, 2), (32, 1), 6, 12), ((32, 1), (32, 2), 6, 3), ((8, 2), (7, 1), 3, 3),
    ((32, 1), (64, 1), 10, 18), ((64, 1), (32, 1), 18, 10), ((64, 1), (32, 1), 10, 8)])
def test_where_a_run_with_other_replicas_or_pictures_is_in_its_data(before, now, done, position):
    """before, now: (pictures, replicas), with batches of 4; done and position: steps."""
    before, now = ({"data": {"pictures": pictures}, "flags": {"batch_size": "4"}, "replicas": replicas}
                   for pictures, replicas in (before, now))
    assert done - steps_ahead(before, now, done) == position


@pytest.mark.parametrize("killed", [True, False], ids=["nothing was saved", "the way back"])
def test_two_devices_for_a_while(runs, tmp_path, killed):
    """The run ends with the bits of one that always had one device, from a checkpoint in the middle of an epoch."""
    write_pictures(tmp_path / "pictures", size=8)

    def back_to_step_1():
        for path in (tmp_path / "checkpoint").glob("DCGAN.model-*"):
            if not path.name.startswith("DCGAN.model-2."):
                path.unlink()
    flags = [*BASE, "--max_to_keep", 5]
    assert train(tmp_path, *flags, "--epoch", 1).returncode == 0
    back_to_step_1()
    if killed:
        record = tmp_path / "checkpoint" / "run.json"
        process = start(tmp_path, *BASE, "--num_devices", 2, "--epoch", 10**6, "--save_every", 10**6)
        wait_until(lambda: json.loads(record.read_text())["replicas"] == 2, process)
        process.kill()
        process.wait()
    else:
        assert train(tmp_path, *flags, "--num_devices", 2, "--epoch", 3).returncode == 0
        back_to_step_1()
    assert [path.name for path in (tmp_path / "checkpoint").glob("*.index")] == ["DCGAN.model-2.index"]
    again = train(tmp_path, *flags, "--epoch", 4)
    assert again.returncode == 0 and "it was" not in again.stdout, again.stderr
    assert variables(tmp_path) == variables(runs.whole.folder)


@pytest.mark.quick
def test_other_pictures_that_no_checkpoint_has_seen(tmp_path, sess, capsys):
    """A start with half of the pictures, that ended before it saved, changes nothing: not even --skip_bad_images."""
    tf.get_variable("x", [1])
    sess.run(tf.global_variables_initializer())
    tf.train.Saver().save(sess, str(tmp_path / "model"), global_step=31)
    run = {"id": "x", "flags": dict.fromkeys([*MUST_MATCH, *MAY_CHANGE], "1"), "versions": {}, "checkpoints": [],
           "data": {"folder": "faces", "path": "/a/faces", "pictures": 40, "fingerprint": "a"}, "replicas": 1,
           "ahead": 0, "positions": {}}
    run_record.add_checkpoint(str(tmp_path), run, "model-31")
    half = {**run, "data": {**run["data"], "pictures": 20, "fingerprint": "b"}}
    run_record.check(str(tmp_path), half, None, skip_bad=True)
    assert half["ahead"] == 10
    run_record.write(str(tmp_path), half)
    now = {**run, "positions": {}}
    run_record.check(str(tmp_path), now, None)
    assert now["ahead"] == 0 and list(now["positions"]) == ["model-31"]


@pytest.mark.quick
def test_a_folder_of_the_same_name_elsewhere_is_not_the_same(tmp_path, sess, capsys):
    tf.get_variable("x", [1])
    sess.run(tf.global_variables_initializer())
    tf.train.Saver().save(sess, str(tmp_path / "model"), global_step=1)
    run = {"id": "x", "flags": dict.fromkeys([*MUST_MATCH, *MAY_CHANGE], "1"), "versions": {}, "replicas": 1,
           "data": {"folder": "faces", "path": "/a/faces", "pictures": 8, "fingerprint": "a"}}
    run_record.write(str(tmp_path), run)
    for path, refused in (("/b/faces", True), ("/a/faces", False)):
        now = {**run, "data": {**run["data"], "path": path, "fingerprint": "b"}}
        with pytest.raises(UserError, match="other data") if refused else contextlib.nullcontext():
            run_record.check(str(tmp_path), now, None, skip_bad=True)
    with pytest.raises(UserError, match="to continue with the new data anyway, use --skip_bad_images$"):
        run_record.check(str(tmp_path), now, None)
    assert "continuing with them, because of --skip_bad_images" in capsys.readouterr().err


# TensorBoard's curves

def test_curves_continue_without_overlap(runs, tmp_path):
    write_pictures(tmp_path / "pictures", size=8)
    process = start(tmp_path, *BASE, "--epoch", 1000, "--save_every", 4)
    wait_until(lambda: steps_done(tmp_path) >= 8, process)
    process.kill()
    process.wait()
    saved = int(tf.train.latest_checkpoint(str(tmp_path / "checkpoint")).split("-")[-1])
    beyond = steps_done(tmp_path) + 1 - saved
    assert saved <= 8 and beyond >= 1
    again = train(tmp_path, *BASE, "--epoch", 4)
    assert again.returncode == 0

    accumulator = EventAccumulator(str(tmp_path / "logs"), size_guidance={"scalars": 0})
    accumulator.Reload()
    points = accumulator.Scalars("d_loss")
    assert [point.step for point in points] == list(range(1, 13))

    first, second = sorted((tmp_path / "logs").iterdir())
    start_of_second = next(event for event in tf.train.summary_iterator(str(second)) if event.HasField("session_log"))
    assert start_of_second.step == saved and start_of_second.session_log.status == tf.SessionLog.START
    raw = {step: value for step, value in d_losses(first) if step < saved}
    assert not raw.keys() & dict(d_losses(second)).keys()
    raw.update(d_losses(second))
    assert [raw[step] for step in range(1, 13)] == [point.value for point in points]
    whole = dict(d_losses(next((runs.whole.folder / "logs").iterdir())))
    assert raw == whole


def d_losses(path):
    """The (step, d_loss) that stand in an events file, whose last record may be cut off."""
    found = []
    with contextlib.suppress(tf.errors.DataLossError):
        for event in tf.train.summary_iterator(str(path)):
            found += [(event.step, value.simple_value) for value in event.summary.value if value.tag == "d_loss"]
    return found


# progress of long work

def run_on_a_terminal(folder, *flags):
    """Run the trainer with stdout and stderr on a terminal; returns (exit code, what the terminal saw)."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, 200, 0, 0))  # rows and columns
    process = subprocess.Popen(script_command("gantut_trainer.py", *flags), cwd=folder, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = []

    def read():
        try:
            while True:
                seen.append(os.read(ours, 65536))
        except OSError:  # the other side is closed
            pass
    reader = threading.Thread(target=read)
    reader.start()
    code = process.wait(600)
    reader.join()
    os.close(ours)
    return code, b"".join(seen).decode()


def test_a_terminal_shows_a_bar_and_a_pipe_lines(runs, tmp_path):
    write_pictures(tmp_path / "pictures", size=8)
    flags = ["--z_dim", 8, "--gf_dim", 4, "--df_dim", 4, "--batch_size", 8, "--dataset", "pictures", *BASE]
    code, seen = run_on_a_terminal(tmp_path, *flags, "--epoch", 4)
    assert code == 0 and "Traceback" not in seen
    assert not re.search(r"time: \d", seen)
    bars = [line for line in re.split("[\r\n]", seen) if "images/s" in line]
    assert len(bars) > 3
    assert re.search(r"Epoch \[ 3\] \[   2/   3\].*100%.*96/96 \[\d\d:\d\d<00:00, +[\d.]+ images/s, d_loss: [\d.]+, "
                     r"g_loss: [\d.]+", bars[-1]), bars[-1]
    assert re.search(r"^\[Sample\] d_loss: [\d.]+, g_loss: [\d.]+\r?$", re.sub("\r(?!\n)", "\n", seen), re.MULTILINE)
    assert same_end(tmp_path, runs.whole.folder)
    piped = runs.whole.process
    assert "images/s" not in piped.stdout and "\r" not in piped.stdout and piped.stderr == ""


@pytest.mark.quick
def test_all_workers_hear_of_too_little_memory_in_one():
    """As an error of this worker, so that they stop and save between two steps."""
    def no_memory():
        raise MemoryError("Unable to allocate 9 GiB")
        yield

    def agree(sess, error):
        raise error
    run = object.__new__(Run)
    run.sess, run.stop, run.processes = None, SimpleNamespace(signum=None), SimpleNamespace(agree=agree)
    run.batches = no_memory()
    with pytest.raises(UserError, match="not enough memory to read the pictures .Unable to allocate 9 GiB.: try"):
        run.next_batch()
