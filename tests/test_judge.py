"""gantut_judge.py, its scores against closed forms, and the judge during a training."""
import csv
import json
import os
import shutil
import subprocess
import sys
from unittest import mock

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from filelock import FileLock
from helpers import (
    ROOT,
    run_forked,
    run_script,
    snapshot,
    start,
    steps_done,
    the_error,
    touch,
    train,
    variables,
    wait_until,
    write_pictures,
)
from scipy import special, stats

from gantut import metrics
from gantut.errors import UserError
from gantut.images import read
from gantut.inception import features_of
from gantut.metrics import BEST, Judge
from gantut.monitoring import EpochJudge


def rng(seed=0):
    return np.random.RandomState(seed)


# the formulas

@pytest.mark.quick
def test_sliced_wasserstein_of_a_shift_is_the_shifts_mean_projection():
    """E |d c| over directions d is |c| Gamma(n / 2) / (sqrt(pi) Gamma((n + 1) / 2))."""
    for n in (1, 3, 50):
        a, c = rng().normal(size=[500, n]).astype(np.float32), rng(1).normal(size=n).astype(np.float32)
        expected = np.linalg.norm(c) * special.gamma(n / 2) / (np.sqrt(np.pi) * special.gamma((n + 1) / 2))
        assert metrics.sliced_wasserstein(a, a[::-1] + c, rng(2)) == pytest.approx(expected, rel=0.08)
    a, b = rng().normal(size=[2, 300, 1]).astype(np.float32) * [[[1]], [[3]]]
    assert metrics.sliced_wasserstein(np.float32(a), np.float32(b), rng()) == pytest.approx(
        stats.wasserstein_distance(a[:, 0], b[:, 0]), rel=1e-4)


@pytest.mark.quick
def test_the_pyramid_takes_a_picture_apart_by_its_frequencies():
    y, x = np.mgrid[:64, :64]
    flat, checks = np.full([64, 64], 100.0), 100 + 50 * (-1.0) ** (x + y)
    slow = 100 + 50 * np.sin(2 * np.pi * x / 64)
    images = np.repeat(np.float32([flat, checks, slow])[..., np.newaxis], 3, axis=3)
    fine, middle, coarse = metrics.pyramid(images)
    assert [level.shape for level in (fine, middle, coarse)] == [(3, s, s, 3) for s in (64, 32, 16)]
    power = np.array([level.std(axis=(1, 2, 3)) for level in (fine, middle, coarse)])
    np.testing.assert_allclose(power[:, 0], 0, atol=1e-3)
    np.testing.assert_allclose(coarse[0], 100, atol=1e-3)
    assert power[0, 1] == pytest.approx(50, rel=0.01) and power[1:, 1].max() < 1e-3
    assert power[2, 2] == pytest.approx(50 / np.sqrt(2), rel=0.05) and power[:2, 2].max() < 3  # of the borders


@pytest.mark.quick
def test_patches_are_parts_of_their_picture(monkeypatch):
    level = np.float32(np.arange(4 * 16 * 16 * 3).reshape([4, 16, 16, 3]))
    found = metrics.patches(level, rng()).reshape([4, metrics.PATCHES, 7, 7, 3])
    assert found.mean() == pytest.approx(0, abs=1e-5) and found.std() == pytest.approx(1, rel=1e-5)
    step = np.diff(found, axis=3)  # to the pixel on the right, which is larger by 3
    np.testing.assert_allclose(step, step[0, 0, 0, 0, 0], rtol=1e-3)
    np.testing.assert_allclose(np.diff(found, axis=2), 16 * step[0, 0, 0, 0, 0], rtol=1e-3)
    means = found.mean(axis=(1, 2, 3, 4))
    assert (np.diff(means) > 0).all()  # each from its own picture


@pytest.mark.quick
def test_spread_and_nearest():
    points = rng().normal(size=[2000, 8])
    assert metrics.spread(points) == pytest.approx(4, rel=0.03)  # sqrt(2 * 8)
    line = np.array([[0.0], [1], [3], [7]])
    assert list(metrics.nearest_other(line)) == [1, 1, 2, 4]
    assert list(metrics.nearest(line, np.array([[2.0], [9]]))) == [2, 1, 1, 2]


