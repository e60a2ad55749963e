"""The benchmarks run, at tiny sizes: each prints its table and writes its JSON."""
import importlib
import json
import os
import re
import sys
from importlib.util import find_spec

import pytest
from helpers import UserError, run_script, the_error, train, write_pictures

TINY = ["--image_size", 16, "--gf_dim", 4]


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
