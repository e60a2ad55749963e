"""The benchmarks run, at tiny sizes: each prints its table and writes its JSON. What is wrong they say beforehand."""
import argparse
import importlib
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import machine

import imageio.v3 as iio
import numpy as np
import pytest
from helpers import ROOT, UserError, run_script, tf, the_error, touch, train, wait_until, write_pictures

from gantut.errors import locked
from gantut.flags import BEYOND
from gantut.scripts import AnyOrder

FOLDER = os.path.join(ROOT, "benchmarks")
SCRIPTS = sorted(name[:-3] for name in os.listdir(FOLDER)
                 if name.endswith(".py") and name not in ("machine.py", "other_frameworks.py"))
TINY = ["--image_size", 16, "--gf_dim", 4]


@pytest.fixture
def main(monkeypatch, tmp_path):
    """A function that calls main() of a script in tmp_path, where nothing is trained, and PyTorch is not needed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(machine, "trained", lambda *_: pytest.fail("a training"))
    monkeypatch.setattr(machine, "need_torch", lambda: None)
    monkeypatch.setitem(sys.modules, "torch", None)

    def call(script, *flags):
        monkeypatch.setattr(sys, "argv", [script, *map(str, flags)])
        monkeypatch.delitem(sys.modules, script, raising=False)
        return importlib.import_module(script).main()
    return call


class Parsed(Exception):
    """Raised with a parser that has all its flags."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_flag_is_checked_when_it_is_read(main, monkeypatch, tmp_path, script):
    def parse(parser):
        raise Parsed(parser)
    with monkeypatch.context() as patch, pytest.raises(Parsed) as parsed:
        patch.setattr(AnyOrder, "parse_args", parse)
        main(script)
    (tmp_path / "file").touch()
    flags = {action.dest: action.type for action in parsed.value.args[0]._actions if action.nargs != 0 and not (
        action.choices or action.help == argparse.SUPPRESS or action.dest == "runs")}
    wrong = {name: ["", "-1", "nan", "inf", "1e-999", "x"] for name in flags}
    for name, kind in flags.items():
        if kind in (machine.path_type, machine.file_type):
            assert kind("~/x") == str(tmp_path / "x")
            wrong[name] = [""] if kind == machine.path_type else ["", str(tmp_path), "file/x"]
        for text in wrong[name]:
            with pytest.raises(argparse.ArgumentTypeError):
                kind(text)
    assert flags.get("image_size", machine.power_of_two) == machine.power_of_two
    assert flags.get("json") in (None, machine.file_type) and flags.get("sheet") in (None, machine.file_type)
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_a_size_is_as_the_trainers():
    assert [machine.power_of_two(text) for text in ("8", "64", "512")] == [8, 64, 512]
    for text in ("0", "4", "12", "48", "100", "8.0"):
        with pytest.raises(argparse.ArgumentTypeError, match="must be a power of two, 8 or more"):
            machine.power_of_two(text)


def test_the_precisions_are_the_trainers():
    assert machine.PRECISIONS == BEYOND["precision"][2]["enum_values"]


