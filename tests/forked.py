"""Runs the project's scripts in processes of their own, in which TensorFlow is loaded already.

Loading it takes four seconds of processor time, most of what a small training takes. So one process, the server, loads
it, starts no thread, and forks a process for each script, which is as `python script` would start it: its folder,
arguments, environment and streams are its own, and it gets real signals.

    process = Process(["gantut_trainer.py", "--epoch", "1"], folder, stdout, stderr)   # as subprocess.Popen
"""
import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# the scripts here find the project themselves
OURS = [ROOT, *(os.path.join(ROOT, name) for name in ("variants", "docs", "benchmarks"))]
AFTER_LOADING = {"http_proxy", "TF_CONFIG", "PYTEST_CURRENT_TEST"}  # variables that nothing reads before a script
LARGEST = 1 << 17  # bytes of a request
lock = threading.Lock()
server = None  # the socket to the server of this process
STARTED = dict(os.environ)  # the environment that it has


def socketpair(kind=socket.SOCK_STREAM):
    """Two sockets without a timeout, whatever default a test has set."""
    pair = socket.socketpair(socket.AF_UNIX, kind)
    for one in pair:
        one.setblocking(True)
    return pair


def request(*message, fds):
    """Ask the server of this process, which is started with the first request."""
    global server
    with lock:
        if server is None:
            server, theirs = socketpair(socket.SOCK_SEQPACKET)
            command = [sys.executable, os.path.abspath(__file__), str(theirs.fileno())]
            subprocess.Popen(command, pass_fds=[theirs.fileno()], env=STARTED)
            theirs.close()
    socket.send_fds(server, [json.dumps(message).encode()], fds)


def can_fork(environment):
    """Whether a process with this environment may be forked: what is read before a script starts is the same."""
    return {name for name in {*STARTED, *environment} if STARTED.get(name) != environment.get(name)} <= AFTER_LOADING


class Process:
    """A script's process, with the methods of subprocess.Popen. argv: the script's path and its arguments.

    stdout, stderr: open files.
    """

    def __init__(self, argv, cwd, stdout, stderr, env=None):
        self.args, self.returncode = argv, None
        self.ended, theirs = socketpair()
        request([str(word) for word in argv], str(cwd), dict(env or os.environ),
                fds=[0, stdout.fileno(), stderr.fileno(), theirs.fileno()])
        theirs.close()
        self.answers = self.ended.makefile()
        self.pid = int(self.answers.readline())

    def poll(self):
        if self.returncode is None and select.select([self.ended], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout=None):
        if self.returncode is None:
            if not select.select([self.ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = os.waitstatus_to_exitcode(int(self.answers.readline()))
            self.ended.close()
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def serve(requests):
    """Fork a process for each request, and one that waits for it, until the tests have ended."""
    import numpy  # noqa: F401
    import PIL.Image  # noqa: F401
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    import tensorflow.compat.v1  # noqa: F401
    os.dup2(stderr, 2)
    gc.freeze()  # no script's process looks through what is loaded for garbage
    gc.set_threshold(100_000)  # a graph is built in tens of thousands of objects, which stay: a tenth of a training
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those that wait need no process that waits for them
    while True:
        message, fds, _, _ = socket.recv_fds(requests, LARGEST, 4)
        if not message:
            return
        if os.fork() == 0:
            requests.close()
            watch(*json.loads(message), fds)
        for fd in fds:
            os.close(fd)


def watch(argv, cwd, env, fds):
    """Fork the script's process; send its process id, and in the end its exit status, to the one who asked."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(fds[3])
        run(argv, cwd, env, fds[:3])
    os.write(fds[3], b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    os.write(fds[3], b"%d\n" % status)
    os._exit(0)


def run(argv, cwd, env, fds):
    """Be the script's process, from its start to its end."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode, encoding="utf-8") for number, mode in enumerate("rww"))
    sys.stderr.reconfigure(line_buffering=True, errors="backslashreplace")  # as Python has it
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    folder = os.path.dirname(os.path.abspath(argv[0]))
    sys.argv, sys.path[:1] = argv, [folder] if folder in OURS else [folder, ROOT]  # copies need the project
    code = 0
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