@pytest.mark.quick
def test_kid_is_the_unbiased_estimate():
    x, y = rng().normal(size=[2, 6, 3])
    y += 1

    def kernel(p, q):
        return (p @ q / 3 + 1) ** 3

    pairs = [(i, j) for i in range(6) for j in range(6)]
    by_hand = (sum(kernel(x[i], x[j]) + kernel(y[i], y[j]) for i, j in pairs if i != j) / 30
               - 2 * sum(kernel(x[i], y[j]) for i, j in pairs) / 36)
    assert metrics.kid(x, y, rng())[0] == pytest.approx(1000 * by_hand)
    a, b = rng(1).normal(size=[2, 1000, 5])
    mean, error = metrics.kid(a, b, rng())
    assert abs(mean) < 4 * error < 100


@pytest.mark.quick
def test_precision_and_recall_of_what_is_missing_and_what_is_wrong():
    real = np.concatenate([rng().normal(0, 1, [200, 2]), rng(1).normal(20, 1, [200, 2])])
    half = rng(2).normal(0, 1, [400, 2])  # one of the two groups
    precision, recall = metrics.precision_recall(real, half)
    assert precision > 0.9 and 0.4 < recall < 0.55
    far = np.concatenate([half[:200], rng(3).normal(-50, 1, [200, 2])])
    precision, _ = metrics.precision_recall(real, far)
    assert 0.4 < precision < 0.55


# the judge

def faces(n, size=32):
    """Coloured discs of many places and sizes: data with parts that a model may miss."""
    y, x = np.mgrid[:size, :size]
    draw = rng(5)
    images = []
    for _ in range(n):
        ground, colour = draw.uniform(0, 255, [2, 3])
        inside = (x - draw.uniform(10, 22)) ** 2 + (y - draw.uniform(10, 22)) ** 2 < draw.uniform(4, 10) ** 2
        images.append(np.where(inside[..., np.newaxis], colour, ground))
    return np.array(images).astype(np.uint8)


@pytest.fixture(scope="module")
def judge():
    return Judge(faces(400), 150, 1)


@pytest.mark.quick
def test_the_scores_rank_real_better_worse_noise(judge):
    noise = judge.noise()
    noisy = [judge.scores(np.float32(judge.other) * (1 - t) + noise * t)["SWD, mean"] for t in (0.1, 0.3)]
    order = [judge.floor()["SWD, mean"], *noisy, judge.scores(noise)["SWD, mean"]]
    assert order == sorted(order) and order[1] > 1.5 * order[0]


@pytest.mark.quick
def test_a_collapsed_model_and_one_that_copies_are_found(judge):
    floor = judge.floor()
    few = judge.scores(np.repeat(judge.other[:10], 15, axis=0))  # ten pictures, again and again
    assert few["nearest other"] == 0 and floor["nearest other"] > 5
    one = judge.scores(judge.other[:1] + rng().normal(0, 3, judge.other.shape))
    assert one["spread"] < 0.1 * floor["spread"]
    copies = judge.scores(faces(400)[rng().permutation(400)[:150]] + rng().normal(0, 3, judge.other.shape))
    assert copies["nearest in the data"] < 0.2 * floor["nearest in the data"]
    assert copies["spread"] > 0.9 * floor["spread"] and copies["SWD, mean"] < judge.scores(judge.noise())["SWD, mean"]


@pytest.mark.quick
def test_too_few_pictures():
    with pytest.raises(UserError, match="at least 64 of the data and 32 samples"):
        Judge(faces(40), 100, 1)
    with pytest.raises(UserError, match="at least 64 of the data and 32"):
        Judge(faces(400), 20, 1)


# during a training

