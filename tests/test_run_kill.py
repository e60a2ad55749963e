"""The kill test: a training that is killed again and again ends with the same bits as one that is not disturbed."""
import os
import signal
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import samples, start, steps_done, train, two_at_a_time, variables, wait_until, write_pictures
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

FLAGS = ["--image_size", 8, "--sample_every", 7, "--save_every", 1, "--epoch", 17]  # 51 steps
AIMS = ["save", "start-up", "step", "save", "step"]


def files_in(folder):
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def wait_for_the_moment(aim, rng, folder, process):
    """Wait for a random moment of the given kind."""
    logs, checkpoints = files_in(folder / "logs"), folder / "checkpoint"
    if aim == "start-up":
        time.sleep(rng.uniform(0, 1))  # forked, a training takes one second to start, and some more for its steps
        return
    wait_until(lambda: files_in(folder / "logs") != logs, process)  # what the last kill left has been removed by now
    assert len([name for name in files_in(checkpoints) if "run.json" not in name]) <= 4, files_in(checkpoints)
    if aim == "step":
        wait_until(lambda: steps_done(folder) >= rng.randint(1, 3), process)
        time.sleep(rng.uniform(0, 0.3))
    else:
        before = files_in(checkpoints)
        wait_until(lambda: files_in(checkpoints) != before, process)
        time.sleep(rng.choice([0, 0.002, 0.005, 0.01]))


def check_what_is_left(folder):
    """Every checkpoint that the state file names can be read, to the last bit."""
    state = tf.train.get_checkpoint_state(str(folder / "checkpoint"))
    for path in state.all_model_checkpoint_paths if state else []:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)


def kill_and_resume(folder, times, seed):
    """Start a training and kill it, several times; then let it end. Returns when it was killed."""
    rng = np.random.RandomState(seed)
    hits = []
    for i in range(times):
        aim, signum = AIMS[i % len(AIMS)], rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
        process = start(folder, *FLAGS)
        wait_for_the_moment(aim, rng, folder, process)
        assert process.poll() is None
        process.send_signal(signum)
        assert process.wait(60) in (-signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM)
        assert "Traceback" not in (folder / "stderr").read_text()
        half_written = [name for name in files_in(folder / "checkpoint") if "temp" in name or ".tmp" in name]
        hits.append((aim, signal.Signals(signum).name, len(half_written)))
        check_what_is_left(folder)
    last = train(folder, *FLAGS)
    assert (last.returncode, last.stderr) == (0, "")
    return hits


def end_undisturbed_and_killed(tmp_path, times, seed):
    for name in ("peace", "killed"):
        write_pictures(tmp_path / name / "pictures", size=8)
    results = two_at_a_time(lambda name: train(tmp_path / name, *FLAGS).returncode if name == "peace" else
                            kill_and_resume(tmp_path / name, times, seed), ["peace", "killed"])
    print(results)
    peace, killed = tmp_path / "peace", tmp_path / "killed"
    assert variables(killed) == variables(peace)
    assert samples(killed) == samples(peace)
    assert files_in(killed / "checkpoint") == files_in(peace / "checkpoint")
    accumulator = EventAccumulator(str(killed / "logs"), size_guidance={"scalars": 0})
    accumulator.Reload()
    assert [point.step for point in accumulator.Scalars("d_loss")] == list(range(1, 52))
    return results["killed"]


def test_a_training_killed_3_times_ends_with_the_same_bits(tmp_path):
    end_undisturbed_and_killed(tmp_path, 3, seed=1)


@pytest.mark.slow
def test_a_training_killed_25_times_ends_with_the_same_bits(tmp_path):
    hits = end_undisturbed_and_killed(tmp_path, 25, seed=2)
    assert {signum for _, signum, _ in hits} == {"SIGKILL", "SIGTERM"}
    assert len(hits) == 25