@pytest.mark.parametrize("script, flags, words", [
    ("loader", ["--count", 383], "--count: '383' is not a whole number from 384"),
    ("align", ["--count", 1], "--count: '1' is not a whole number from 2"),
    ("sample", ["--count", 64], "--count: '64' is not a whole number from 65"),
    ("step", ["--json", "out"], "--json: cannot write out: it is a folder"),
    ("step", ["--image_size", 48], "--image_size: '48' must be a power of two, 8 or more"),
    ("photographs", ["--size", 4], "--size: '4' must be a power of two, 8 or more"),
    ("recipes", ["--json", "new", "--precision", "float23"], "--precision: invalid choice: 'float23'"),
    ("few_pictures", ["--precision", "float23"], "--precision: invalid choice: 'float23'"),
    ("scale", ["--precision", "float23"], "--precision: invalid choice: 'float23'"),
    ("judge_digits", ["keras_gan="], "keras_gan=: say LESSON=FOLDER"),
    ("judge_faces", ["--checkpoint_dir", "no"], "no checkpoint in no"),
    ("pretrained", ["--checkpoint_dir", "no"], "no checkpoint in no"),
    ("pretrained", ["--out", "a[b]"], "--out a[b]: TensorFlow treats"),
    ("pretrained", ["--out", "out"], "--out out is there already"),
    ("photographs", ["--dataset", "pictures", "--folder", "pictures/out"], "--folder pictures/out lies in the folder"),
    ("pytorch_tutorial", ["--dataset", "pictures", "--folder", "new"], "24 picture(s) in pictures are fewer than one"),
    ("pytorch_tutorial", ["--dataset", "many", "--folder", "out"], "out/scores.csv is there, but not from this bench"),
    ("pytorch_tutorial", ["--dataset", "out/learnt", "--folder", "new"], "no pictures in out/learnt"),
    ("train_pytorch", ["--dataset", "pictures", "--out", "new"], "fewer than one batch of 64: use --batch_size 24"),
    ("train_pytorch", ["--dataset", "pictures", "--batch_size", 8, "--out", "pictures/new"], "pictures/new lies in"),
    ("train_pytorch", ["--dataset", "pictures", "--batch_size", 8, "--out", "two"], "two has pictures already"),
    ("few_pictures", ["--init_from", "no"], "no checkpoint in no: train a model first, or give its folder with --init"),
    ("few_pictures", ["--data", "many", "--out", "many/few"], "many/few lies in the folder of pictures many"),
    ("few_pictures", ["--data", "many", "--out", "out"], "out/learnt is there, but not from this benchmark"),
    ("lessons", ["--data", "digits", "--folder", "out"], "out/pictures is there, but not from this benchmark"),
    ("lessons", ["--data", "digits", "--folder", "runs"], "runs/mnist_gan-1 is there, but not from this benchmark"),
    ("hold_out", ["--dataset", "pictures", "--out", "out"], "--out out is there already: give another folder"),
    ("hold_out", ["--dataset", "pictures", "--out", "pictures/out"], "pictures/out lies in the folder of pictures"),
    ("hold_out", ["--dataset", "pictures", "--out", "new"], "0 of 24 pictures in pictures are alone in their folder"),
    ("copies", ["--dataset", "pictures", "--held_out", "two", "--out", "out/grid.png"], "--out out/grid.png is there"),
    ("copies", ["--dataset", "pictures", "--held_out", "two", "--out", "two/new.png"], "two/new.png lies in the fold"),
    ("copies", ["--dataset", "pictures", "--held_out", "no", "--out", "new.png"], "no folder no"),
    ("copies", ["--dataset", "pictures", "--held_out", "out/learnt", "--out", "new.png"], "no pictures in out/learnt"),
    ("completion", ["--out_dir", "out"], "out/grid.png is there, but not from this benchmark"),
    ("completion", ["--dataset", "pictures", "--count", 24], "24 picture(s) in pictures: give a smaller --count"),
    ("completion", ["--dataset", "pictures", "--out_dir", "pictures"], "--out_dir pictures lies in the folder"),
])
def test_what_is_wrong_is_said_before_anything_is_done(main, monkeypatch, tmp_path, script, flags, words):
    write_pictures(tmp_path / "pictures")
    write_pictures(tmp_path / "two", n=2)
    for folder in ("out/learnt", "out/pictures", "runs/mnist_gan-1"):
        (tmp_path / folder).mkdir(parents=True)
    touch(tmp_path, "out/grid.png", "out/scores.csv")
    if "many" in flags:
        write_pictures(tmp_path / "many", n=128)
    if script == "few_pictures":
        flags = ["--held_out", 64, "--batch_size", 8, *flags]
    elif script in ("completion", "copies"):
        flags = ["--checkpoint_dir", os.path.join(ROOT, "pretrained"), *flags]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((UserError, SystemExit), match=re.escape(words)):
        main(script, *flags)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_a_run_uses_is_refused(main, tmp_path):
    write_pictures(tmp_path / "many", n=128)
    with locked("torch", ".run"), pytest.raises(UserError, match="^another run uses torch: .* use another --folder$"):
        main("pytorch_tutorial", "--dataset", "many", "--folder", "torch")
    assert os.listdir("torch") == []


