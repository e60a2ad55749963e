"""Lists the commands; --report prints what a bug report needs.

  python -m gantut
  python -m gantut --report

The report says nothing of who you are: it names no user, no machine and no folder.
"""
import ast
import contextlib
import getpass
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
from importlib import metadata

from gantut import __version__
from gantut.errors import one_line
from gantut.paths import COMMANDS, INSTALLED, ROOT, in_words, place
from gantut.scripts import argument_parser, run

PACKAGES = ["tensorflow", "tensorboard", "keras", "numpy", "scipy", "pillow", "imageio", "matplotlib", "tqdm",
            "filelock", "six", "protobuf"]
OF_EXTRAS = ["mtcnn", "tf2onnx", "onnxruntime", "ai-edge-litert", "kubernetes", "torch"]
LESSONS = ["mnist_gan", "mnist_dcgan", "keras_gan", "keras_dcgan"]
LONGEST = 300  # seconds that TensorFlow may take to load, from a slow disk
IN_A_CHILD = "from gantut.__main__ import print_devices; print_devices()"


def list_commands():
    """Print each script, as it is called here, with the first sentence of its text."""
    scripts = [*COMMANDS, "data/get_dataset.py", *(f"variants/{name}.py" for name in LESSONS)]
    names = [in_words("python " + script) for script in scripts]
    print(f"gantut {__version__}: the GAN tutorial of mlnotebook, on today's TensorFlow\n")
    for script, name in zip(scripts, names):
        folder, file = os.path.split(script)
        path = place(folder, file) if folder else os.path.join(ROOT, file)
        print(f"  {name:{max(map(len, names))}}  {first_sentence(path)}")
    print("\nEach says more with --help. For a bug report: python -m gantut --report")


def first_sentence(path):
    """The first sentence of a script's text, which is read, not imported: TensorFlow would take seconds."""
    with open(path, encoding="utf-8") as file:
        return re.match(r".*?[.?](?=\s|$)", ast.get_docstring(ast.parse(file.read())))[0]


def print_report():
    """Print versions, the machine, what is free of it, and what TensorFlow finds: one fact a line."""
    machine = describe()
    line("gantut", f"{__version__}, {sources()}")
    line("python", machine["python"])
    for name in PACKAGES:
        line(name, version(name) or "not installed")
    for name in filter(version, OF_EXTRAS):
        line(name, version(name))
    line("system", machine["system"])
    line("processor", f"{machine['cpu']}, {machine['cores']} cores, {usable_cores()} for this process")
    line("memory", f"{gigabytes(memory())}, {gigabytes(free_memory())} free")
    line("disk", f"{gigabytes(shutil.disk_usage('.').free)} free in this folder")
    line("NVIDIA driver", nvidia_driver())
    sys.stdout.flush()
    # a library that does not fit the processor ends the process that loads it
    try:
        child = subprocess.run([sys.executable, "-c", IN_A_CHILD], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return line("TensorFlow", f"does not load: it takes more than {LONGEST} seconds")
    print(child.stdout, end="")
    if child.returncode < 0:
        line("TensorFlow", f"does not load: it ends the process by {signal.Signals(-child.returncode).name}")
    elif child.returncode:
        line("TensorFlow", f"does not load: it ends the process with exit code {child.returncode}")


def print_devices():
    """Print what TensorFlow finds, or why it does not load."""
    try:
        import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

        import tensorflow as tf

        from gantut.session import fastest_precision, processors_arithmetic
    except Exception as error:  # whatever importing a package may raise
        line("TensorFlow", f"does not load: {type(error).__name__}: {without_names(cause(error))}")
        return
    line("bfloat16", f"the processor has {processors_arithmetic() or 'no arithmetic for it'}")
    line("--precision auto", "{}: {}".format(*fastest_precision()))
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    hidden = ", CUDA_VISIBLE_DEVICES is set" if "CUDA_VISIBLE_DEVICES" in os.environ else ""
    line("GPUs", ("; ".join(gpu.get("device_name", "unnamed") for gpu in gpus) or "TensorFlow finds none") + hidden)


def line(name, words):
    print(f"{name:17} {words}")


def describe():
    """The machine and the versions of what does the work, for a benchmark's JSON; None for what is not known."""
    total = memory()
    return {"cpu": processor(), "cores": os.cpu_count(), "memory_gb": total and round(total / 1e9, 1),
            "system": platform.platform(), "python": platform.python_version(),
            **{name: version(name) for name in ("tensorflow", "numpy", "pillow", "torch")}}


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def processor():
    """What the processor is called; where Linux does not say, which kind it is."""
    found = re.search(r"^model name\s*: (.*)$", content_of("/proc/cpuinfo"), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def usable_cores():
    """How many cores this process may use: a batch system or a container may leave it fewer."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def memory():
    """The machine's memory in bytes, or None."""
    names = getattr(os, "sysconf_names", ())  # Windows has none
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if "SC_PHYS_PAGES" in names else None


def free_memory():
    """How many bytes of memory a new process can have, by Linux's estimate; elsewhere None."""
    found = re.search(r"^MemAvailable: *(\d+) kB$", content_of("/proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def content_of(path):
    """The text of a file of Linux's /proc; none on other systems."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def gigabytes(number):
    return "unknown" if number is None else f"{number / 1e9:.1f} GB"


def sources():
    """Whether this is installed or a clone, and of the clone the commit, and whether files in it were changed."""
    if INSTALLED:
        return "installed"
    if not os.path.exists(os.path.join(ROOT, ".git")):
        return "not installed, no clone"
    found = output_of("git", "-c", "safe.directory=*", "-C", ROOT, "describe", "--always", "--dirty", "--exclude=*")
    return f"a clone at {found.replace('-dirty', ', with changes')}" if found else "a clone"


def nvidia_driver():
    """Version, GPUs and their compute capabilities as the driver's own tool has them."""
    found = output_of("nvidia-smi", "--query-gpu=driver_version,name,compute_cap", "--format=csv,noheader")
    return "; ".join(found.splitlines()) or "none (nvidia-smi finds no GPU, or is not there)"


def output_of(*command):
    """What a command prints; nothing if it is not there or fails."""
    try:
        process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return process.stdout.strip() if process.returncode == 0 else ""


def cause(error):
    """The last line of an error's message that names an error, as TensorFlow's holds a traceback; else all of it."""
    return (re.findall(r"^\w+Error: .*", str(error), re.MULTILINE) or [one_line(error)])[-1][:300]


def without_names(text):
    """A text without folders, and without the names of the user and the machine."""
    for folder in (sys.prefix, ROOT, os.getcwd(), os.path.expanduser("~")):
        text = text.replace(folder + os.sep, "")
    text = re.sub(r"(?<![\w.])([A-Za-z]:)?[/\\]([^/\\\s'\":]+[/\\])+", "", text)
    names = [socket.gethostname()]
    with contextlib.suppress(KeyError, OSError, ImportError):  # a container's user may have no name
        names.append(getpass.getuser())
    return re.sub("|".join(rf"\b{re.escape(name)}\b" for name in names), "...", text)


def main():
    parser = argument_parser(__doc__)
    parser.prog = "python -m gantut"
    parser.add_argument("--report", action="store_true", help="print what a bug report needs, and nothing private")
    if parser.parse_args().report:
        print_report()
    else:
        list_commands()


if __name__ == "__main__":
    run(main, prints=True)
