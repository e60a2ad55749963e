"""The trainer and TensorBoard as a user sees them: real processes, what they print, the files they leave."""
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from types import SimpleNamespace

import imageio.v3 as iio
import numpy as np
import pytest
from helpers import ROOT, SMALL, run_script, snapshot, train, two_at_a_time, write_pictures
from skimage.data import lfw_subset

FLAGS = ["batch_size", "beta1", "c_dim", "cache_mb", "checkpoint_dir", "crop_size", "dataset", "df_dim", "epoch",
         "gf_dim", "image_size", "kubernetes_label", "learning_rate", "logs_dir", "max_to_keep", "num_devices",
         "num_gpus", "num_workers", "precision", "sample_dir", "sample_every", "save_every", "seed", "start_timeout",
         "summary_every", "task_index", "threads", "train_size", "worker_hosts", "worker_timeout", "z_dim",
         "recipe", "ema", "r1", "d_learning_rate", "g_updates", "init_from", "[no]augment", "[no]mirror",
         "[no]is_crop", "[no]keep_best",
         "judge_every", "losses_every", "[no]fast", "[no]scale_learning_rate",
         "[no]skip_bad_images"]
PROGRESS = r"Epoch \[{:2d}\] \[{:4d}/{:4d}\] time: \d+\.\d{{4}}, d_loss: \d+\.\d{{8}}, g_loss: \d+\.\d{{8}}"
SAMPLE = r"\[Sample\] d_loss: \d+\.\d{8}, g_loss: \d+\.\d{8}"
READING = r" \[\*\] Reading checkpoints\.\.\."
NO_MODEL = r" No model found - initializing a new one"
MODEL_FOUND = r" An existing model was found - delete the directory or specify a new one with --checkpoint_dir "


def environment(**changes):
    """The environment of a user's shell: without what importing the project has set in this process."""
    return {**{name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}, **changes}


def train_as_user(folder, *flags):
    """train(), started by Python itself, with the environment of a user's shell."""
    return run_script("gantut_trainer.py", *SMALL, "--dataset", "pictures", *flags, cwd=folder, env=environment())


def run_python(code, *arguments, cwd):
    """Run Python code that can import the project's modules."""
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True,
                          timeout=600, env=environment(PYTHONPATH=ROOT))


def check_lines(text, patterns):
    """The lines of text are as many as the patterns, and each matches its own from end to end."""
    lines = text.splitlines()
    for line, pattern in zip(lines, patterns):
        assert re.fullmatch(pattern, line), (line, pattern)
    assert len(lines) == len(patterns), text


# a short training, and the same command again with a larger --epoch

@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """3 epochs of 3 steps each."""
    folder = tmp_path_factory.mktemp("short")
    write_pictures(folder / "pictures")
    return SimpleNamespace(folder=folder, process=train_as_user(folder, "--epoch", 3, "--sample_every", 4))


@pytest.fixture(scope="module")
def continued(short, tmp_path_factory):
    """The short training's folder, copied and trained for a fourth epoch."""
    folder = tmp_path_factory.mktemp("continued") / "copy"
    shutil.copytree(short.folder, folder)
    return SimpleNamespace(folder=folder, process=train_as_user(folder, "--epoch", 4, "--sample_every", 4))


def test_a_training_exits_0_and_says_nothing_on_stderr(short):
    assert (short.process.returncode, short.process.stderr) == (0, "")


def test_stdout_is_the_tutorials_lines_and_nothing_else(short):
    steps = [PROGRESS.format(epoch, idx, 3) for epoch in range(3) for idx in range(3)]
    check_lines(short.process.stdout, [READING, NO_MODEL, *steps[:4], SAMPLE, *steps[4:8], SAMPLE, steps[8]])


def test_a_training_shorter_than_save_every_leaves_its_checkpoint(short):
    left = sorted(os.listdir(short.folder / "checkpoint"))
    assert left == ["DCGAN.model-10.data-00000-of-00001", "DCGAN.model-10.index", "DCGAN.model-10.meta", "checkpoint",
                    "run.json"]


def test_the_samples_are_grids_of_8_by_8(short):
    assert sorted(os.listdir(short.folder / "samples")) == [
        ".run", "epoch_00.png", "epoch_01.png", "epoch_02.png", "train_01-0000.png", "train_02-0001.png"]
    for path in (short.folder / "samples").glob("*.png"):
        grid = iio.imread(path)
        assert (grid.shape, grid.dtype) == ((8 * 16, 8 * 16, 3), np.uint8)
        assert grid.std() > 0