def test_a_model_to_give_away_that_cannot_be_written_leaves_nothing(main, monkeypatch, tmp_path):
    class Full(tf.train.Saver):
        def save(self, *args, **kwargs):
            super().save(*args, **kwargs)
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")
    monkeypatch.setattr(tf.train, "Saver", Full)
    with pytest.raises(UserError, match=r"^cannot write .*/my_model: No space left on device"):
        main("pretrained", "--checkpoint_dir", os.path.join(ROOT, "pretrained"), "--out", "~/my_model")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b'{"flags": ', b"[]", b"3", b"{}", b'{"flags": {}, "seconds": []}', b"\xff"])
def test_damaged_figures_are_named(tmp_path, content):
    (tmp_path / "figures.json").write_bytes(content)
    with pytest.raises(UserError, match="figures.json is damaged, or of another program"):
        machine.Figures(str(tmp_path / "figures.json"), {}, "seconds")
    assert (tmp_path / "figures.json").read_bytes() == content


ROUND = {"images/s": 1., "first image, s": 1., "all images, s": 1., "peak MB": 1}
RUNTIME = {"session": {1: [1.], 64: [1.]}}
CLUSTER = {name: np.ones([5, 2]) for name in ("one core", "two cores", "two workers", "two strangers", "three workers")}


@pytest.mark.parametrize("script, flags, patches", [
    ("sample", ["--checkpoint_dir", "."], {"draw": lambda *_: ROUND}),
    ("scale", [], {"measure": lambda *_: {"steps": [], "start": []}}),
    ("runtimes", ["--checkpoint_dir", "."], {"run": lambda *_: ([], 0, ""), "size": lambda _: 1., "measure_all":
                                             lambda *_: RUNTIME}),
    ("learning", ["--data", "faces", "--contenders", "float32", "--seeds", 1], {
        "DATA": {"faces": lambda _: ([], lambda _: 1.)}, "CONTENDERS": {
            "float32": (lambda *_: ([], argparse.Namespace(cleanup=lambda: None)), [])}}),
    ("judge_faces", [], {"model_sizes": lambda _: {}, "draw": lambda *_: ([], argparse.Namespace(cleanup=lambda: None)),
                         "Judge": lambda _: type("Judge", (), {
                             "learnt": np.zeros(1), "accuracy": np.ones(10), "frequencies": np.ones(10),
                             "__call__": lambda *_: (1., np.ones(10))})()}),
    ("cluster", [], {"main": lambda: sys.modules["cluster"].report(
        argparse.Namespace(json="figures.json", batch_size=4), CLUSTER, 1, 1)}),
    ("step", [], {"main": lambda: sys.modules["step"].report(argparse.Namespace(
        json="figures.json", image_size=16, gf_dim=4, batch_size=4, rounds=1), {"ours": np.ones(1)})}),
])
def test_the_figures_are_written_before_the_table(main, monkeypatch, script, flags, patches):
    class Shown(Exception):
        """Raised where the table would be printed."""

    def table(*_):
        assert "cpu" in json.load(open("figures.json"))["machine"]
        raise Shown
    module = importlib.import_module(script)
    for name, value in {"table": table, **patches}.items():
        monkeypatch.setattr(module, name, value, raising=name != "table")
    monkeypatch.setattr(machine, "table", table)
    monkeypatch.setattr(sys, "argv", [script, *map(str, flags), "--json", "figures.json"])
    pytest.raises(Shown, module.main)


PROGRAM = f"import sys\nsys.path.insert(0, {FOLDER!r})\nimport machine\n"


def start(folder, text, **streams):
    (folder / "benchmark.py").write_text(PROGRAM + text)
    return subprocess.Popen([sys.executable, "benchmark.py"], cwd=folder, text=True, **streams)


@pytest.mark.parametrize("both", [False, True])
def test_a_closed_pipe_ends_no_benchmark(tmp_path, both):
    reader, writer = os.pipe()
    os.close(reader)
    with start(tmp_path, "def main():\n    machine.table('a', 'b')\n    machine.write_figures('figures.json')\n"
               "machine.run(main)\n", stdout=writer, stderr=writer if both else subprocess.PIPE) as process:
        os.close(writer)
        said = "" if both else process.stderr.read()
    assert process.returncode == 0 and "Traceback" not in said and (tmp_path / "figures.json").exists()


