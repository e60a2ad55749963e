"""What is in a checkpoint folder is not lost: models without their state file, two runs at once, strange paths."""
import csv
import errno
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import tensorflow.compat.v1 as tf
from helpers import (
    ROOT,
    SMALL,
    run_script,
    samples,
    snapshot,
    start,
    steps_done,
    the_error,
    touch,
    train,
    two_at_a_time,
    variables,
    wait_until,
    write_pictures,
)

from gantut import run_record
from gantut.checkpoints import (
    SafeSaver,
    Saver,
    check_loaded,
    find_checkpoints,
    model_sizes,
    names_in_state,
    newest_checkpoint,
    step_of,
)
from gantut.errors import UserError, locked
from gantut_gan import DCGAN

MODEL = "DCGAN.model-7"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """6 steps on 24 pictures."""
    folder = tmp_path_factory.mktemp("trained")
    write_pictures(folder / "pictures")
    assert train(folder, "--epoch", 2).returncode == 0
    return folder


def state_of(folder):
    return (folder / "checkpoint" / "checkpoint").read_bytes()


STATES = {  # what a copy's state file holds; None: there is none
    "missing": lambda _: None,
    "empty": lambda _: b"",
    "random": lambda _: bytes(range(256)),
    "cut off": lambda state: state[:20],
    "of Windows": lambda state: state.replace(b'"DCGAN', b'"C:\\\\runs\\\\checkpoint\\\\DCGAN'),
    "of another model": lambda state: state.replace(b"-7", b"-999"),
}


def model_alone(trained, folder, kind):
    """A folder with the model's three files, as people copy them, and a state file of a kind."""
    (folder / "checkpoint").mkdir(parents=True)
    shutil.copytree(trained / "pictures", folder / "pictures")
    for path in (trained / "checkpoint").glob(MODEL + ".*"):
        shutil.copy(path, folder / "checkpoint")
    state = STATES[kind](state_of(trained))
    if state is not None:
        (folder / "checkpoint" / "checkpoint").write_bytes(state)
    return folder


def test_a_model_without_a_state_file_that_names_it_is_resumed_and_kept(trained, tmp_path):
    cases = {kind: model_alone(trained, tmp_path / kind, kind) for kind in STATES}
    before = {kind: snapshot(folder / "checkpoint") for kind, folder in cases.items()}
    done = two_at_a_time(lambda kind: train(cases[kind], "--epoch", 3, "--save_every", 1), list(cases))
    for kind, process in done.items():
        assert process.returncode == 0, process.stderr
        assert "An existing model was found" in process.stdout and "Epoch [ 2] [   0/   3]" in process.stdout
        after = snapshot(cases[kind] / "checkpoint")
        assert all(after[name] == content for name, content in before[kind].items() if name != "checkpoint"), kind
        assert "DCGAN.model-10.index" in after and "DCGAN.model-9.index" not in after
        said = process.stderr.splitlines()
        assert said == [] if kind == "of Windows" else len(said) == 1 and MODEL in said[0], (kind, said)


@pytest.mark.parametrize("script, flags", [("gantut_sample.py", ["--count", 4]),
                                           ("gantut_complete.py", ["--dataset", "pictures", "--n_iter", 2])])
def test_sampling_and_completion_find_it_too(trained, tmp_path, script, flags):
    folder = model_alone(trained, tmp_path, "random")
    process = run_script(script, *flags, cwd=folder)
    assert process.returncode == 0 and MODEL in process.stderr, process.stderr


def test_an_incomplete_model_is_refused(trained, tmp_path):
    """Without its data file: a new training would hide it, so it is refused, and nothing is changed."""
    folder = model_alone(trained, tmp_path, "missing")
    os.remove(folder / "checkpoint" / (MODEL + ".data-00000-of-00001"))
    before = snapshot(folder / "checkpoint")
    line = the_error(train(folder, "--epoch", 10000))
    assert MODEL in line and ".data" in line
    assert snapshot(folder / "checkpoint") == before


@pytest.mark.quick
def test_a_folder_that_has_the_name_of_the_state_file_is_refused(tmp_path):
    """As with --checkpoint_dir . beside the default folder; at the first save it would be too late."""
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(UserError, match="holds a folder named checkpoint"):
        check_loaded(str(tmp_path), str(tmp_path))