def test_the_logs_are_one_events_file(short):
    events, = os.listdir(short.folder / "logs")
    assert events.startswith("events.out.tfevents.")


def test_a_training_makes_three_folders_and_leaves_the_pictures_alone(short, tmp_path):
    assert sorted(os.listdir(short.folder)) == ["checkpoint", "logs", "pictures", "samples"]
    write_pictures(tmp_path)
    assert snapshot(short.folder / "pictures") == snapshot(tmp_path)


def test_the_same_command_with_more_epochs_resumes_where_it_stopped(continued):
    assert (continued.process.returncode, continued.process.stderr) == (0, "")
    check_lines(continued.process.stdout,
                [READING, MODEL_FOUND, *[PROGRESS.format(3, idx, 3) for idx in range(3)], SAMPLE])
    assert (continued.folder / "checkpoint" / "DCGAN.model-13.index").exists()
    assert (continued.folder / "samples" / "train_03-0002.png").exists()


# starting it

@pytest.fixture(scope="module")
def help_(tmp_path_factory):
    """./gantut_trainer.py --help, started by its shebang in an empty folder."""
    folder = tmp_path_factory.mktemp("help")
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    process = subprocess.run([os.path.join(ROOT, "gantut_trainer.py"), "--help"], cwd=folder, capture_output=True,
                             text=True, timeout=600, env=environment(PATH=path))
    return SimpleNamespace(folder=folder, process=process)


def test_the_trainer_can_be_called_without_typing_python(help_):
    assert (help_.process.returncode, help_.process.stderr) == (0, "")
    assert os.listdir(help_.folder) == []


def test_help_names_every_flag(help_):
    named = re.findall(r"^  --(\S+):", help_.process.stdout, re.MULTILINE)
    assert sorted(named) == sorted(FLAGS)


def test_help_shows_how_to_call_it(help_):
    assert "python gantut_trainer.py --dataset" in help_.process.stdout


def test_importing_the_trainer_creates_and_prints_nothing(tmp_path):
    process = run_python("import gantut_trainer", cwd=tmp_path)
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
    assert os.listdir(tmp_path) == []


# pictures of many kinds

def write_mixed(folder):
    """8 pictures, 16 x 16, of every kind and extension; one batch holds them all."""
    rng = np.random.RandomState(0)
    deep = folder / "sub" / "folder"
    deep.mkdir(parents=True)
    iio.imwrite(folder / "colour.png", rng.randint(0, 256, (16, 16, 3), np.uint8))
    iio.imwrite(folder / "gray.png", rng.randint(0, 256, (16, 16), np.uint8))
    iio.imwrite(folder / "transparent.png", rng.randint(0, 256, (16, 16, 4), np.uint8))
    iio.imwrite(folder / "gray16.png", rng.randint(0, 65536, (16, 16), np.uint16))
    iio.imwrite(folder / "UPPER.PNG", rng.randint(0, 256, (16, 16, 3), np.uint8))
    iio.imwrite(folder / "sub" / "CAMERA.JPG", rng.randint(0, 256, (16, 16, 3), np.uint8))
    iio.imwrite(deep / "gray.jpeg", rng.randint(0, 256, (16, 16), np.uint8))
    iio.imwrite(deep / "colour.jpg", rng.randint(0, 256, (16, 16, 3), np.uint8))
    (folder / "notes.txt").write_text("no picture, and not counted")


def write_faces(folder, colour):
    """100 photographs of faces, 25 x 25, from Labeled Faces in the Wild; in gray, or tinted by a fixed colour map."""
    folder.mkdir()
    for i, face in enumerate(lfw_subset()[:100]):
        picture = np.stack([face ** 0.8, face, face ** 1.5], axis=-1) if colour else face
        iio.imwrite(folder / f"{i:03d}.png", (picture * 255).round().astype(np.uint8))


