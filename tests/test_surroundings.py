"""However it is run: streams that nobody reads, signals, notebooks, environments, the class alone, arguments."""
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import (
    ROOT,
    SMALL,
    run_forked,
    run_program,
    run_script,
    script_command,
    start,
    steps_done,
    the_error,
    train,
    two_at_a_time,
    wait_until,
    write_pictures,
)
from nbclient import NotebookClient

from gantut.errors import UserError
from gantut.flags import with_flagfiles
from gantut_gan import DCGAN

TRAIN = [*SMALL, "--dataset", "pictures"]


# streams

STREAMS = {  # how the shell runs the trainer: what it writes, and where
    "| head -1": (r"stdout cannot be written to \(Broken pipe\): continuing without it", "err"),
    "> /dev/full": (r"stdout cannot be written to \(No space left on device\): continuing without it", "err"),
    ">&-": (r"stdout is closed: continuing without it", "err"),
    "2> /dev/full > out": (r"Epoch \[ 1\] \[   2/", "out"),
    "2>&- > out": (r"stderr is closed: continuing without it", "out"),
    ">&- 2>&- <&-": (r"", None),
}


def test_a_training_that_cannot_print_continues_and_saves(tmp_path):
    def run(how):
        folder = tmp_path / re.sub(r"\W", "_", how)
        write_pictures(folder / "pictures")
        command = " ".join(script_command("gantut_trainer.py", *TRAIN, "--epoch", 20 if "|" in how else 2))
        redirected = how if "2>" in how else "2> err " + how
        return folder, subprocess.run(["bash", "-c", f"set -o pipefail; {command} {redirected}"], cwd=folder)

    for how, (folder, process) in two_at_a_time(run, list(STREAMS)).items():
        assert process.returncode == 0, how
        assert (folder / "checkpoint" / f"DCGAN.model-{61 if '|' in how else 7}.index").exists(), how
        said, where = STREAMS[how]
        text = (folder / where).read_text() if where else ""
        assert re.search(said, text), (how, text)
        assert text.count("continuing without it") == said.count("continuing without it"), (how, text)


@pytest.mark.parametrize("script, flags", [("data/make_faces.py", ["out", "--count", "3"]),
                                           ("gantut_trainer.py", ["--help"])])
def test_other_scripts_end_well_with_a_closed_stdout(tmp_path, script, flags):
    process = subprocess.run(["bash", "-c", " ".join(script_command(script, *flags)) + " >&-"], cwd=tmp_path,
                             capture_output=True, text=True)
    assert process.returncode == 0 and "Traceback" not in process.stderr, process.stderr


SCRIPTS = {  # scripts without TensorFlow's flags: what they are called with, where write_pictures() has been
    "data/make_faces.py": ["größe", "--count", 3],
    "data/align_faces.py": ["pictures", "größe", "--mode", "crop", "--workers", 1],
    "data/get_dataset.py": ["celeba", "größe", "--archive", "pictures", "--crop", 8, "--size", 8],
}


def test_scripts_whose_stdout_is_full_or_knows_no_umlauts(tmp_path):
    def run(case):
        script, redirected, encoding = case
        folder = tmp_path / re.sub(r"\W", "_", script + encoding)
        write_pictures(folder / "pictures", n=3)
        command = shlex.join(script_command(script, *SCRIPTS[script]))
        return folder, subprocess.run(["bash", "-c", command + redirected], cwd=folder, capture_output=True, text=True,
                                      env={**os.environ, "PYTHONIOENCODING": encoding})

    cases = [(script, *how) for script in SCRIPTS for how in [(" > /dev/full", "utf-8"), ("", "ascii:strict")]]
    for (script, redirected, _), (folder, process) in two_at_a_time(run, cases).items():
        assert process.returncode == 0 and "Traceback" not in process.stderr, (script, process.stderr)
        assert len([name for name in os.listdir(folder / "größe") if name.endswith((".png", ".jpg"))]) == 3
        if script == "data/make_faces.py":  # which prints nothing
            assert process.stderr.count("continuing without it") == 0
        elif redirected:
            assert "stdout cannot be written to (No space left on device): continuing without it" in process.stderr
        else:
            assert "gr\\xf6\\xdfe" in process.stdout