@pytest.mark.quick
def test_what_counts_as_complete(tmp_path):
    for name in ("a-1.index", "a-1.data-00000-of-00002", "a-1.data-00001-of-00002", "a-2.index", "b-3.meta",
                 "a-4.data-00000-of-00001", "a-5.index", "a-5.data-00000-of-00002", "checkpoint", "notes.txt"):
        (tmp_path / name).touch()
    assert find_checkpoints(str(tmp_path)) == ({"a-1"}, {"a-2", "a-4", "a-5"})
    assert names_in_state(str(tmp_path)) == []
    with pytest.raises(UserError, match="a-1 cannot be read"):
        newest_checkpoint(str(tmp_path))


def test_a_run_removes_its_own_old_checkpoints_and_no_others(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "run")
    for name in ("DCGAN.model-3", "DCGAN.model-99", "best-5"):
        for extension in (".index", ".data-00000-of-00001", ".meta"):
            shutil.copy(folder / "checkpoint" / (MODEL + extension), folder / "checkpoint" / (name + extension))
    assert train(folder, "--epoch", 3).returncode == 0
    models = {name.split(".index")[0] for name in os.listdir(folder / "checkpoint") if name.endswith(".index")}
    assert models == {"DCGAN.model-3", "DCGAN.model-99", "best-5", "DCGAN.model-10"}


@pytest.mark.quick
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, 524])
def test_a_file_system_without_locks(tmp_path, monkeypatch, capsys, number):
    """As network file systems answer flock(): a training continues, with a line. Any other error ends it."""
    def flock(*_):
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr("fcntl.flock", flock)
    with locked(str(tmp_path / "checkpoint")):
        said = capsys.readouterr().err
        assert "checkpoint has no locks" in said and os.strerror(number) in said and said.count("\n") == 1
        assert "run.json.holder" in os.listdir(tmp_path / "checkpoint")
    assert os.listdir(tmp_path / "checkpoint") == []
    number = errno.EIO
    with pytest.raises(UserError, match="cannot write"), locked(str(tmp_path / "checkpoint")):
        pass
    with locked(str(tmp_path / "samples"), ".run", "--sample_dir"):  # it continues without what it cannot write
        assert capsys.readouterr().err == ""


