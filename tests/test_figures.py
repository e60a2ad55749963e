"""What benchmarks print is computed from hand-made figures here; a benchmark that is stopped stops its training."""
import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import machine

import few_pictures
import hold_out
import lessons
import photographs
import pytest
from helpers import ROOT, wait_until

from gantut.errors import UserError

pytestmark = pytest.mark.quick


def rows(capsys):
    """The cells of the table that was printed, without its header, by the first cell."""
    printed = capsys.readouterr().out.splitlines()
    lines = [[cell.strip() for cell in line[1:-1].split("|")] for line in printed if line.startswith("|")]
    return {first: rest for first, *rest in lines[2:]}


def test_seconds_of_a_step_are_those_of_the_last_epoch():
    said = "Epoch [ 0] [   0/   3] time: 1.0\nEpoch [ 0] [   1/   3] time: 9.0\n[Sample] d_loss: 1.0\n" + "".join(
        f"Epoch [{epoch:2d}] [{step:4d}/   4] time: {time}, d_loss: 1.0\n"
        for epoch, step, time in [(9, 0, 20.0), (9, 1, 21.5), (9, 2, 23.0), (9, 3, 29.0)])
    assert machine.step_seconds(said) == 1.5


def test_steps_are_measured_in_turn_and_scaled_by_the_one_that_is_known():
    asked, speed = [], iter([1, 1, 3, 3, 1, 1])  # of the machine, which is busy in the second round

    def seconds_of(name):
        asked.append(name)
        return {"a": 0.2, "b": 0.5}[name] * next(speed)
    assert machine.in_turns(["b", "a"], seconds_of, {"a": 0.1}) == {"b": pytest.approx(0.25)}
    assert asked == ["a", "b"] * 3
    assert machine.in_turns(["a"], seconds_of, {"a": 0.1}) == {}


@pytest.mark.parametrize("epochs", [0.3, 1, 7.4, 20, 29, 30, 57, 61, 400])
def test_the_last_epoch_is_judged_and_about_twenty_are(epochs):
    trained, every = machine.judged(epochs)
    assert trained % every == 0 and trained >= 1 and abs(trained - epochs) <= max(0.5 * every, 0.7)
    assert trained // every in range(13, 31) or epochs < 20


def test_one_seed_has_no_spread():
    assert (machine.spread([5]), machine.spread([4, 6])) == ("5.0", "5.0 ± 1.4")


def test_figures_are_continued_with_the_same_flags_alone(tmp_path):
    path = str(tmp_path / "figures.json")
    machine.Figures(path, {"epoch": 2}, "seconds").keep("seconds", "a", 1.5)
    again = machine.Figures(path, {"epoch": 2}, "seconds")
    third = machine.Figures(path, {"epoch": 2}, "seconds")
    again.keep("seconds", "b", 2)
    third.keep("seconds", "c", 3)  # another process, which has not seen b
    assert json.loads((tmp_path / "figures.json").read_text())["seconds"] == {"a": 1.5, "b": 2, "c": 3}
    with pytest.raises(UserError, match=r"figures.json was made with other flags \(epoch\)"):
        machine.Figures(path, {"epoch": 3}, "seconds")


def test_an_epoch_of_one_step_has_no_time_of_a_step():
    line = "Epoch [ {}] [   0/   1] time: {}.5, d_loss: 1.4, g_loss: 0.7\n"
    with pytest.raises(UserError, match="needs two steps"):
        machine.step_seconds(line.format(0, 1) + line.format(1, 3))


def test_few_pictures_divides_also_those_of_one_name(tmp_path):
    files = [tmp_path / "all" / year / f"{i}.png" for year in ("2019", "2020") for i in range(5)]
    for i, path in enumerate(files):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(i))
    files = list(map(str, files))
    hold_out.copy_parts({"held_out": files[:3], "learnt": files[3:]}, str(tmp_path / "all"), str(tmp_path))
    parts = [[path.read_text() for path in (tmp_path / name).rglob("*.png")] for name in ("learnt", "held_out")]
    assert list(map(len, parts)) == [7, 3] and sorted(map(int, sum(parts, []))) == list(range(10))


def test_few_pictures(capsys):
    def found(score, curve):
        return {"scores": {machine.BEST: score, "nearest in the data": 20}, "held out": {machine.BEST: 2 * score},
                "logits": [1, -2, -3], "epochs": 40, "curve": curve}
    nothing = [found(60, [[20, 0, 90], [40, 0, 60]]), found(64, [[20, 0, 80], [40, 0, 70]])]
    model = [found(40, [[10, 0, 60], [20, 0, 50]]), found(40, [[10, 0, 75], [20, 0, 70]])]
    args = SimpleNamespace(recipes=few_pictures.BEGINNINGS, seeds=2)
    few_pictures.report(args, {f"{name}, {seed + 1}": one[seed] for name, one in zip(few_pictures.BEGINNINGS, (
        nothing, model)) for seed in range(2)}, 10, 30)
    assert rows(capsys) == {
        "real ones": ["", "10.0", "30.0", "", "", "", "", ""],
        "from nothing": ["2", "62.0 ± 2.8", "124.0 ± 5.7", "1.0", "-2.0", "-3.0", "20.0", "1.00"],
        "from the model": ["2", "40.0 ± 0.0", "80.0 ± 0.0", "1.0", "-2.0", "-3.0", "20.0", "0.38"]}  # 10 and 20 of 40


def test_photographs(capsys):
    args = SimpleNamespace(recipes=["average", "pytorch"], size=32, seeds=3, score=40.)
    photographs.report(args, {"seconds": {"32 average": 0.25, "32 pytorch": 0.5}, "curves": {
        "32 average 1": [[1, 50], [2, 39], [3, 41]], "32 average 2": [[1, 40], [2, 30], [3, 20]],
        "32 average 3": [[1, 60], [2, 50], [3, 45]], "32 pytorch 1": [[2, 70]]}})
    assert rows(capsys) == {"average": ["256", "3.0", "35.3 ± 13.4", "2.0", "3"],
                            "pytorch": ["256", "2.0", "70.0", "inf", "1"]}  # batches of 64, of 128


def test_lessons(capsys):
    def one(classes, distance):
        return {"classes": classes, "confidence": 0.9, "frechet": distance}
    lessons.show({"flags": {"held out": 10}, "classifier": {"accuracy": 0.987},
                  "samples": {"noise": one(1, 400)}, "runs": {
        "keras_gan-10": one(9, 20), "keras_gan-2": one(8, 30), "mnist_gan-5-1": one(10, 40)}})
    assert rows(capsys) == {"noise": ["", "1", "0.900", "400.0"], "keras_gan": ["2 10", "8 9", "0.900 0.900",
                            "30.0 20.0"], "mnist_gan-5": ["1", "10", "0.900", "40.0"]}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_benchmark_stops_its_training(tmp_path, number):
    (tmp_path / "training.py").write_text("import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)\n")
    (tmp_path / "benchmark.py").write_text(f"import sys\nsys.path.insert(0, {os.path.join(ROOT, 'benchmarks')!r})\n"
                                           "import machine\n"
                                           "machine.run(lambda: machine.trained([sys.executable, 'training.py']))\n")
    process = subprocess.Popen([sys.executable, "benchmark.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    pid = int(wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), process))
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, "stopped; the same command continues\n")
    assert not os.path.exists(f"/proc/{pid}")