MIXED = ["--epoch", 1, "--sample_every", 1]
FACES = ["--epoch", 2, "--is_crop", "--batch_size", 32, "--sample_every", 6]
KINDS = {  # name: (what writes the pictures, flags, steps in each epoch, the sample grid's shape)
    "every kind in colour": (write_mixed, MIXED, [1], (128, 128, 3)),
    "every kind in gray": (write_mixed, [*MIXED, "--c_dim", 1], [1], (128, 128)),
    "faces in colour": (lambda folder: write_faces(folder, colour=True), FACES, [3, 3], (128, 128, 3)),
    "faces in gray": (lambda folder: write_faces(folder, colour=False), [*FACES, "--c_dim", 1], [3, 3], (128, 128)),
    "a name under data": (lambda folder: None, [*MIXED, "--dataset", "aligned", "--is_crop", "--train_size", 16],
                          [2], (128, 128, 3)),
}


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """A training on each of the KINDS of pictures."""
    def run(name):
        folder = tmp_path_factory.mktemp(name.replace(" ", "_"))
        write, flags, _, _ = KINDS[name]
        write(folder / "pictures")
        return SimpleNamespace(folder=folder, process=train(folder, *flags))
    return two_at_a_time(run, KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_pictures_of_every_kind_train(trainings, name):
    _, _, steps, grid_shape = KINDS[name]
    run = trainings[name]
    left_out = " [!] 8 pictures in pictures; left out: 1 of other kinds: .txt (1)\n"
    assert (run.process.returncode, run.process.stderr) == (0, left_out if "every kind" in name else "")
    progress = [line for line in run.process.stdout.splitlines() if line.startswith("Epoch")]
    check_lines("\n".join(progress), [PROGRESS.format(epoch, idx, n) for epoch, n in enumerate(steps)
                                      for idx in range(n)])
    assert {iio.imread(path).shape for path in (run.folder / "samples").glob("*.png")} == {grid_shape}


# bad input

def nothing(folder, short):
    pass


def only_texts(folder, short):
    (folder / "texts").mkdir()
    for name in ("a.txt", "b.txt", "c.svg"):
        (folder / "texts" / name).write_text("no picture")


def five_pictures(folder, short):
    write_pictures(folder / "few", n=5)


def larger_pictures(folder, short):
    write_pictures(folder / "larger", size=32)


def a_text_called_png(folder, short):
    (folder / "pictures" / "text.png").write_text("no picture")


def half_a_picture(folder, short):
    picture = folder / "pictures" / "012.png"
    picture.write_bytes(picture.read_bytes()[:len(picture.read_bytes()) // 2])


def somebodys_run_json(folder, short):
    (folder / "checkpoint").mkdir()
    (folder / "checkpoint" / "run.json").write_text('{"speed": 3}')


def a_linked_folder(folder, short):
    (folder / "mix").mkdir()
    (folder / "mix" / "photos").symlink_to(folder / "pictures")


def short_checkpoint(folder, short):
    shutil.copytree(short.folder / "checkpoint", folder / "checkpoint")


BAD_INPUT = {  # name: (what is there besides 24 good pictures, flags, what the one line names)
    "no such folder": (nothing, ["--dataset", "nowhere"], ["nowhere", "--dataset", "folder of pictures"]),
    "a folder without pictures": (only_texts, ["--dataset", "texts"],
                                  ["no pictures in texts", ".png .jpg .jpeg", ".txt (2)", ".svg (1)"]),
    "fewer pictures than a batch": (five_pictures, ["--dataset", "few"], ["5 picture", "batch of 8", "--batch_size 5"]),
    "image_size 48": (nothing, ["--image_size", 48], ["--image_size=48", "power of two", "8 or more"]),
    "pictures of another size": (larger_pictures, ["--dataset", "larger"],
                                 [os.path.join("larger", "000.png"), "32x32", "16x16", "--is_crop"]),
    "a file that is not a picture": (a_text_called_png, [],
                                  [os.path.join("pictures", "text.png"), "not a picture", "remove or replace"]),
    "half a picture": (half_a_picture, [], [os.path.join("pictures", "012.png"), "truncated"]),
    "a crop larger than a picture": (nothing, ["--is_crop", "--crop_size", 17],
                                     [os.path.join("pictures", "000.png"), "16x16", "--crop_size 17", "or 0 for"]),
    "another program's run.json": (somebodys_run_json, [], [os.path.join("checkpoint", "run.json"), "not a training's",
                                                            "move it away", "--checkpoint_dir"]),
    "samples in a folder that the data link to": (a_linked_folder, ["--dataset", "mix", "--sample_dir", "pictures/new"],
                                                  ["--sample_dir pictures/new", os.path.join("mix", "photos"),
                                                   "only read"]),
    "epoch 0": (nothing, ["--epoch", 0], ["--epoch=0", "must be 1 or more", "--help"]),
    "batch_size of the wrong type": (nothing, ["--batch_size", "many"], ["--batch_size=many", "int", "--help"]),
    "an unknown flag": (nothing, ["--bath_size", 8], ["bath_size", "--help"]),
    "a left-over word": (nothing, ["faces"], ["'faces'", "--flag", "--help"]),
    "a checkpoint of another shape": (short_checkpoint, ["--gf_dim", 6],
                                      ["generator/g_h0_lin/Matrix", "[8, 512]", "[8, 768]", "gf_dim",
                                       "--checkpoint_dir"]),
}
AS_USER = ["no such folder", "a checkpoint of another shape"]  # before TensorFlow starts, and after


@pytest.fixture(scope="module")
def refusals(short, tmp_path_factory):
    """Each BAD_INPUT, tried in a folder of its own."""
    def run(name):
        folder = tmp_path_factory.mktemp(re.sub(r"\W", "_", name))
        prepare, flags, _ = BAD_INPUT[name]
        write_pictures(folder / "pictures")
        prepare(folder, short)
        before = snapshot(folder)
        run = train_as_user if name in AS_USER else train
        return SimpleNamespace(process=run(folder, "--epoch", 1, *flags), before=before, after=snapshot(folder))
    return two_at_a_time(run, BAD_INPUT)


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_one_line_that_says_what_is_wrong_and_what_to_do(refusals, name):
    process = refusals[name].process
    assert process.returncode != 0
    assert "Traceback" not in process.stderr
    assert re.fullmatch(r"error: .+\n", process.stderr)
    for words in BAD_INPUT[name][2]:
        assert words in process.stderr
    assert "Epoch" not in process.stdout


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_changes_nothing_that_was_there(refusals, name):
    for path, content in refusals[name].before.items():
        assert refusals[name].after[path] == content, path


OUT_OF_RANGE = [
    "--epoch=0", "--epoch=1.5", "--learning_rate=0.0", "--learning_rate=inf", "--learning_rate=fast", "--beta1=1.0",
    "--beta1=-0.1", "--train_size=0.0", "--batch_size=0", "--batch_size=many", "--image_size=-8", "--image_size=0",
    "--image_size=4", "--image_size=12", "--is_crop=perhaps", "--crop_size=-1", "--c_dim=2", "--c_dim=4", "--z_dim=0",
    "--gf_dim=0", "--df_dim=0", "--sample_every=0", "--save_every=0", "--summary_every=0", "--seed=-1", "--threads=-1",
    "--cache_mb=-1", "--num_gpus=0", "--num_devices=x", "--task_index=-1", "--worker_timeout=0",
    "--start_timeout=-1", "--start_timeout=nan", "--start_timeout=inf", "--learning_rate=nan", "--beta1=nan",
    "--train_size=nan", "--ema=nan", "--ema=inf", "--r1=nan", "--r1=inf", "--d_learning_rate=nan",
    "--d_learning_rate=inf", "--max_to_keep=99999999999", "--batch_size=99999999999", "--image_size=1099511627776",
    "--image_size=16384", "--num_devices=257", "--threads=1025", "--epoch=99999999999", "--save_every=99999999999"]
PARSE = """
import sys, gantut_trainer, gantut.flags
from absl.testing import flagsaver
for argument in sys.argv[1:]:
    with flagsaver.flagsaver():
        try:
            gantut.flags.parse_flags(["gantut_trainer.py", argument])
            print("took " + argument)
        except SystemExit as error:
            print(error)
"""


def test_every_flag_checks_its_range(tmp_path):
    """In one process for all of them: what parse_flags() exits with."""
    process = run_python(PARSE, *OUT_OF_RANGE, cwd=tmp_path)
    assert process.stderr == ""
    check_lines(process.stdout, [f"error: flag {re.escape(argument)}: .+ \\(see --help\\)"
                                 for argument in OUT_OF_RANGE])


# TensorBoard on the logs of the short training

class TensorBoard:
    """A running TensorBoard; get() fetches what its pages fetch."""

    def __init__(self, url):
        self.url = url
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, route, **query):
        url = self.url + "data/" + route + ("?" + urllib.parse.urlencode(query) if query else "")
        with self.opener.open(url, timeout=60) as answer:
            return answer.read()

    def json(self, route, **query):
        return json.loads(self.get(route, **query))


def wait_for(what, process, log):
    """Call what() until it returns something; fail, with the log, after a minute or when the process has ended."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        result = what()
        if result:
            return result
        time.sleep(0.2)
    pytest.fail("TensorBoard did not load the logs:\n" + log.read_text())


@pytest.fixture(scope="module")
def board(short, tmp_path_factory):
    """tensorboard --logdir logs, at the link it prints, with the 9 steps loaded."""
    log = tmp_path_factory.mktemp("tensorboard") / "log"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(short.folder / "logs"),
               "--host", "127.0.0.1", "--port", "0"]
    with open(log, "w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent)
    try:
        link = wait_for(lambda: re.search(r" at (http://127\.0\.0\.1:\d+/)", log.read_text()), process, log)
        board = TensorBoard(link[1])
        wait_for(lambda: "d_loss" in board.json("plugin/scalars/tags").get(".", {})
                 and len(board.json("plugin/scalars/scalars", tag="d_loss", run=".")) == 9, process, log)
        yield board
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_tensorboard_has_the_pages_that_the_tutorial_names(board):
    pages = board.json("plugins_listing")
    for page in ("scalars", "images", "graphs", "histograms", "distributions"):
        assert pages[page]["enabled"], page


def test_tensorboard_shows_the_losses(board):
    assert sorted(board.json("plugin/scalars/tags")["."]) == ["d_loss", "d_loss_fake", "d_loss_real", "g_loss"]


@pytest.mark.parametrize("tag", ["d_loss", "d_loss_real", "d_loss_fake", "g_loss"])
def test_tensorboard_draws_a_point_for_every_step(board, tag):
    """G is updated, and written, twice in a step; TensorBoard shows the second."""
    points = board.json("plugin/scalars/scalars", tag=tag, run=".")
    assert [step for _, step, _ in points] == list(range(1, 10))
    assert all(0 < value < 10 for _, _, value in points)


def test_tensorboard_shows_generated_images(board):
    assert sorted(board.json("plugin/images/tags")["."]) == ["G/image/0", "G/image/1", "G/image/2"]
    images = board.json("plugin/images/images", tag="G/image/0", run=".", sample=0)
    assert {image["step"] for image in images} == set(range(1, 10))
    picture = board.get("plugin/images/individualImage?" + images[-1]["query"])
    assert iio.imread(picture, extension=".png").shape[:2] == (16, 16)


@pytest.mark.parametrize("page", ["histograms", "distributions"])
def test_tensorboard_shows_how_noise_and_judgements_are_distributed(board, page):
    assert sorted(board.json(f"plugin/{page}/tags")["."]) == ["d", "d_", "z_1"]
    for tag in ("z_1", "d", "d_"):
        steps = board.json(f"plugin/{page}/{page}", tag=tag, run=".")
        assert {step for _, step, _ in steps} == set(range(1, 10))


def test_the_histogram_of_the_noise_lies_between_minus_1_and_1(board):
    for _, _, bins in board.json("plugin/histograms/histograms", tag="z_1", run="."):
        assert sum(count for _, _, count in bins) == 8 * 8  # batch_size * z_dim
        assert -1.2 < bins[0][0] < -0.7 and 0.7 < bins[-1][1] < 1.2  # TensorFlow's bins are 10 % wide


def test_tensorboard_draws_the_graph_with_both_networks(board):
    assert board.json("plugin/graphs/info")["."]["run_graph"]
    graph = board.get("plugin/graphs/graph", run=".", large_attrs_key="_too_large_attrs", limit_attr_size=1024).decode()
    nodes = set(re.findall(r'^  name: "(.+)"', graph, re.MULTILINE))
    for name in ("z", "real_images", "is_training", "generator/g_h0_lin/Matrix", "generator/g_h2/w",
                 "discriminator/d_h00_conv/w", "discriminator/d_h4_lin/Matrix"):
        assert name in nodes
    assert len({name.split("/")[0] for name in nodes}) <= 60  # the text's has 43
