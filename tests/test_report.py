"""python -m gantut: the list of commands, and --report, whose facts are compared with the system's own."""
import getpass
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import venv
from importlib import metadata

import pytest
from helpers import ROOT, the_error

from gantut import __version__, session
from gantut.__main__ import without_names
from gantut.paths import COMMANDS

PLAIN = [sys.executable, "-m", "gantut"]


def gantut(*flags, cwd=ROOT, first=None, python=PLAIN, **variables):
    """Run python -m gantut. first: a folder whose packages take precedence over what is installed."""
    path = os.pathsep.join([*([str(first)] if first else []), ROOT])
    return subprocess.run([*python, *flags], cwd=cwd, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "PYTHONPATH": path, **variables})


def facts(process):
    """A report's lines, as {name: words}."""
    assert process.returncode == 0 and process.stderr == "", process.stdout + process.stderr
    return dict(re.split(r"\s{2,}|(?<=auto)\s+", line, maxsplit=1) for line in process.stdout.splitlines())


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Of a user whose name, and whose home folder's, would be seen anywhere."""
    home = tmp_path_factory.mktemp("of joan") / "joanofarc"
    home.mkdir()
    return facts(gantut("--report", cwd=home, HOME=str(home), USER="joanofarc", LOGNAME="joanofarc"))


def test_the_versions_are_those_of_the_environment(report):
    assert report["gantut"].startswith(__version__) and report["python"] == platform.python_version()
    for name in ("tensorflow", "tensorboard", "keras", "numpy", "scipy", "pillow", "imageio", "matplotlib"):
        assert report[name] == metadata.version(name)


def test_the_commit_is_the_clones(report):
    if not os.path.exists(os.path.join(ROOT, ".git")):
        pytest.skip("which commit it is, is known in a clone")
    commit = re.fullmatch(r".*, a clone at (\w+)(, with changes)?", report["gantut"])[1]
    head = subprocess.run(["git", "-c", "safe.directory=*", "rev-parse", "HEAD"], cwd=ROOT, check=True,
                          capture_output=True, text=True).stdout
    assert head.startswith(commit) and len(commit) >= 7


@pytest.mark.skipif(not os.path.exists("/proc/meminfo"), reason="the kernel's own figures are Linux's")
def test_the_memory_is_what_the_kernel_says(report):
    total, free = map(float, re.fullmatch(r"([\d.]+) GB, ([\d.]+) GB free", report["memory"]).groups())
    with open("/proc/meminfo") as file:
        kernel = {line.split(":")[0]: int(line.split()[1]) * 1024 / 1e9 for line in file}
    assert total == pytest.approx(kernel["MemTotal"], abs=0.06)
    assert 0 < free < total and abs(free - kernel["MemAvailable"]) < max(2, total / 4)  # other processes come and go


def test_the_disk_is_the_current_folders(report, tmp_path):
    free = float(re.fullmatch(r"([\d.]+) GB free in this folder", report["disk"])[1])
    assert abs(free - shutil.disk_usage(tmp_path).free / 1e9) < 5


@pytest.mark.skipif(not os.path.exists("/proc/cpuinfo"), reason="the kernel's own figures are Linux's")
def test_the_processor_and_its_precision(report):
    assert report["processor"].endswith(f", {os.cpu_count()} cores, {len(os.sched_getaffinity(0))} for this process")
    with open("/proc/cpuinfo") as file:
        words = set(file.read().split())
    has = bool(words & {"amx_bf16", "avx512_bf16"})
    assert report["bfloat16"].split()[-1] in words if has else "no arithmetic" in report["bfloat16"]
    taken = "bfloat16" if has and "none" in report["GPUs"] else "float32"
    assert report["--precision auto"].startswith(taken + ": ")
    config = session.tf.ConfigProto()
    assert session.set_precision(config, "auto") == taken


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone binds a process to cores")
def test_a_process_on_one_core_says_so(tmp_path):
    one = ("import os, runpy; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
           "runpy.run_module('gantut', run_name='__main__')")
    (tmp_path / "tensorflow.py").write_text("raise ImportError")  # which takes less time than loading it
    said = gantut("--report", cwd=tmp_path, first=tmp_path, python=[sys.executable, "-c", one])
    assert facts(said)["processor"].endswith(" cores, 1 for this process")


