"""docs/plot_tensorboard.py: screenshots of a real TensorBoard on the logs of a real training."""
import os
import re

import numpy as np
import pytest
from helpers import run_script, the_error, train, two_at_a_time, write_pictures
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_quiz import needs_browser

SCRIPT = os.path.join("docs", "plot_tensorboard.py")
HISTOGRAMS, GRAPH = ["tensorboard_d.png", "tensorboard_d_.png", "tensorboard_z.png"], "tensorboard_graph.png"


@needs_browser
@pytest.mark.slow
def test_it_shows_the_histograms_and_the_graph(tmp_path):
    pytest.importorskip("selenium")
    write_pictures(tmp_path / "pictures")
    assert train(tmp_path, "--epoch", 2).returncode == 0
    process = run_script(SCRIPT, "logs", "--out_dir", "out", cwd=tmp_path)
    assert (process.returncode, process.stderr) == (0, "")
    assert sorted(os.listdir(tmp_path / "out")) == sorted([*HISTOGRAMS, GRAPH])

    graph = EventAccumulator(str(tmp_path / "logs")).Reload().Graph()
    names, nodes = map(int, re.search(r"(\d+) names at the top level: (\d+) nodes", process.stdout).groups())
    assert names == len({node.name.split("/")[0] for node in graph.node}) and 20 < nodes < names

    pictures = {name: np.asarray(Image.open(tmp_path / "out" / name).convert("RGB")).astype(int)
                for name in [*HISTOGRAMS, GRAPH]}
    for name, picture in pictures.items():
        height, width, _ = picture.shape
        assert (500 < width < 800 and 300 < height < 500) if name in HISTOGRAMS else (width > 1000 and height > 80)
        assert len(np.unique(picture.reshape([-1, 3]), axis=0)) > 30
        assert os.path.getsize(tmp_path / "out" / name) < 250000
    orange = {name: (picture[..., 0] - picture[..., 2] > 60).any(axis=0) for name, picture in pictures.items()}
    assert all(orange[name].sum() > 50 for name in HISTOGRAMS)  # columns with a distribution in them
    assert orange["tensorboard_z.png"].sum() > 250  # uniform: it fills most of the axis
    assert len({picture.tobytes() for picture in pictures.values()}) == 4


def test_a_folder_without_logs_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    found = two_at_a_time(lambda name: run_script(SCRIPT, name, "--out_dir", "out", cwd=tmp_path), ["empty", "nowhere"])
    assert "empty lack z_1, d, d_: give the --logs_dir" in the_error(found["empty"])
    assert "no folder nowhere" in the_error(found["nowhere"])
    assert os.listdir(tmp_path) == ["empty"]