def test_a_stopped_benchmark_ends_its_process_and_what_that_has_started(tmp_path):
    """scale.py's run(), which sample.py and runtimes.py use too; the temporary folder is removed."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "child.py").write_text("import os, subprocess, sys, time\n"
                                       "one = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
                                       "open('new', 'w').write(f'{os.getpid()} {one.pid}')\n"
                                       "os.rename('new', 'pids')\ntime.sleep(60)\n")
    process = start(tmp_path, "import os, scale, tempfile\ntempfile.tempdir = os.path.abspath('tmp')\ndef main():\n"
                    "    with tempfile.TemporaryDirectory():\n        scale.run(os.path.abspath('child.py'), {}, 300)\n"
                    "machine.run(main, 'stopped')\n", stderr=subprocess.PIPE)
    wait_until((tmp_path / "pids").exists, process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, "stopped\n") and os.listdir(tmp_path / "tmp") == []
    end = time.monotonic() + 30
    while any(map(alive, (tmp_path / "pids").read_text().split())):
        assert time.monotonic() < end
        time.sleep(0.01)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("dead", [False, True])
def test_a_contender_that_ends_is_named(dead):
    """With what it has said last, whether it ends before it is asked or afterwards."""
    import step
    program = "import sys; " + ("" if dead else "input(); ") + "print('a'); sys.exit('a line\\nerror: no memory\\n')"
    with pytest.raises(UserError, match="^the contender .* ended with exit code 1: no memory$"), machine.child(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if dead:
            process.wait()
        step.go(process)
        step.answer(process)


def test_a_runtime_that_ends_is_named():
    import runtimes
    ours, theirs = multiprocessing.Pipe()
    theirs.send(UserError("ONNX Runtime: not installed"))
    with pytest.raises(UserError, match="^ONNX Runtime: not installed"):
        runtimes.answer(ours, "ONNX Runtime")
    theirs.close()
    with pytest.raises(UserError, match="^LiteRT: its process was killed"):
        runtimes.answer(ours, "LiteRT")


@pytest.mark.parametrize("script, flags", [
    ("pytorch_tutorial", ["--dataset", "pictures", "--folder", "out"]),
    ("train_pytorch", ["--dataset", "pictures", "--out", "out"]),
    ("learning", ["--contenders", "float32", "pytorch"]),
])
def test_without_pytorch(monkeypatch, capsys, script, flags):
    """--help is shown all the same, and a run ends before it does anything."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, script, raising=False)
    main = importlib.import_module(script).main
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    pytest.raises(SystemExit, main)
    assert flags[0] in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [script, *flags])
    with pytest.raises(UserError, match=re.escape("this needs PyTorch: pip install torch")):
        main()


def test_who_is_held_out_is_not_learnt(main, tmp_path):
    for name, n in (("one", 1), ("two", 2), ("another", 1), ("third", 1)):
        write_pictures(tmp_path / "people" / name, n=n)
    main("hold_out", "--dataset", "people", "--out", "new/divided", "--count", 2)
    files, learnt, held_out = ({str(path.relative_to(tmp_path / name)) for path in (tmp_path / name).rglob("*.png")}
                               for name in ("people", "new/divided/learnt", "new/divided/held_out"))
    assert learnt | held_out == files and len(held_out) == 2 and learnt.isdisjoint(held_out)
    assert not any(file.startswith("two") for file in held_out) and os.listdir(tmp_path / "new") == ["divided"]