ALL = [*SCRIPTS, "docs/plot_losses.py", "variants/mnist_gan.py", "gantut_judge.py", "gantut_trainer.py"]


def test_no_docstrings(tmp_path):
    """python -OO leaves them out."""
    done = two_at_a_time(lambda script: run_script(script, "--help", cwd=tmp_path, env={
        **os.environ, "PYTHONOPTIMIZE": "2", "PYTHONPYCACHEPREFIX": str(tmp_path / "bytecode")}), ALL)
    for script, process in done.items():
        assert process.returncode == 0 and process.stderr == "" and "--version" in process.stdout, (script, process)


def test_ctrl_c_is_one_line(tmp_path):
    process = subprocess.Popen(script_command("data/make_faces.py", "faces", "--count", 5000), cwd=tmp_path,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(os.listdir(tmp_path / "faces")) > 2 if (tmp_path / "faces").exists() else False, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1:] == ["stopped; run the same command again to continue"]
    assert "Traceback" not in err


def test_losses_are_drawn_or_their_absence_is_one_line(tmp_path, pictures):
    assert train(tmp_path, "--epoch", 1).returncode == 0
    (tmp_path / "empty").mkdir()
    notebook = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    cases = [("logs", "a.png", notebook), ("logs", "new/a.pdf", {**os.environ, "MPLBACKEND": "nonsense"}),
             ("nowhere", "b.png", os.environ), ("empty", "c.png", os.environ), ("logs", "pictures", os.environ)]
    done = dict(zip([case[1] for case in cases], two_at_a_time(lambda i: run_script(
        "docs/plot_losses.py", *cases[i][:2], cwd=tmp_path, env=cases[i][2]), range(len(cases))).values()))
    for name in ("a.png", "new/a.pdf"):
        assert (done[name].returncode, done[name].stderr) == (0, "") and (tmp_path / name).stat().st_size > 5000
    assert "no folder nowhere" in the_error(done["b.png"]) and "no d_loss in empty" in the_error(done["c.png"])
    assert "cannot write pictures" in the_error(done["pictures"])
    assert not (tmp_path / "b.png").exists()


# signals


SESSIONS = {"python": (["-i"], []), "IPython": (["-m", "IPython", "--simple-prompt", "--no-banner", "-i"], ["--"])}


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_in_which_a_script_has_run_can_be_used(tmp_path, name):
    """Ctrl-C is the session's own again: it interrupts what is typed next, and ends nothing else."""
    if name == "IPython":
        pytest.importorskip("IPython")
    session, then = SESSIONS[name]
    script = os.path.join(ROOT, "gantut_sample.py")
    process = subprocess.Popen([sys.executable, *session, script, *then, "--version"], cwd=tmp_path, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env={**os.environ, "IPYTHONDIR": str(tmp_path)})
    print("import time\nprint('re' + 'ady', flush=True)\ntime.sleep(100)\nprint('al' + 'ive')",
          file=process.stdin, flush=True)
    while "ready" not in (line := process.stdout.readline()):
        assert line, process.wait(20)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert "alive" in rest and process.returncode == 0, rest

@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU])
def test_signals_of_a_terminal_or_a_batch_system_stop_a_training(tmp_path, pictures, number):
    process = start(tmp_path, "--epoch", 10000)
    wait_until(lambda: steps_done(tmp_path) > 2, process)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    steps = steps_done(tmp_path)
    assert "stopped and saved" in (tmp_path / "stderr").read_text()
    assert (tmp_path / "checkpoint" / f"DCGAN.model-{steps + 1}.index").exists()


def test_under_nohup_a_closed_terminal_is_ignored(tmp_path, pictures):
    process = subprocess.Popen(["nohup", *script_command("gantut_trainer.py", *TRAIN, "--epoch", 30)], cwd=tmp_path,
                               stdout=open(tmp_path / "stdout", "w"), stderr=subprocess.DEVNULL)
    wait_until(lambda: steps_done(tmp_path) > 2, process)
    process.send_signal(signal.SIGHUP)
    assert process.wait() == 0 and steps_done(tmp_path) == 90


