"""bfloat16: a training stops and resumes, on a cluster too, changes its precision, and says so."""
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import (
    SMALL,
    losses,
    start,
    steps_done,
    the_error,
    train,
    two_at_a_time,
    variables,
    wait_until,
    write_pictures,
)

from gantut import session
from gantut.session import ARITHMETIC, processors_arithmetic, set_precision

HAS_IT = pytest.mark.skipif(not processors_arithmetic(), reason="this processor has no arithmetic for bfloat16")


def cpuinfo(path, flags):
    path.write_text(f"processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2 {flags}\nbugs\t: none\n")
    return str(path)


@pytest.mark.quick
def test_what_the_processor_has(tmp_path):
    for name in ARITHMETIC:
        assert processors_arithmetic(cpuinfo(tmp_path / name, "sse " + name)) == name
    assert processors_arithmetic(cpuinfo(tmp_path / "old", "avx512_bf16x")) is None
    assert processors_arithmetic(str(tmp_path / "nowhere")) is None


@pytest.mark.parametrize("asked, has, taken, said", [
    ("auto", "amx_bf16", "bfloat16", "--precision bfloat16: the processor has amx_bf16"),
    ("auto", None, "float32", "--precision float32: the processor has no arithmetic for bfloat16"),
    ("bfloat16", None, "bfloat16", "slower than float32"), ("bfloat16", "amx_bf16", "bfloat16", ""),
    ("float32", None, "float32", "")])
def test_the_precision_taken_is_one_line(monkeypatch, capsys, asked, has, taken, said):
    monkeypatch.setattr(session, "processors_arithmetic", lambda: has)
    config = tf.ConfigProto()
    assert set_precision(config, asked) == taken
    assert bool(config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16) == (taken == "bfloat16")
    out = capsys.readouterr()
    assert said in out.out + out.err and (out.out + out.err).count("\n") == bool(said)


LARGER = ["--gf_dim", 16, "--df_dim", 16]  # so that the rewrite finds its work worth while


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Trainings of 6 steps: in each precision, and from one precision to the other."""
    def run(parts):
        folder = tmp_path_factory.mktemp("run")
        write_pictures(folder / "pictures")
        return folder, [train(folder, *LARGER, "--epoch", epoch, "--precision", name) for epoch, name in parts]
    return two_at_a_time(run, [((2, "float32"),), ((4, "bfloat16"),),
                               ((1, "bfloat16"), (2, "float32"), (3, "bfloat16"))])


@HAS_IT
def test_bfloat16_is_near_float32_and_checkpoints_hold_float32(runs):
    (_, (full,)), (folder, (half,)) = runs[(2, "float32"),], runs[(4, "bfloat16"),]
    assert half.returncode == 0 and half.stderr == ""
    numbers = [np.array([[float(x) for x in re.findall(r"loss: ([\d.]+)", line)] for _, line in losses(run.stdout)[:2]])
               for run in (full, half)]
    difference = abs(numbers[0] - numbers[1]).max()  # later ones differ by what any rounding does
    assert 0 < difference < 2e-3
    reader = tf.train.load_checkpoint(str(folder / "checkpoint"))
    assert {kind.name for kind in reader.get_variable_to_dtype_map().values()} == {"float32"}


def test_a_run_goes_from_one_precision_to_the_other_and_back(runs):
    _, parts = runs[(1, "bfloat16"), (2, "float32"), (3, "bfloat16")]
    assert [part.returncode for part in parts] == [0, 0, 0]
    assert " [*] going on with precision float32 (it was bfloat16)" in parts[1].stdout
    assert " [*] going on with precision bfloat16 (it was float32)" in parts[2].stdout
    assert [len(losses(part.stdout)) for part in parts] == [3, 3, 3]


@HAS_IT
def test_bfloat16_resumes_bit_for_bit_after_a_signal(tmp_path, runs):
    write_pictures(tmp_path / "pictures")
    process = start(tmp_path, *LARGER, "--epoch", 4, "--precision", "auto")
    wait_until(lambda: steps_done(tmp_path) >= 1, process)
    process.terminate()
    assert process.wait(60) == 143
    went_on = train(tmp_path, *LARGER, "--epoch", 4, "--precision", "bfloat16")
    folder, (straight,) = runs[(4, "bfloat16"),]
    assert variables(tmp_path) == variables(folder)
    assert losses((tmp_path / "stdout").read_text()) + losses(went_on.stdout) == losses(straight.stdout)


def test_another_precision_is_refused(tmp_path):
    assert "--precision" in the_error(train(tmp_path, *SMALL, "--precision", "float16"))