def test_copies_are_found(main, capsys, tmp_path):
    """A model whose samples are among what it has learnt is at distance 0 from it."""
    model = os.path.join(ROOT, "pretrained")
    assert run_script("gantut_sample.py", "--checkpoint_dir", model, "--mode", "images", "--count", 24,
                      "--out", "learnt", cwd=tmp_path).returncode == 0
    write_pictures(tmp_path / "others", n=3, size=64)
    with tf.Graph().as_default():
        main("copies", "--checkpoint_dir", model, "--dataset", "learnt", "--held_out", "others", "--count", 24)
    rows = {row.split("|")[1].strip(): [float(cell) for cell in row.split("|")[2:-1]]
            for row in capsys.readouterr().out.splitlines() if re.match(r"\| (samples|held-out)", row)}
    assert max(rows["samples"]) < 0.5 and min(rows["held-out pictures"]) > 20
    sheet = iio.imread(tmp_path / "copies.png").reshape(6, 64, 4, 64, 3).swapaxes(1, 2).astype(float)
    assert abs(sheet[:, ::2] - sheet[:, 1::2]).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("script, flags, line", [
    ("step", [*TINY, "--batch_size", 4, "--rounds", 1, "--only", "ours", "written", "product"], "| --fast |"),
    ("scale", ["--quick"], "| files |"),
    ("sample", [*TINY, "--count", 130, "--rounds", 1], "| images/s |"),
    ("runtimes", [*TINY, "--batches", 1, 2, "--rounds", 1, "--seconds", 0.05], "| LiteRT |"),
    ("loader", ["--count", 1000, "--rounds", 1, "--only", "cold"], "| cold | gantut |"),
    ("cluster", [*TINY, "--batch_size", 4, "--rounds", 1], "| 2 workers, 1 core each |"),
    ("profile_step", [*TINY, "--batch_size", 4], "| together |"),
    ("recipes", ["--seeds", 1, "--epoch", 1, "--data", "faces 32", "--recipes", "the text's", "+ R1"], "| + R1 |"),
    ("align", ["--count", 10, "--workers", 1], "pictures/s"),
])
def test_a_benchmark_runs(tmp_path, script, flags, line):
    with_json = [] if script in ("profile_step", "align") else ["--json", "figures.json"]
    process = run_script(f"benchmarks/{script}.py", *flags, *with_json, cwd=tmp_path)
    assert process.returncode == 0 and line in process.stdout, process.stdout + process.stderr
    assert "nan" not in process.stdout and "exit code" not in process.stdout, process.stdout + process.stderr
    if with_json:
        assert "cpu" in json.loads((tmp_path / "figures.json").read_text())["machine"]


@pytest.mark.slow
def test_few_pictures_runs_and_does_nothing_twice(tmp_path):
    write_pictures(tmp_path / "pictures", n=170)
    assert train(tmp_path, "--epoch", 1).returncode == 0
    flags = ["--data", "pictures", "--init_from", "checkpoint", "--held_out", 70, "--batch_size", 8, "--minutes", 0.001,
             "--recipes", "from nothing", "from the model"]
    before = None
    for seeds in (1, 2, 2):
        process = run_script("benchmarks/few_pictures.py", *flags, "--seeds", seeds, cwd=tmp_path)
        assert process.returncode == 0 and "| from the model |" in process.stdout, process.stdout + process.stderr
        results = json.loads((tmp_path / "few_pictures" / "few.json").read_text())
        assert "cpu" in results["machine"] and len(results["found"]) == 2 * seeds
        assert before is None or before["found"].items() <= results["found"].items()
        assert before is None or results["seconds"] == before["seconds"]
        before = results
    process = run_script("benchmarks/few_pictures.py", *flags, "--minutes", 1, "--held_out", 80, cwd=tmp_path)
    assert "was made with other flags (held_out, minutes)" in the_error(process)
    divided = [set(os.listdir(tmp_path / "few_pictures" / name)) for name in ("learnt", "held_out")]
    assert [len(part) for part in divided] == [100, 70] and divided[0].isdisjoint(divided[1])