# notebooks

def cell(source):
    return nbformat.v4.new_code_cell(source.format(ROOT, " ".join(TRAIN)))


def text_of(cell):
    return "".join(output.get("text", "") + output.get("evalue", "") for output in cell.outputs)


def test_in_a_notebook(tmp_path, pictures):
    """A real kernel: imported, run twice in it, run beside it, and interrupted."""
    cells = [cell("import os, sys\nsys.path.insert(0, '{}')\nimport gantut_trainer\nprint(gantut_trainer.FLAGS.epoch)"),
             cell("%run {}/gantut_trainer.py {} --epoch 1"),
             cell("%run {}/gantut_trainer.py {} --epoch 2"),
             cell("!{{sys.executable}} {}/gantut_trainer.py {} --epoch 3"),
             cell("import threading, signal\n"
                  "threading.Timer(8, os.kill, [os.getpid(), signal.SIGINT]).start()\n"
                  "%run {}/gantut_trainer.py {} --epoch 100000"),
             cell("print('alive')")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}).execute()
    imported, first, again, beside, interrupted, after = map(text_of, notebook.cells)
    assert imported.strip() == "20"
    assert "No model found" in first and first.count("[   2/   3]") == 1, first
    assert "Epoch [ 1] [   2/   3]" in again and "Epoch [ 0]" not in again, again
    assert "Epoch [ 2]" in beside and "Error" not in beside, beside
    assert "stopped and saved" in interrupted and after.strip() == "alive", interrupted[-2000:]


# environments