@pytest.mark.quick
def test_a_lock_of_another_user_is_not_ignored(tmp_path, monkeypatch):
    def acquire(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    monkeypatch.setattr("gantut.errors.acquire", acquire)
    line = "cannot use .*.run.lock, perhaps another user's run: Permission denied; use another --sample_dir"
    with pytest.raises(UserError, match=line), locked(str(tmp_path), ".run", "--sample_dir"):
        pass


FAILING_FLOCK = """
import errno, fcntl, os
def flock(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = flock
"""


def test_a_training_on_a_file_system_without_locks(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(FAILING_FLOCK)
    process = train(folder, "--epoch", 3, env={**os.environ, "PYTHONPATH": str(tmp_path / "site")})
    assert process.returncode == 0 and "make sure yourself" in process.stderr, process.stderr
    assert "DCGAN.model-10.index" in os.listdir(folder / "checkpoint")


def test_two_runs_in_one_folder(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "run")
    first = start(folder, "--epoch", 10000)
    wait_until(lambda: steps_done(folder) > 2, first)
    line = the_error(train(folder, "--epoch", 10000))
    assert f"process {first.pid} on" in line and "--checkpoint_dir" in line
    first.kill()  # leaves no lock behind
    first.wait()
    done = step_of(newest_checkpoint(str(folder / "checkpoint"))) // 3  # it may have saved in the meantime
    process = train(folder, "--epoch", done + 1)
    assert process.returncode == 0, process.stderr
    assert not [name for name in os.listdir(folder / "checkpoint") if "lock" in name or "holder" in name]


@pytest.mark.parametrize("name", ["run[lr=1]/ckpt", "a*b", "what?", "back\\slash"])
def test_a_path_that_tensorflow_takes_for_a_pattern_is_refused_first(tmp_path, name):
    write_pictures(tmp_path / "pictures")
    before = snapshot(tmp_path)
    line = the_error(train(tmp_path, "--checkpoint_dir", name))
    assert name in line and "patterns" in line
    assert snapshot(tmp_path) == before and os.listdir(tmp_path) == ["pictures"]


def test_such_a_folder_around_the_run_does_no_harm(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "run[lr=1]")
    assert train(folder, "--epoch", 3, "--logs_dir", "logs[1]", "--sample_dir", "s*").returncode == 0
    assert run_script("gantut_sample.py", "--count", 4, cwd=folder).returncode == 0


def test_a_checkpoint_given_as_its_folder(trained):
    before = snapshot(trained / "checkpoint")
    for script, flags in [("gantut_sample.py", []), ("gantut_trainer.py", [*SMALL, "--dataset", "pictures"])]:
        line = the_error(run_script(script, *flags, "--checkpoint_dir", "checkpoint/" + MODEL, cwd=trained))
        assert "give its folder, checkpoint" in line
    assert snapshot(trained / "checkpoint") == before
    with pytest.raises(UserError, match="give its folder"):
        newest_checkpoint(str(trained / "checkpoint" / MODEL))


def test_two_runs_with_the_same_logs_and_a_clock_set_back(trained, tmp_path):
    """Each finds its own event file, whatever the others are called."""
    folder = shutil.copytree(trained, tmp_path / "run")
    (folder / "logs" / "events.out.tfevents.9999999999.zzz").write_bytes(b"")
    others = start(folder, "--epoch", 10000, "--checkpoint_dir", "other", "--sample_dir", "others", "--save_every", 1)
    wait_until(lambda: steps_done(folder) > 2, others)
    process = train(folder, "--epoch", 4, "--save_every", 1)
    others.send_signal(signal.SIGTERM)
    assert process.returncode == 0, process.stderr
    assert others.wait() == 128 + signal.SIGTERM, (folder / "stderr").read_text()
    assert "cannot write" not in process.stderr + (folder / "stderr").read_text()


def test_two_runs_with_the_same_samples(trained, tmp_path):
    """The second is refused while the first runs, and nothing changes; later it moves the first one's samples."""
    folder = shutil.copytree(trained, tmp_path / "run")
    (folder / "samples" / "scores.csv").write_text("epoch,step,mean SWD\n0,4,50\n")
    (folder / "samples" / "epoch_00.png.txt").write_text("the user's")
    os.symlink("samples", folder / "link")
    earlier = samples(folder)
    users = earlier.pop("epoch_00.png.txt")
    touch(folder, "other/best/run.json")
    first = start(folder, "--epoch", 10000, "--checkpoint_dir", "other", "--sample_dir", "link")
    wait_until(lambda: steps_done(folder) > 2, first)
    first.send_signal(signal.SIGSTOP)  # it writes nothing, and has its lock
    before = snapshot(folder)
    process = train(folder, "--epoch", 4)
    after = snapshot(folder)
    first.send_signal(signal.SIGCONT)
    first.send_signal(signal.SIGTERM)
    assert first.wait() == 128 + signal.SIGTERM, (folder / "stderr").read_text()
    line = the_error(process)
    assert process.stderr == line + "\n" and f"samples: process {first.pid} on" in line and "--sample_dir" in line
    assert after == before
    assert snapshot(folder / "samples" / "earlier-1") == earlier
    assert (folder / "other" / "earlier-1" / "best" / "run.json").exists()
    assert "results of an earlier run, epoch_00.png and so on: moved to link/earlier-1" in (
        folder / "stdout").read_text()
    process = train(folder, "--epoch", 4)
    assert process.returncode == 0, process.stderr
    assert all(name.startswith(("epoch_", "train_")) for name in os.listdir(folder / "samples" / "earlier-2"))
    assert snapshot(folder / "samples")["epoch_00.png.txt"] == users
    assert not [name for name in os.listdir(folder / "samples") if "lock" in name or "holder" in name]


def test_the_state_file_of_tensorflow_is_understood(tmp_path, sess):
    """As TensorFlow itself reads it."""
    tf.get_variable("x", [1])
    sess.run(tf.global_variables_initializer())
    saver = tf.train.Saver(max_to_keep=3)
    for step in (1, 2, 3, 4):
        saver.save(sess, str(tmp_path / "model"), global_step=step)
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert [str(tmp_path / name) for name in names_in_state(str(tmp_path))] == state.all_model_checkpoint_paths


@pytest.mark.quick
def test_a_checkpoint_is_on_the_disk_before_the_one_before_it_is_removed(tmp_path, sess, monkeypatch):
    tf.get_variable("x", [1])
    sess.run(tf.global_variables_initializer())
    saver, synced, fsync = SafeSaver(max_to_keep=1), [], os.fsync

    def recorded(file):
        path = Path(os.readlink(f"/proc/self/fd/{file}"))
        synced.append(path.name)
        assert (tmp_path / "model-1.index").exists() and (tmp_path / "model-1.data-00000-of-00001").exists()
        fsync(file)

    saver.save(sess, str(tmp_path / "model"), global_step=1)
    monkeypatch.setattr(os, "fsync", recorded)
    saver.save(sess, str(tmp_path / "model"), global_step=2)
    assert sorted(synced) == sorted(["model-2.data-00000-of-00001", "model-2.index", "checkpoint", tmp_path.name])
    assert not list(tmp_path.glob("model-1.*"))


def test_a_run_that_continues_puts_the_results_of_another_aside(trained, tmp_path):
    """Both have the same --sample_dir; the same after the advice to delete run.json has been followed."""
    folder = shutil.copytree(trained, tmp_path / "run")
    shutil.rmtree(folder / "samples")
    judged = ["--judge_every", 1, "--is_crop", "--dataset", os.path.join(ROOT, "data", "aligned"), "--train_size", 64,
              "--batch_size", 32]
    commands = [["--checkpoint_dir", "a", "--epoch", 1], ["--checkpoint_dir", "b", "--epoch", 3],
                ["--checkpoint_dir", "a", "--epoch", 2]]
    for command in commands:
        done = train(folder, *judged, *command)
        assert (done.returncode, done.stderr) == (0, "")
        if command == commands[1]:
            of_b = snapshot(folder / "samples")
    with open(folder / "samples" / "scores.csv", newline="") as table:
        assert [row["epoch"] for row in csv.DictReader(table)] == ["1"]
    names = ["epoch_00.png", "epoch_01.png", "epoch_02.png", "scores.csv"]
    assert [(folder / "samples" / "earlier-2" / name).read_bytes() for name in names] == [of_b[name] for name in names]
    assert sorted(os.listdir(folder / "samples")) == [".run", "earlier-1", "earlier-2", "epoch_01.png", "scores.csv"]
    (folder / "a" / "run.json").unlink()
    assert train(folder, *judged, "--checkpoint_dir", "a", "--epoch", 3).returncode == 0
    assert sorted(os.listdir(folder / "samples" / "earlier-3")) == ["epoch_01.png", "scores.csv"]


def test_the_best_model_of_a_run_is_not_trained_in_its_place(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "run")
    best = shutil.copytree(folder / "checkpoint", folder / "checkpoint" / "best")
    (best / "run.json").write_text(json.dumps({**json.loads((best / "run.json").read_text()), "score": 5.0}))
    before, earlier = snapshot(folder), samples(folder)
    refused = train(folder, "--epoch", 9, "--checkpoint_dir", "checkpoint/best")
    assert "checkpoint/best is the best model of the run in" in the_error(refused) and snapshot(folder) == before
    best.rename(folder / "copy")
    assert train(folder, "--epoch", 4, "--checkpoint_dir", "copy").returncode == 0
    assert snapshot(folder / "samples" / "earlier-1") == earlier


@pytest.mark.quick
def test_a_smaller_max_to_keep_holds_for_a_run_that_continues(tmp_path, sess):
    tf.get_variable("x", [1])
    sess.run(tf.global_variables_initializer())
    folder, three, one = str(tmp_path), Saver(max_to_keep=3), Saver(max_to_keep=1)
    for step in (1, 2, 3):
        three.save(sess, str(tmp_path / "model"), global_step=step)
    run_record.write(folder, {"checkpoints": ["model-1", "model-2", "model-3"]})
    one.take_over(folder, "model")
    one.save(sess, str(tmp_path / "model"), global_step=4)
    run_record.write(folder, {"checkpoints": ["model-1", "model-2", "model-3", "model-4"]})
    Saver(max_to_keep=1).take_over(folder, "model")  # the next start
    assert names_in_state(folder) == ["model-4"]
    assert sorted(path.name for path in tmp_path.glob("*.index")) == ["model-4.index"]


@pytest.mark.quick
def test_a_smaller_max_to_keep_once_loses_nothing_at_the_next_start(tmp_path, sess):
    tf.get_variable("x", [1])
    sess.run(tf.global_variables_initializer())
    folder, path = str(tmp_path), str(tmp_path / "model")
    for steps, keep in (((1, 2, 3), 3), ((4,), 1), ((5,), 3)):
        saver = Saver(max_to_keep=keep)
        saver.restored = f"{path}-{steps[0] - 1}"
        saver.take_over(folder, "model")
        for step in steps:
            saver.save(sess, path, global_step=step)
            there = [f"model-{n}" for n in range(1, 6) if (tmp_path / f"model-{n}.index").exists()]
            run_record.write(folder, {"checkpoints": there})
    assert there == ["model-2", "model-4", "model-5"] == names_in_state(folder)


@pytest.mark.quick
@pytest.mark.parametrize("state, restored, stay", [
    ("", "model-4", ["model-4", "model-5"]),  # empty, after a power cut
    ('model_checkpoint_path: "model-5"', "model-4", ["model-4", "model-5"]),  # 5 cannot be read
    ('model_checkpoint_path: "model-5"', "model-5", ["model-5"]),
    ('model_checkpoint_path: "model-9"', "model-5", ["model-4", "model-5"])])
def test_what_was_restored_stays_until_the_next_is_saved(tmp_path, sess, state, restored, stay):
    tf.get_variable("x", [1])
    sess.run(tf.global_variables_initializer())
    folder, saver = str(tmp_path), Saver(max_to_keep=2)
    for step in (4, 5):
        saver.save(sess, str(tmp_path / "model"), global_step=step)
    run_record.write(folder, {"checkpoints": ["model-4", "model-5"]})
    (tmp_path / "checkpoint").write_text(state)
    touch(tmp_path, "model-4.tar.gz", "model-4.index.kept", "model-6.index.tempstate12", "model-6_temp/part-00000",
          "checkpoint.tmp" + 8 * "0a1b", "model-6.meta.tmp" + 8 * "0a1b", "checkpoint.tmp_of_monday")
    saver = Saver(max_to_keep=1)
    saver.restored = os.path.join(folder, restored)
    saver.take_over(folder, "model")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"checkpoint", "run.json", "model-4.tar.gz", "model-4.index.kept", "checkpoint.tmp_of_monday", *(
        name + end for name in stay for end in (".index", ".meta", ".data-00000-of-00001"))}
    saver.save(sess, str(tmp_path / "model"), global_step=6)
    assert names_in_state(folder) == ["model-6"] and not (tmp_path / (restored + ".index")).exists()


@pytest.mark.quick
def test_somebody_who_goes_back_keeps_the_newer_ones_until_they_are_passed(tmp_path, sess):
    tf.get_variable("x", [1])
    sess.run(tf.global_variables_initializer())
    folder, path, saver = str(tmp_path), str(tmp_path / "model"), Saver(max_to_keep=3)
    for step in (1, 2, 3):
        saver.save(sess, path, global_step=step)
    run_record.write(folder, {"checkpoints": ["model-1", "model-2", "model-3"]})
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model-2"')
    for restored, stay in ((2, [2, 3]), (4, [4])):
        saver = Saver(max_to_keep=1)
        saver.restored = f"{path}-{restored}"
        saver.take_over(folder, "model")
        assert sorted(one.name for one in tmp_path.glob("*.index")) == [f"model-{n}.index" for n in stay]
        saver.save(sess, path, global_step=4)
        run_record.write(folder, {"checkpoints": ["model-3", "model-4"]})


# checkpoints that cannot be read

def cut_off(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    """Change one bit in the middle, as a failing disk does: the length stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {  # name: how the newest checkpoint is damaged, given its .index and its .data
    "cut off": lambda index, data: cut_off(data),
    "empty": lambda index, data: os.truncate(data, 0),
    "a bit flipped": lambda index, data: flip(data),
    "the index cut off": lambda index, data: cut_off(index),
    "the index of nothing": lambda index, data: index.write_bytes(bytes(range(256)) * 8),
    "the data gone": lambda index, data: os.remove(data),
}


@pytest.fixture(scope="module")
def several(trained, tmp_path_factory):
    """The trained folder with its checkpoints after 6, 7, 8 and 9 steps."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("several") / "run")
    process = train(folder, "--epoch", 3, "--save_every", 1, "--max_to_keep", 4)
    assert process.returncode == 0, process.stderr
    return folder


def damage(folder, model, kind):
    DAMAGE[kind](*(folder / "checkpoint" / (model + extension) for extension in (".index", ".data-00000-of-00001")))


def test_a_checkpoint_that_cannot_be_read_is_skipped(several, tmp_path, capsys):
    """By the trainer and by the sampler, which say so; the training resumes from the one before, as it did then."""
    cases = {kind: shutil.copytree(several, tmp_path / kind.replace(" ", "_")) for kind in DAMAGE}
    for kind, folder in cases.items():
        damage(folder, "DCGAN.model-10", kind)
    kept = {kind: snapshot(folder / "checkpoint") for kind, folder in cases.items()}
    for kind, folder in cases.items():
        assert newest_checkpoint(str(folder / "checkpoint")) == str(folder / "checkpoint" / "DCGAN.model-9")
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "DCGAN.model-10" in said and "taking DCGAN.model-9" in said, kind
    process = run_script("gantut_sample.py", "--count", 4, cwd=cases["cut off"])
    assert process.returncode == 0 and process.stderr.count("\n") == 1, process.stderr
    assert "model-10 cannot be read (Read less bytes than requested): taking DCGAN.model-9" in process.stderr
    assert {kind: snapshot(folder / "checkpoint") for kind, folder in cases.items()} == kept
    gone_on = ["cut off", "the data gone"]
    for process in two_at_a_time(lambda kind: train(cases[kind], "--epoch", 4), gone_on).values():
        assert process.returncode == 0 and "taking DCGAN.model-9" in process.stderr, process.stderr
        assert process.stdout.count("Epoch [") == 4 and "Epoch [ 2] [   2/   3]" in process.stdout
    whole = shutil.copytree(several, tmp_path / "whole")
    assert train(whole, "--epoch", 4).returncode == 0
    assert variables(whole) == variables(cases["cut off"]) == variables(cases["the data gone"])


def test_no_readable_checkpoint_is_one_line(several, tmp_path):
    folder = shutil.copytree(several, tmp_path / "run")
    for model in ("DCGAN.model-7", "DCGAN.model-8", "DCGAN.model-9", "DCGAN.model-10"):
        damage(folder, model, "cut off")
    before = snapshot(folder / "checkpoint")
    for process in two_at_a_time(lambda script: run_script(
            script, *(["--dataset", "pictures", *SMALL] if "train" in script else []), cwd=folder),
            ["gantut_sample.py", "gantut_trainer.py"]).values():
        line = the_error(process)
        assert process.stderr == line + "\n" and "DCGAN.model-10 cannot be read" in line and "from a copy" in line
    assert snapshot(folder / "checkpoint") == before


def test_drawing_from_a_folder_in_which_a_training_saves(trained, tmp_path):
    """One that keeps a single checkpoint, and replaces it with every step."""
    folder = shutil.copytree(trained, tmp_path / "run")
    training = start(folder, "--epoch", 100000, "--save_every", 1, "--summary_every", 1000)
    wait_until(lambda: steps_done(folder) > 5, training)
    try:
        for _ in range(60):
            path = newest_checkpoint(str(folder / "checkpoint"))
            assert path and model_sizes(str(folder / "checkpoint"))["image_size"] == 16
        with tf.Graph().as_default(), tf.Session() as sess:
            dcgan = DCGAN(sess, image_size=16, gf_dim=4, df_dim=4, z_dim=8)
            assert all(dcgan.load(str(folder / "checkpoint")) for _ in range(20))
        process = run_script("gantut_sample.py", "--count", 4, cwd=folder)
        assert (process.returncode, process.stderr) == (0, "")
    finally:
        training.kill()
        training.wait()
