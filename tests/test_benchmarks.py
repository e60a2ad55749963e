"""The benchmarks run, at tiny sizes: each prints its table and writes its JSON."""
import json

import pytest
from conftest import run_script

TINY = ["--image_size", 16, "--gf_dim", 4]


@pytest.mark.slow
@pytest.mark.parametrize("script, flags, line", [
    ("step", [*TINY, "--batch_size", 4, "--rounds", 1, "--only", "ours", "written", "product"], "| this project |"),
    ("scale", ["--quick"], "| files |"),
    ("sample", [*TINY, "--count", 130, "--rounds", 1], "| images/s |"),
    ("runtimes", [*TINY, "--batches", 1, 2, "--rounds", 1, "--seconds", 0.05], "| LiteRT |"),
    ("loader", ["--count", 1000, "--rounds", 1, "--only", "cold"], "gantut"),
    ("cluster", [*TINY, "--batch_size", 4, "--rounds", 1], "| 2 workers, 1 core each |"),
    ("profile_step", [*TINY, "--batch_size", 4], "| together |"),
    ("recipes", ["--seeds", 1, "--epoch", 1, "--data", "faces 32", "--recipes", "the text's", "+ R1"], "| + R1 |"),
    ("few_pictures", ["--steps", 5, 10], "| + augment | 10 |"),
    ("align", ["--count", 10, "--workers", 1], "pictures/s"),
])
def test_a_benchmark_runs(tmp_path, script, flags, line):
    with_json = [] if script in ("profile_step", "few_pictures", "align") else ["--json", "figures.json"]
    process = run_script("benchmarks/{}.py".format(script), *flags, *with_json, cwd=tmp_path)
    assert process.returncode == 0 and line in process.stdout, process.stdout + process.stderr
    if with_json:
        assert "cpu" in json.loads((tmp_path / "figures.json").read_text())["machine"]