def test_nothing_private_is_said(report, tmp_path):
    said = "\n".join(report.values())
    for secret in ("joan", str(tmp_path.parent), ROOT, sys.prefix, os.path.expanduser("~"), socket.gethostname()):
        assert secret not in said
    assert not re.search(r"(^|\s)[/\\]\w", said, re.MULTILINE)


BROKEN = {
    "an error with folders and names in it": (
        "raise ImportError('libtf.so: cannot open {home}/lib x/libtf.so on {host} as {user}')",
        r"TensorFlow +does not load: ImportError: libtf.so: cannot open .*\n"),
    "a traceback in the message, as TensorFlow's own": (
        "raise ImportError('Traceback (most recent call last):\\n  File \"{home}/a.py\", line 1\\nImportError: DLL "
        "load failed\\n\\nFailed to load the native TensorFlow runtime.')",
        r"TensorFlow +does not load: ImportError: ImportError: DLL load failed\n"),
    "an instruction that the processor has not": (
        "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
        r"TensorFlow +does not load: it ends the process by SIGILL\n"),
    "the end of the process": (
        "import os; os._exit(3)", r"TensorFlow +does not load: it ends the process with exit code 3\n"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_tensorflow_is_a_line(tmp_path, case):
    code, line = BROKEN[case]
    home, user = str(tmp_path / "joanofarc"), "joanofarc"
    (tmp_path / "tensorflow.py").write_text(code.format(home=home, host=socket.gethostname(), user=user))
    process = gantut("--report", cwd=tmp_path, first=tmp_path, HOME=home, USER=user, LOGNAME=user)
    assert process.returncode == 0 and process.stderr == ""
    assert f"\nnumpy             {metadata.version('numpy')}\n" in process.stdout and "\nmemory" in process.stdout
    assert re.search(line + r"\Z", process.stdout), process.stdout
    assert user not in process.stdout and socket.gethostname() not in process.stdout


def test_a_tensorflow_that_does_not_end_is_a_line(tmp_path):
    (tmp_path / "tensorflow.py").write_text("import time\ntime.sleep(300)\n")
    process = gantut("--report", cwd=tmp_path, first=tmp_path, python=[
        sys.executable, "-c", "import sys, gantut.__main__ as main; main.LONGEST = 0.5; main.main()"])
    assert facts(process)["TensorFlow"] == "does not load: it takes more than 0.5 seconds"


def test_without_any_package_it_still_reports(tmp_path):
    """As before pip install, in a new environment."""
    venv.create(tmp_path / "venv")
    python = str(tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    found = facts(gantut("--report", cwd=tmp_path, python=[python, "-m", "gantut"]))
    assert found["numpy"] == found["tensorflow"] == "not installed" and "GB free" in found["memory"]
    assert re.match("does not load: ModuleNotFoundError: No module named", found["TensorFlow"])


def test_names_are_left_out_of_a_text(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    monkeypatch.setattr(socket, "gethostname", lambda: "node7.x")
    assert without_names("/opt/tf/lib.so and C:\\Users\\ann\\x.dll of ann at node7.x, annex") == \
        "lib.so and x.dll of ... at ..., annex"

    def nobody():
        raise KeyError("getpwuid(): uid not found: 1234")
    monkeypatch.setattr(getpass, "getuser", nobody)
    assert without_names("ann") == "ann"


def test_every_command_is_listed_with_a_sentence(tmp_path):
    process = gantut(cwd=tmp_path)
    assert process.returncode == 0 and process.stderr == ""
    listed = dict(re.findall(r"^  python (\S+) +(\S.*[.?])$", process.stdout, re.MULTILINE))
    assert set(COMMANDS) < set(listed) and all(len(words) > 20 for words in listed.values())
    for script in listed:
        with open(os.path.join(ROOT, script), encoding="utf-8") as file:
            assert listed[script] in file.read(1000).replace("\n", " ")
    assert "python -m gantut --report" in process.stdout


@pytest.mark.parametrize("flags", [["--reprot"], ["report"], ["--report", "more"], ["--report=yes"]])
def test_what_it_does_not_know_is_one_line(tmp_path, flags):
    process = gantut(*flags, cwd=tmp_path)
    assert process.stdout == "" and process.stderr.count("\n") == 1 and "--help" in the_error(process)
