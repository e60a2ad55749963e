"""What stands in a checkpoint folder is not lost: models without their state file, two runs at once, strange paths."""
import os
import shutil
import signal

import pytest
import tensorflow.compat.v1 as tf
from conftest import (
    SMALL,
    run_script,
    snapshot,
    start,
    steps_done,
    the_error,
    train,
    two_at_a_time,
    wait_until,
    write_pictures,
)

from gantut.checkpoints import find_checkpoints, names_in_state, newest_checkpoint, step_of
from gantut.errors import UserError

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


def test_a_model_without_a_state_file_that_names_it_goes_on_and_stays(trained, tmp_path):
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


def test_parts_of_a_model_are_no_model(trained, tmp_path):
    """Without its data file: a new training would hide it; it is refused, and nothing is touched."""
    folder = model_alone(trained, tmp_path, "missing")
    os.remove(folder / "checkpoint" / (MODEL + ".data-00000-of-00001"))
    before = snapshot(folder / "checkpoint")
    line = the_error(train(folder, "--epoch", 10000))
    assert MODEL in line and ".data" in line
    assert snapshot(folder / "checkpoint") == before


def test_what_counts_as_complete(tmp_path):
    for name in ("a-1.index", "a-1.data-00000-of-00002", "a-1.data-00001-of-00002", "a-2.index", "b-3.meta",
                 "a-4.data-00000-of-00001", "a-5.index", "a-5.data-00000-of-00002", "checkpoint", "notes.txt"):
        (tmp_path / name).touch()
    assert find_checkpoints(str(tmp_path)) == ({"a-1"}, {"a-2", "a-4", "a-5"})
    assert names_in_state(str(tmp_path)) == [""] and newest_checkpoint(str(tmp_path)) == str(tmp_path / "a-1")


def test_a_run_removes_its_own_old_checkpoints_and_nobody_elses(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "run")
    for name in ("DCGAN.model-3", "DCGAN.model-99", "best-5"):
        for ending in (".index", ".data-00000-of-00001", ".meta"):
            shutil.copy(folder / "checkpoint" / (MODEL + ending), folder / "checkpoint" / (name + ending))
    assert train(folder, "--epoch", 3).returncode == 0
    models = {name.split(".index")[0] for name in os.listdir(folder / "checkpoint") if name.endswith(".index")}
    assert models == {"DCGAN.model-3", "DCGAN.model-99", "best-5", "DCGAN.model-10"}


def test_two_runs_in_one_folder(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "run")
    first = start(folder, "--epoch", 10000)
    wait_until(lambda: steps_done(folder) > 2, first)
    line = the_error(train(folder, "--epoch", 10000))
    assert "process {} on".format(first.pid) in line and "--checkpoint_dir" in line
    first.kill()  # leaves no lock behind
    first.wait()
    done = step_of(newest_checkpoint(str(folder / "checkpoint"))) // 3  # it may have saved meanwhile
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
    """Each knows its own event file, whatever the others are called."""
    folder = shutil.copytree(trained, tmp_path / "run")
    (folder / "logs" / "events.out.tfevents.9999999999.zzz").write_bytes(b"")
    others = start(folder, "--epoch", 10000, "--checkpoint_dir", "other", "--save_every", 1)
    wait_until(lambda: steps_done(folder) > 2, others)
    process = train(folder, "--epoch", 4, "--save_every", 1)
    others.send_signal(signal.SIGTERM)
    assert process.returncode == 0, process.stderr
    assert others.wait() == 128 + signal.SIGTERM, (folder / "stderr").read_text()


def test_the_state_file_of_tensorflow_is_understood(tmp_path, sess):
    """As TensorFlow itself reads it."""
    tf.get_variable("x", [1])
    sess.run(tf.global_variables_initializer())
    saver = tf.train.Saver(max_to_keep=3)
    for step in (1, 2, 3, 4):
        saver.save(sess, str(tmp_path / "model"), global_step=step)
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert [str(tmp_path / name) for name in names_in_state(str(tmp_path))] == state.all_model_checkpoint_paths