FLAGS = ["--epoch", 4, "--judge_every", 2, "--keep_best", "--save_every", 5]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two trainings of 4 epochs on 80 pictures, with and without a judge."""
    folders = []
    for flags in FLAGS, FLAGS[:2]:
        folder = tmp_path_factory.mktemp("trained")
        write_pictures(folder / "pictures", n=80)
        process = train(folder, *flags)
        assert (process.returncode, process.stderr) == (0, "")
        folders.append(folder)
    return folders


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_judge_changes_nothing_and_writes_its_scores(trained):
    folder, without = trained
    assert variables(folder) == variables(without)
    rows = table(folder / "samples" / "scores.csv")
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "21"), ("3", "41")]
    logged = {}
    for path in (folder / "logs").iterdir():
        for event in tf.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.tag.startswith("judge/"):
                    logged[event.step, value.tag[6:]] = value.simple_value
    for row in rows:
        for name in list(row)[2:]:
            assert logged[int(row["step"]) - 1, name] == pytest.approx(float(row[name]), rel=1e-4)
    assert not (without / "samples" / "scores.csv").exists()


def test_the_best_is_kept_and_can_be_used(trained, tmp_path):
    folder, _ = trained
    rows = table(folder / "samples" / "scores.csv")
    best = min(rows, key=lambda row: float(row["SWD, mean"]))
    names = [path.name for path in (folder / "checkpoint" / "best").iterdir() if path.name.endswith(".index")]
    assert names == [f"DCGAN.model-{best['step']}.index"]
    flags = ["--checkpoint_dir", folder / "checkpoint" / "best"]
    drawn = run_script("gantut_sample.py", *flags, "--count", 4, cwd=tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    judged = run_script("gantut_judge.py", *flags, "--dataset", folder / "pictures", cwd=tmp_path)
    assert judged.returncode == 0, judged.stderr
    assert [row["score"] for row in table(tmp_path / "scores.csv")] == list(best)[2:]


def test_a_stopped_and_resumed_training_has_the_same_table(trained, tmp_path):
    write_pictures(tmp_path / "pictures", n=80)
    process = start(tmp_path, *FLAGS)
    wait_until(lambda: steps_done(tmp_path) >= 23, process)  # the first row is written
    process.kill()
    process.wait()
    path, best = tmp_path / "samples" / "scores.csv", tmp_path / "checkpoint" / "best"
    path.write_text("\n".join(line + more for line, more in zip(path.read_text().splitlines(), [",note", ",good,!"])))
    touch(best, "DCGAN.model-41.data-00000-of-00001.tempstate7")  # as a kill in the middle of a save leaves it
    assert train(tmp_path, *FLAGS).returncode == 0
    rows = table(path)
    assert [row.pop("note") for row in rows] == ["good", ""]
    assert rows == table(trained[0] / "samples" / "scores.csv")
    assert sorted(os.listdir(best)) == sorted(os.listdir(trained[0] / "checkpoint" / "best"))


def test_scores_that_a_kill_has_cost_are_computed_when_the_run_continues(trained, tmp_path):
    """It came between the checkpoint after an epoch's last step and the table."""
    folder = shutil.copytree(trained[0], tmp_path / "run")
    path = folder / "samples" / "scores.csv"
    before = table(path)
    path.write_text("\n".join(path.read_text().splitlines()[:2]) + "\n")
    done = train(folder, *FLAGS, "--epoch", 5)
    assert (done.returncode, done.stderr) == (0, "")
    assert table(path) == before


# the command

