"""What the tests share: the project's folder, pictures to train on, the trainer as a process."""
import contextlib
import gc
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
sys.path += [os.path.join(ROOT, folder) for folder in ("benchmarks", "data", "variants")]

import gantut.quiet  # noqa: E402, F401  (before TensorFlow, which it keeps quiet)

import forked  # noqa: E402
import imageio.v3 as iio  # noqa: E402
import tensorflow.compat.v1 as tf  # noqa: E402
from PIL import Image  # noqa: E402

import gantut_imgfuncs  # noqa: E402
from gantut.errors import UserError  # noqa: E402
from gantut.image_loader import Loader  # noqa: E402
from gantut.scripts import SIGNALS  # noqa: E402

gc.freeze()  # what is loaded is not looked through for garbage again and again

for ignored in SIGNALS:  # by a shell's & or nohup, and inherited
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, signal.SIG_DFL)

ALIASES = {"notebook", "parts", "places"}  # modules of the package that are one line, earlier names of others
SMALL = ["--image_size", "16", "--gf_dim", "4", "--df_dim", "4", "--z_dim", "8", "--batch_size", "8"]


def write_pictures(folder, n=24, size=16, channels=3, seed=0):
    """Write n PNGs of soft random colours, size x size, into folder; returns folder as a str."""
    os.makedirs(folder, exist_ok=True)
    rng = np.random.RandomState(seed)
    for i in range(n):
        coarse = rng.randint(0, 256, (4, 4, channels))
        picture = np.kron(coarse, np.ones((size // 4, size // 4, 1))).astype(np.uint8)
        iio.imwrite(os.path.join(folder, f"{i:03d}.png"), picture[:, :, 0] if channels == 1 else picture)
    return str(folder)


def touch(folder, *names):
    """Write empty files into a folder, a Path, and into folders below it."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def load_image(path, *args, **kwargs):
    """Read one picture as a Loader with these arguments does."""
    return Loader(gantut_imgfuncs, *args, **kwargs).load(path)


def look_over(files, *args):
    return Loader(gantut_imgfuncs, *args).look_over(files)


def examine(path, *args):
    return Loader(gantut_imgfuncs, *args).examine(path)


def free_ports(n):
    """Ports of this machine that nothing listens on."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


@contextlib.contextmanager
def as_another_user():
    """A new folder that everybody may write to, and a function that makes root another user, for whom permissions hold.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        root = os.geteuid() == 0
        try:
            yield Path(folder), lambda: root and os.seteuid(65534)
        finally:
            if root:
                os.seteuid(0)


def script_command(script, *flags):
    return [sys.executable, os.path.join(ROOT, script), *map(str, flags)]


def can_fork(script, env=None, **kwargs):
    """Whether a script as a process with these arguments of subprocess.Popen may be forked, which takes less time."""
    ours = script.startswith(("gantut_", "variants/", "docs/", "benchmarks/"))
    return ours and not kwargs and forked.can_fork(env or os.environ)


def run_script(script, *flags, cwd, **kwargs):
    """Run a script of the project as a process; returns it, finished, with its stdout and stderr as text."""
    command = script_command(script, *flags)
    if can_fork(script, **kwargs):
        return run_forked(command[1:], cwd, **kwargs)
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, **kwargs)


def run_forked(argv, cwd, **kwargs):
    """The same for any script, in a process that is forked: argv is its path and its arguments."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = forked.Process(argv, cwd, out, err, **kwargs)
        try:
            code = process.wait(600)
        except BaseException:
            process.kill()
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(argv, code, out.read(), err.read())


def run_program(text, *arguments, cwd):
    """The same for a program that is given as text, beside which the project is found."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "program.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return run_forked([path, *arguments], cwd)


def train(folder, *flags, **kwargs):
    """Run the trainer in folder on the pictures in its subfolder pictures; later flags win."""
    return run_script("gantut_trainer.py", *SMALL, "--dataset", "pictures", *flags, cwd=folder, **kwargs)


def start(folder, *flags, **kwargs):
    """Start what train() runs; returns the running process, whose output goes to folder/stdout and folder/stderr."""
    command = script_command("gantut_trainer.py", *SMALL, "--dataset", "pictures", *flags)
    with open(folder / "stdout", "w") as out, open(folder / "stderr", "w") as err:
        if can_fork("gantut_trainer.py", **kwargs):
            return forked.Process(command[1:], folder, out, err, **kwargs)
        return subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, **kwargs)


def wait_until(condition, process, seconds=120):
    """Poll until condition() is true, while the process runs; returns what it returned."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.001)
    process.kill()
    pytest.fail(f"waited in vain; the process ended with {process.wait()}")


def steps_done(folder):
    """How many progress lines a process started by start() has printed."""
    return (folder / "stdout").read_text().count("Epoch [")


def two_at_a_time(function, cases):
    """{case: function(case)}, computed in two threads, as most of a process's time goes into starting."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(cases, pool.map(function, cases)))


def snapshot(folder):
    """The bytes of every file in folder by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def samples(folder):
    """The bytes of the files that a training has left in folder/samples, by their names, without the run's id."""
    return {name: content for name, content in snapshot(folder / "samples").items() if name != ".run"}


def traced(sess, fetches, feed_dict):
    """Run fetches and trace it: what each device did, a list of DeviceStepStats."""
    trace = tf.RunMetadata()
    sess.run(fetches, feed_dict, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=trace)
    return trace.step_stats.dev_stats


def variables(folder):
    """The bits of every variable in the newest checkpoint of the run in folder, by name."""
    reader = tf.train.load_checkpoint(str(folder / "checkpoint"))
    return {name: reader.get_tensor(name).tobytes() for name in reader.get_variable_to_shape_map()}


def losses(stdout):
    """The progress lines without their times."""
    return re.findall(r"(Epoch .*?) time: [\d.]+, (d_loss.*)", stdout)


def the_error(process):
    """The last line that a failed process left on stderr; there is no traceback."""
    assert process.returncode == 1, process.stderr
    assert "Traceback" not in process.stdout + process.stderr
    last = process.stderr.splitlines()[-1]
    assert last.startswith("error: "), process.stderr
    return last


def saved(folder, height, width, name="picture.png", seed=0, channels=3):
    """Write a picture of random pixels; returns its path and the pixels."""
    pixels = np.random.RandomState(seed).randint(0, 256, (height, width, channels)).astype(np.uint8)
    path = str(folder / name)
    Image.fromarray(pixels.squeeze()).save(path)
    return path, pixels


def cut_off(path):
    """Leave the header and the beginning of a picture."""
    path = Path(path)
    path.write_bytes(path.read_bytes()[:60])


def text_file(folder, name="notes.png"):
    path = folder / name
    path.write_text("no picture")
    return str(path)


def message(function, *args, **kwargs):
    """The message of the UserError that the call must raise, which is one line."""
    with pytest.raises(UserError) as caught:
        function(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)