ENVIRONMENTS = {
    "another Keras": {"KERAS_BACKEND": "jax"},
    "the old Keras": {"TF_USE_LEGACY_KERAS": "1"},
    "a notebook's pictures": {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
    "empty variables": {"SLURM_STEP_NUM_TASKS": "", "TF_CONFIG": "", "SLURM_JOB_ID": ""},
    "plain C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
}


def test_importing_the_project_changes_no_environment(tmp_path):
    """A program's Keras and its windows are its own; under the name of a script they are the script's."""
    others = {"MPLBACKEND": "svg", "KERAS_BACKEND": "torch", "TF_USE_LEGACY_KERAS": "0"}
    words = f"print(*(os.environ.get(name) for name in {list(others)}))"
    imports = "import os, gantut_gan, gantut_trainer, gantut_sample, gantut_complete, gantut_judge\n"
    (tmp_path / "program.py").write_text(imports + words)
    (tmp_path / "gantut_readers.py").write_text("import os, gantut.quiet\n" + words)

    def run(name):
        return subprocess.run([sys.executable, name], cwd=tmp_path, capture_output=True, text=True,
                              env={**os.environ, **others, "PYTHONPATH": ROOT}).stdout.split()

    assert run("program.py") == ["svg", "torch", "0"]
    assert run("gantut_readers.py") == ["agg", "tensorflow", "None"]


def test_environments_of_others(tmp_path):
    """Trained on pictures whose names are in other scripts, one of which cannot be read and is named."""
    write_pictures(tmp_path / "данные", n=16)
    (tmp_path / "данные" / "顔😀.png").write_bytes(b"no picture")

    def run(name):
        return subprocess.run(script_command("gantut_trainer.py", *SMALL, "--dataset", "данные", "--skip_bad_images",
                                             "--epoch", 1, "--checkpoint_dir", name, "--sample_dir", name + "/samples",
                                             "--logs_dir", name + "/logs"),
                              cwd=tmp_path, capture_output=True, env={**os.environ, **ENVIRONMENTS[name]})

    for name, process in two_at_a_time(run, list(ENVIRONMENTS)).items():
        assert process.returncode == 0, (name, process.stderr)
        assert process.stdout.count(b"Epoch [ 0]") == 2 and process.stderr.count(b"is not a picture") == 1, name


def test_a_keras_json_of_another_backend(tmp_path, pictures):
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text('{"backend": "jax"}')
    process = train(tmp_path, "--epoch", 1, env={**os.environ, "HOME": str(tmp_path)})
    assert process.returncode == 0, process.stderr


# the class alone

def config(folder, **changes):
    values = dict(epoch=1, learning_rate=0.0002, beta1=0.5, train_size=np.inf, batch_size=8, dataset="pictures",
                  checkpoint_dir=str(folder / "checkpoint"), sample_dir=str(folder / "samples"),
                  logs_dir=str(folder / "logs"))
    return SimpleNamespace(**{**values, **changes})


def test_trained_twice_it_says_what_to_do(tmp_path, pictures, monkeypatch, sess):
    monkeypatch.chdir(tmp_path)
    wakeup = os.eventfd(0, os.EFD_NONBLOCK)  # as asyncio's
    signal.set_wakeup_fd(wakeup)
    excepthook = threading.excepthook
    dcgan = DCGAN(sess, image_size=16, gf_dim=4, df_dim=4, batch_size=8, checkpoint_dir="checkpoint")
    dcgan.train(config(tmp_path))
    with pytest.raises(UserError, match=r"make another one in a tf.Graph\(\)"):
        dcgan.train(config(tmp_path, epoch=2))
    with pytest.raises(UserError, match="already has a DCGAN"):
        DCGAN(sess, image_size=16, gf_dim=4, df_dim=4)
    with tf.Graph().as_default(), tf.Session() as other:
        DCGAN(other, image_size=16, gf_dim=4, df_dim=4, batch_size=8, checkpoint_dir="checkpoint").train(
            config(tmp_path, epoch=2))
    assert "DCGAN.model-7.index" in os.listdir("checkpoint")
    assert signal.set_wakeup_fd(-1) == wakeup and threading.excepthook is excepthook

    with tf.Graph().as_default(), tf.Session() as other:  # a reader's load() that restores nothing
        dcgan = DCGAN(other, image_size=16, gf_dim=4, df_dim=4, batch_size=8, checkpoint_dir="checkpoint")
        dcgan.load = lambda checkpoint_dir: False
        with pytest.raises(UserError, match=r"load\(\) has not restored .*DCGAN.model-7"):
            dcgan.train(config(tmp_path, epoch=3))
    assert "DCGAN.model-7.index" in os.listdir("checkpoint")


def test_data_sets_by_their_names_and_the_home_folder(tmp_path, pictures, monkeypatch, sess):
    monkeypatch.setenv("HOME", str(tmp_path))
    dcgan = DCGAN(sess, image_size=16, gf_dim=4, df_dim=4, batch_size=8, is_crop=True, checkpoint_dir="~/checkpoint")
    for missing in ("nowhere", "~/nowhere"):
        with pytest.raises(UserError, match="^no folder .*nowhere"):
            dcgan.train(config(tmp_path, dataset=missing))
    dcgan.train(config(tmp_path, dataset="~/pictures", checkpoint_dir="~/checkpoint", sample_dir="~/s", logs_dir="~/l"))
    assert dcgan.load("~/checkpoint") and {"checkpoint", "s", "l"} <= set(os.listdir(tmp_path))
    with tf.Graph().as_default(), tf.Session() as other:
        DCGAN(other, image_size=16, gf_dim=4, df_dim=4, batch_size=8, is_crop=True).train(
            config(tmp_path, dataset="aligned", train_size=8, checkpoint_dir=str(tmp_path / "aligned")))


def test_the_home_folder_in_every_flag(tmp_path, pictures):
    env = {**os.environ, "HOME": str(tmp_path)}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    process = run_forked([os.path.join(ROOT, "gantut_trainer.py"), *SMALL, "--dataset=~/pictures",
                          "--checkpoint_dir=~/c", "--sample_dir", "~/s", "--logs_dir=~/l", "--epoch", 1], elsewhere,
                         env=env)
    assert process.returncode == 0, process.stderr
    process = run_forked([os.path.join(ROOT, "gantut_sample.py"), "--checkpoint_dir=~/c", "--out=~/grid.PNG"],
                         elsewhere, env=env)
    assert process.returncode == 0 and (tmp_path / "grid.PNG").exists(), process.stderr
    assert os.listdir(elsewhere) == [] and {"c", "s", "l"} <= set(os.listdir(tmp_path))


# arguments

@pytest.mark.parametrize("flags, words", [
    (["--log_dir", "x"], "logs_dir"),
    (["--z_dim", "100000000000"], "--z_dim"),
    (["--gf_dim", "100000000000"], "--gf_dim"),
    (["--threads", "100000000000"], "--threads"),
    (["--checkpoint_dir="], "--checkpoint_dir must name a file or folder"),
    (["--logs_dir="], "--logs_dir must name a file or folder"),
    (["--dataset", "pictures", "--sample_dir", "pictures/samples"], "lies in the folder of pictures"),
    (["--dataset", "."], "lies in the folder of pictures"),
])
def test_wrong_arguments_are_one_line(tmp_path, pictures, flags, words):
    process = run_script("gantut_trainer.py", *flags, cwd=tmp_path)
    assert words in the_error(process) and process.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["pictures"]


FLAGFILES = {  # name: its bytes, and the message; None: it is read
    "utf-8": ("# größe\n--epoch=0\n".encode(), None), "bom": ("--epoch=0\n".encode("utf-8-sig"), None),
    "powershell": ("--epoch=0\r\n".encode("utf-16"), None), "inside": (b"--flagfile=utf-8\n", None),
    "latin-1": ("--dataset=größe\n".encode("latin-1"), "--flagfile latin-1 is not in UTF-8: save it as UTF-8"),
    "nowhere": (None, "--flagfile nowhere cannot be read: No such file"),
    "circle": (b"--flagfile=circle\n", "--flagfile circle names itself"),
}


def test_flagfiles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, (content, _) in FLAGFILES.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    for name, (_, said) in FLAGFILES.items():
        for words in (["--flagfile=" + name], ["-flagfile", name]):
            if said:
                with pytest.raises(UserError, match=said):
                    with_flagfiles(["x.py", *words])
            else:
                assert with_flagfiles(["x.py", "--a", *words, "--b"]) == ["x.py", "--a", "--epoch=0", "--b"]
    for name, said in (("powershell", "--epoch=0"), ("latin-1", FLAGFILES["latin-1"][1])):
        process = run_script("gantut_trainer.py", "--flagfile", name, cwd=tmp_path)
        assert said in the_error(process) and process.stderr.count("\n") == 1


NOT_NUMBERS = {"gantut_complete.py": ["lam", "lr", "beta1", "beta2", "hmc_eps", "hmc_beta", "hmc_anneal"],
               "gantut_sample.py": ["seconds"]}


def test_nan_and_inf_are_refused(tmp_path):
    for script, names in NOT_NUMBERS.items():
        code = ("import sys, gantut.flags, {0}\nfrom absl.testing import flagsaver\n{0}.define_flags()\n"
                "for word in sys.argv[1:]:\n    with flagsaver.flagsaver():\n        try:\n"
                "            gantut.flags.parse_flags(['x.py', '--dataset=d', word])\n"
                "            print('took', word)\n"
                "        except SystemExit as error:\n            print(error)\n").format(script[:-3])
        words = [f"--{name}={value}" for name in names for value in ("nan", "inf")]
        process = run_program(code, *words, cwd=tmp_path)
        lines = process.stdout.splitlines()
        assert len(lines) == len(words), process.stderr
        for word, line in zip(words, lines):
            assert line.startswith(f"error: flag {word}: "), line


def test_the_short_flag_for_help(tmp_path):
    long, short = (run_script("gantut_trainer.py", flag, cwd=tmp_path) for flag in ("--help", "-h"))
    assert long.returncode == short.returncode == 0 and long.stdout == short.stdout and "--z_dim" in long.stdout


def test_nearest_does_not_write_among_the_pictures(tmp_path, pictures):
    assert train(tmp_path, "--epoch", 1).returncode == 0
    before = sorted(os.listdir(pictures))
    line = the_error(run_script("gantut_sample.py", "--mode", "nearest", "--dataset", "pictures", "--out",
                                "pictures/n.png", cwd=tmp_path))
    assert "lies in the folder of pictures" in line and sorted(os.listdir(pictures)) == before
