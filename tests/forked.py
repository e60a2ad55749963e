"""Runs many scripts, each in a process of its own, but TensorFlow is loaded once: python forked.py CASES

CASES: a JSON file, a list of {"folder": ..., "script": ..., "argv": [...]}. Each script runs in its folder, whose
modules come before the project's, as `python script` would have it; stdout, stderr and code, the exit code, are left
there as files.
"""
import json
import os
import runpy
import sys
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import gantut.console  # noqa: E402, F401  (before TensorFlow, which it keeps quiet)


def run(folder, script, argv):
    """In a process of its own, before TensorFlow has started a thread."""
    os.chdir(folder)
    for name, fd in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), fd)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.argv = [script, *argv]
    sys.path.insert(0, os.path.dirname(os.path.join(folder, script)))
    code = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        print(end.code if isinstance(end.code, str) else "", end="", file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main(path):
    with open(path) as file:
        cases = json.load(file)
    for case in cases:
        child = os.fork() or run(**case)
        _, status = os.waitpid(child, 0)
        with open(os.path.join(case["folder"], "code"), "w") as file:
            file.write(str(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main(sys.argv[1])