def test_pictures_in_a_folder(tmp_path):
    """The same pictures as the data, others, and fewer than a score needs."""
    write_pictures(tmp_path / "pictures", n=100)
    write_pictures(tmp_path / "others", n=60, seed=3)
    done = run_script("gantut_judge.py", "--dataset", "pictures", "--pictures", "pictures", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    copied = {row["score"]: float(row["samples"]) for row in table(tmp_path / "scores.csv")}
    assert copied["nearest in the data"] == 0
    done = run_script("gantut_judge.py", "--dataset", "pictures", "--pictures", "others", "--out", "b.csv",
                      cwd=tmp_path)
    assert "50 pictures of each kind, of 100" in done.stdout
    other = {row["score"]: float(row["samples"]) for row in table(tmp_path / "b.csv")}
    assert other["nearest in the data"] > 5

    for name in os.listdir(tmp_path / "others"):  # made wider, which --is_crop undoes, into a folder that is not there
        picture = iio.imread(tmp_path / "others" / name)
        (tmp_path / "wide").mkdir(exist_ok=True)
        iio.imwrite(tmp_path / "wide" / name, np.pad(picture, [(0, 0), (8, 8), (0, 0)]))
    done = run_script("gantut_judge.py", "--dataset", "pictures", "--pictures", "wide", "--is_crop", "--out",
                      "new/c.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "c.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize("flags, words", [
    (["--dataset", "few"], "the scores need at least 64"),
    (["--dataset", "pictures", "--pictures", "none"], "give --pictures a folder"),
    (["--dataset", "pictures", "--pictures", ""], "--pictures must name"),
    (["--dataset", "pictures", "--pictures", "pictures", "--inception", ""], "--inception must name"),
    (["--dataset", "pictures", "--pictures", "pictures", "--inception=~/no.h5"], os.path.expanduser("~/no.h5")),
    (["--dataset", "pictures", "--pictures", "larger"], "--is_crop"),
    (["--dataset", "pictures", "--pictures", "mixed"], "is 32x32, not 16x16"),
    (["--dataset", "pictures", "--pictures", "pictures", "--inception", "nowhere.h5"], "nowhere.h5"),
    (["--dataset", "pictures", "--pictures", "pictures", "--out", "pictures/scores.csv"], "only read"),
    (["--dataset", "pictures", "--pictures", "broken"], "broken/000.png: is not a picture; remove or replace"),
    (["--dataset", "pictures", "--pictures", "pictures", "--out", "larger/000.png"], "not a table of this script"),
    (["--dataset", "pictures", "--pictures", "pictures", "--out", "marks.csv"], "not a table of this script"),
    (["--dataset", "pictures", "--pictures", "pictures", "--out", "file/s.csv"], "cannot write file/s.csv"),
    (["--dataset", "pictures", "--pictures", "pictures", "--out", "few"], "cannot write few"),
    (["--dataset", "pictures"], "train a model first")])
def test_what_cannot_be_judged_is_one_line(tmp_path, flags, words):
    for name, n, size in [("pictures", 70, 16), ("few", 40, 16), ("larger", 70, 32), ("mixed", 70, 16)]:
        write_pictures(tmp_path / name, n=n, size=size)
    write_pictures(tmp_path / "mixed" / "z", n=1, size=32)
    write_pictures(tmp_path / "broken", n=3)
    for path in ("broken/000.png", "file"):
        (tmp_path / path).write_bytes(b"no picture")
    (tmp_path / "marks.csv").write_text("score,student\n5,Ann\n")
    more = ["--pictures", "pictures"] if flags[-1] == "few" else []
    before = snapshot(tmp_path)
    assert words in the_error(run_script("gantut_judge.py", *flags, *more, cwd=tmp_path))
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("size, levels", [(12, [12]), (50, [50, 25, 13])])
def test_pictures_of_any_size(tmp_path, size, levels):
    write_pictures(tmp_path / "pictures", n=70, size=size // 4 * 4)
    for path in (tmp_path / "pictures").iterdir():
        iio.imwrite(path, np.pad(read(path), [[0, size % 4], [0, size % 4], [0, 0]], "edge"))
    done = run_script("gantut_judge.py", "--dataset", "pictures", "--pictures", "pictures", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [row["score"] for row in table(tmp_path / "scores.csv")][:-4] == [
        f"SWD at {level} px" for level in levels]


@pytest.mark.quick
def test_thumbnails_are_means_of_blocks():
    images = np.float32(rng().uniform(0, 255, [3, 50, 50, 3]))
    edges = [i * 50 // 16 for i in range(17)]
    blocks = [[[image[a:b, c:d].mean((0, 1)) for c, d in zip(edges, edges[1:])] for a, b in zip(edges, edges[1:])]
              for image in images]
    apart = np.sqrt(((np.array(blocks)[0] - np.array(blocks)[1]) ** 2).mean())
    points = metrics.thumbnails(images)
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(apart, rel=1e-5)


@pytest.fixture(scope="module")
def random_inception(tmp_path_factory):
    """A file with random weights for InceptionV3, and its features [70, 2048] of pictures of its own size."""
    folder = tmp_path_factory.mktemp("inception")
    (folder / "pictures").mkdir()
    for i, coarse in enumerate(rng().randint(0, 256, [70, 13, 13, 3])):
        iio.imwrite(folder / "pictures" / f"{i:03d}.png", np.uint8(np.kron(coarse, np.ones([23, 23, 1]))))
    process = subprocess.run([sys.executable, "-c", """
import glob, keras, numpy, PIL.Image
network = keras.applications.InceptionV3(weights=None, include_top=False, pooling="avg")
network.save_weights("inception.weights.h5")
pictures = numpy.array([PIL.Image.open(path) for path in sorted(glob.glob("pictures/*"))], numpy.float32)
numpy.save("features.npy", network.predict(pictures / 127.5 - 1, batch_size=10))
"""], cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return folder, np.load(folder / "features.npy")


@pytest.mark.slow
def test_the_scores_of_a_network_are_of_its_features(random_inception):
    """Random weights suffice: the features must be Keras' own."""
    folder, known = random_inception
    pictures = np.array([read(path) for path in sorted((folder / "pictures").iterdir())])
    features = features_of(pictures, str(folder / "inception.weights.h5"))
    np.testing.assert_allclose(features, known, rtol=1e-3, atol=1e-3 * abs(known).max())
    done = run_script("gantut_judge.py", "--dataset", "pictures", "--pictures", "pictures", "--inception",
                      "inception.weights.h5", cwd=folder)
    assert done.returncode == 0, done.stderr
    rows = {row["score"]: row for row in table(folder / "scores.csv")}
    assert {"FID, Keras' weights", "KID x 1000, Keras' weights", "its standard error"} < set(rows)
    for score in ("precision", "recall"):  # the distances of such small features round to 0
        assert min(float(rows[score]["samples"]), float(rows[score]["floor"])) > float(rows[score]["ceiling"])


@pytest.mark.parametrize("weights", ["notes.h5", "imagenet"])
def test_weights_that_are_not_available(tmp_path, weights):
    """A file of something else; no network."""
    write_pictures(tmp_path / "pictures", n=70)
    (tmp_path / "notes.h5").write_text("these are not weights")
    nowhere = {**os.environ, "KERAS_HOME": str(tmp_path / "keras"), "https_proxy": "http://127.0.0.1:9"}
    error = the_error(run_forked([os.path.join(ROOT, "gantut_judge.py"), "--dataset", "pictures", "--pictures",
                                  "pictures", "--inception", weights], tmp_path, env=nowhere))
    assert "Keras gives no features" in error and weights in error
    assert not (tmp_path / "scores.csv").exists()


@pytest.mark.quick
def test_keras_leaves_the_gpu_to_the_process_that_has_its_memory(monkeypatch):
    given = {}

    def run(command, env, **_):
        given.update(env)
        return subprocess.CompletedProcess(command, 1, stderr="ended")
    monkeypatch.setattr("subprocess.run", run)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(UserError, match="ended"):
        features_of(np.zeros([1, 8, 8, 3], np.uint8), "imagenet")
    assert given["CUDA_VISIBLE_DEVICES"] == "-1" and given["PATH"] == os.environ["PATH"]


def test_the_process_of_keras_ends_with_the_judge(tmp_path):
    """By any signal: a lock that it has is then free."""
    path = str(tmp_path / "lock")
    (tmp_path / "tensorflow.py").write_text(
        f"import filelock, time\nwith filelock.FileLock({path!r}), open({path + 'ed'!r}, 'w'):\n    time.sleep(300)\n")
    judge = subprocess.Popen([sys.executable, "-c", "import numpy, gantut.inception\n"
                              "gantut.inception.features_of(numpy.zeros([1, 8, 8, 3]), 'imagenet')"],
                             env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), ROOT])})
    wait_until((tmp_path / "locked").exists, judge)
    judge.kill()
    judge.wait()
    with FileLock(path, timeout=30):
        pass


@pytest.mark.parametrize("score, kept", [(0.0, True), (1e9, False)])
def test_the_best_score_is_known_without_the_samples_folder(trained, tmp_path, score, kept):
    """It is kept beside the best checkpoint: a worse model does not replace that, a better one does."""
    folder = shutil.copytree(trained[0], tmp_path / "run")
    path = folder / "checkpoint" / "best" / "run.json"
    run = json.loads(path.read_text())
    assert run["score"] == pytest.approx(min(float(row["SWD, mean"]) for row in table(
        folder / "samples" / "scores.csv")), rel=1e-4)
    path.write_text(json.dumps({**run, "score": score}))
    before = snapshot(folder / "checkpoint" / "best")
    shutil.rmtree(folder / "samples")
    assert train(folder, *FLAGS, "--epoch", 6).returncode == 0
    assert (snapshot(folder / "checkpoint" / "best") == before) == kept
    assert len(list((folder / "checkpoint" / "best").glob("*.index"))) == 1
    assert len(table(folder / "samples" / "scores.csv")) == 1


def test_the_best_of_other_pictures_is_put_aside(trained, tmp_path):
    """Its score says nothing of the new ones; a run whose run.json alone is gone keeps its best."""
    folder = shutil.copytree(trained[0], tmp_path / "run")
    record = folder / "checkpoint" / "run.json"
    path = folder / "checkpoint" / "best" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "score": 0.0}))
    before = snapshot(folder / "checkpoint" / "best")
    record.unlink()
    assert train(folder, *FLAGS, "--epoch", 6).returncode == 0
    assert snapshot(folder / "checkpoint" / "best") == before
    record.unlink()
    write_pictures(folder / "pictures", n=88, seed=5)
    assert train(folder, *FLAGS, "--epoch", 8).returncode == 0
    assert snapshot(folder / "checkpoint" / "earlier-1" / "best") == before
    assert len(list((folder / "checkpoint" / "best").glob("*.index"))) == 1