@pytest.mark.slow
def test_photographs_runs_and_does_nothing_twice(tmp_path):
    write_pictures(tmp_path / "pictures", n=260)
    before, recipes = {}, ["as written", "average", *(["pytorch"] if find_spec("torch") else [])]
    for seeds in (1, 2):
        process = run_script("benchmarks/photographs.py", "--dataset", "pictures", "--folder", "out", "--size", 16,
                             "--filters", 4, "--minutes", 0.001, "--recipes", *recipes, "--seeds", seeds, cwd=tmp_path)
        assert process.returncode == 0 and "| average |" in process.stdout, process.stdout + process.stderr
        curves = json.loads((tmp_path / "out" / "figures.json").read_text())["curves"]
        assert len(curves) == len(recipes) * seeds and before.items() <= curves.items()
        before = curves
    process = run_script("benchmarks/photographs.py", "--dataset", "pictures", "--folder", "out", "--filters", 4,
                         "--minutes", 1, cwd=tmp_path)
    assert "was made with other flags (minutes)" in the_error(process)
    process = run_script("benchmarks/photographs.py", "--dataset", "photographs", "--folder", "other", cwd=tmp_path)
    assert "no folder photographs" in the_error(process) and not os.path.exists(tmp_path / "other")


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("torch"), reason="needs torch")
def test_pytorchs_tutorial_continues_and_not_with_other_flags(tmp_path):
    write_pictures(tmp_path / "pictures", n=140)

    def run(*flags):
        return run_script("benchmarks/pytorch_tutorial.py", "--dataset", "pictures", "--folder", "torch",
                          "--image_size", 16, "--filters", 4, *flags, cwd=tmp_path, input="")  # without TensorFlow
    assert run("--epoch", 1).returncode == 0
    one = (tmp_path / "torch" / "scores.csv").read_text()
    (tmp_path / "torch" / "scores.csv").unlink()
    assert run("--epoch", 1).returncode == 0 and (tmp_path / "torch" / "scores.csv").read_text() == one
    assert "was made with other flags" in the_error(run("--epoch", 2, "--seed", 2))
    assert run("--epoch", 2).returncode == 0
    assert (tmp_path / "torch" / "scores.csv").read_text().startswith(one)
    write_pictures(tmp_path / "pictures", n=141)
    assert "state.pt was made with other flags (pictures)" in the_error(run("--epoch", 3))
    state = tmp_path / "torch" / "state.pt"
    for content in (b"", state.read_bytes()[:5000]):
        state.write_bytes(content)
        assert "state.pt is damaged, or of another program" in the_error(run("--epoch", 3))


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("torch"), reason="needs torch")
@pytest.mark.parametrize("size", [8, 16])
def test_a_training_in_pytorch_makes_its_folder(tmp_path, size):
    write_pictures(tmp_path / "pictures")
    process = run_script("benchmarks/train_pytorch.py", "--dataset", "pictures", "--out", "a/b", "--image_size", size,
                         "--batch_size", 8, "--gf_dim", 4, "--df_dim", 4, "--epoch", 1, "--count", 3, cwd=tmp_path,
                         input="")  # without TensorFlow
    assert process.returncode == 0 and len(os.listdir(tmp_path / "a" / "b")) == 3, process.stderr


@pytest.mark.slow
def test_completion_of_one_face_and_in_gray(tmp_path):
    write_pictures(tmp_path / "pictures")
    for c_dim, more in ((3, []), (1, ["--dataset", "pictures"])):
        model = ["--checkpoint_dir", f"of {c_dim}"]
        assert train(tmp_path, "--epoch", 1, "--c_dim", c_dim, *model).returncode == 0
        for _ in range(2):  # the second run may replace what the first has left
            process = run_script("benchmarks/completion.py", *model, *more, "--count", 1, "--n_iter", 2, "--out_dir",
                                 f"out {c_dim}", cwd=tmp_path)
            assert process.returncode == 0 and "| full |" in process.stdout, process.stderr
            assert "nan" not in process.stdout
        results = json.loads((tmp_path / f"out {c_dim}" / "results.json").read_text())
        assert "cpu" in results["machine"] and results["count"] == 1
        assert len(os.listdir(tmp_path / f"out {c_dim}")) == 7


@pytest.mark.slow
def test_a_model_to_give_away_draws_what_the_trained_one_draws(tmp_path):
    write_pictures(tmp_path / "pictures")
    assert train(tmp_path, "--epoch", 2, "--ema", 0.9).returncode == 0
    run_script("benchmarks/pretrained.py", "--out", "both", cwd=tmp_path)
    run_script("benchmarks/pretrained.py", "--out", "smaller", "--average_only", cwd=tmp_path)
    drawn = []
    for folder in ("checkpoint", "both", "smaller"):
        run_script("gantut_sample.py", "--checkpoint_dir", folder, "--count", 4, "--out", folder + ".png", cwd=tmp_path)
        drawn.append((tmp_path / (folder + ".png")).read_bytes())
    assert drawn[0] == drawn[1] == drawn[2]
    sizes = [sum(path.stat().st_size for path in (tmp_path / folder).glob("*.data*")) for folder in ("both", "smaller")]
    assert sizes[1] < sizes[0]