def test_scores_that_cannot_be_written_do_not_end_the_run(trained, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "run")
    (folder / "samples" / "scores.csv").unlink()
    (folder / "samples" / "scores.csv.part").mkdir()
    process = train(folder, *FLAGS, "--epoch", 6)
    assert process.returncode == 0, process.stderr
    assert "cannot write samples/scores.csv" in process.stderr and "Is a directory" in process.stderr
    assert process.stderr.count("the training continues without") == 1


@pytest.mark.quick
def test_the_best_is_kept_before_the_table_has_its_score():
    """Else a kill between the two would cost the best model: catch_up() looks for the row."""
    judge = mock.MagicMock(best_score=2.0)
    judge.config.judge_every, judge.judge.scores.return_value = 1, {BEST: 1.0}
    judge.sampler.draw_all.return_value = np.zeros([4, 8, 8, 3])
    EpochJudge.look(judge, 0, 7)
    calls = [name for name, _, _ in judge.method_calls if name in ("keep", "write")]
    assert calls == ["keep", "write"] and [row["step"] for row in judge.rows.append.call_args.args] == [7]


@pytest.mark.quick
def test_a_best_checkpoint_that_is_half_written_ends_no_training(tmp_path, capsys):
    touch(tmp_path, "DCGAN.model-7.data-00000-of-00001")  # killed before the .index
    judge = object.__new__(EpochJudge)
    judge.best = str(tmp_path)
    assert judge.read_best() == (np.inf, None)
    said = capsys.readouterr().err
    assert "holds only parts of DCGAN.model-7" in said and "the training continues" in said and said.count("\n") == 1


def test_keep_best_needs_scores_and_scores_need_pictures(tmp_path):
    write_pictures(tmp_path / "pictures")
    assert "--judge_every" in the_error(train(tmp_path, "--keep_best"))
    assert "the scores need at least 64 of the data" in the_error(train(tmp_path, "--judge_every", 1))
    assert not (tmp_path / "checkpoint" / "run.json").exists()


@pytest.mark.parametrize("text", ["score,samples\nspread,3\n", "step\nsoon\n", "\x00\n1"])
def test_another_programs_table_is_kept(tmp_path, text):
    write_pictures(tmp_path / "pictures", n=80)
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "scores.csv").write_text(text)
    assert "not a table of scores" in the_error(train(tmp_path, "--judge_every", 1))
    assert (tmp_path / "samples" / "scores.csv").read_text() == text
