#!/usr/bin/env python3
"""Checks what you have written, step by step in the tutorial's order, and names the first thing that is not right yet.

  python course/check.py my_gan
  python course/check.py my_gan --hint 1

Every run checks all steps again: a step that was right and no longer is appears again. Your code runs in a separate
process, with a time limit. Functions that come later in the text are the project's until you have written them.
"""
import argparse
import ast
import collections
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
if not __package__:  # run as a script
    sys.path.insert(0, ROOT)
    __package__ = os.path.basename(HERE)

from gantut.errors import UserError  # noqa: E402
from gantut.scripts import argument_parser, run  # noqa: E402

from .start import EMPTY, LESSON, TUTORIAL, check_apart, functions, in_words, place  # noqa: E402

START = 60  # seconds that TensorFlow may take to load
ENDLESS = "it has not ended after {} seconds: is there an endless loop?"
BUSY = 10  # times as long by the clock, in case the processor is busy with other work
LINES = 25  # of a process's last output that are shown
LONG = 10000  # characters of such a line that are kept as one


def work(folder):
    """In the separate process: run the checks, with a line of JSON for each; the reader's own prints go to stderr."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from .judging import Wrong, check_of, readers
    from .steps import notes_for, steps_for
    readers.read_from(folder)
    steps = steps_for(folder)
    print(json.dumps([step.name for step in steps]), file=out, flush=True)
    begun = []
    threading.Thread(target=watch, args=(begun, out, os.getppid()), daemon=True).start()
    for step in steps:
        check = check_of(step)
        begun[:] = [(time.process_time(), step.seconds)]
        print(json.dumps({"begins": step.seconds}), file=out, flush=True)
        verdict = {}
        try:
            check(step)
        except Wrong as wrong:
            verdict = {"wrong": str(wrong), "part": step.part, "file": step.file, "sentence": step.sentence,
                       "hints": step.hints}
        begun.clear()
        print(json.dumps({"ends": verdict}), file=out, flush=True)
        if verdict:
            break
    else:
        print(json.dumps({"notes": notes_for(steps)}), file=out, flush=True)
    os._exit(0)  # even if the reader's code has started threads


def watch(begun, out, parent):
    """End this process if a step takes more processor time than allowed, or if the parent process has ended.

    begun: when the step started, and how many seconds it may take.
    """
    while True:
        time.sleep(0.2)
        if os.getppid() != parent:
            end(os.getpid())
        for start, seconds in list(begun):
            if time.process_time() - start > seconds:
                print(json.dumps({"ends": {"wrong": ENDLESS.format(seconds)}}), file=out, flush=True)
                os._exit(0)


def end(pid):
    """End a process that leads a group, and all processes that it has started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def judge(folder, report=lambda done, names: None):
    """Run the checks on a folder; returns (names of the steps, how many are right, the verdict on the next one).

    When all are right, the verdict is {"notes": [...]}.
    """
    process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--work", os.path.abspath(folder)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                               encoding="utf-8", errors="replace", start_new_session=True)
    lines, said = queue.Queue(), collections.deque(maxlen=LINES)  # an endless loop may print
    threads = [threading.Thread(target=pump, args=args, daemon=True) for args in (
        (process.stdout, lines.put), (process.stderr, lambda line: line.strip() and said.append(line), LONG))]
    for thread in threads:
        thread.start()
    names, done, limit = [], 0, START
    try:
        while True:
            line = lines.get(timeout=limit * BUSY)
            if not line:
                process.wait()
                threads[1].join(1)
                return names, done, {"wrong": how_it_ended(process.returncode, "".join(said))}
            message = json.loads(line)
            if isinstance(message, list):
                names = message
            elif "notes" in message:
                return names, done, message
            elif "begins" in message:
                limit = message["begins"]
            elif message["ends"]:
                return names, done, message["ends"]
            else:
                done, limit = done + 1, START
                report(done, names)
    except queue.Empty:
        return names, done, {"wrong": ENDLESS.format(limit * BUSY)}
    finally:
        end(process.pid)
        process.wait()


def how_it_ended(code, said):
    """In words how a process ended that should not have, with the last lines of its output."""
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    lines = [line for line in said.splitlines() if line.strip()][-LINES:]
    output = "; its last output:" if lines else ", without any output"
    return "\n    ".join([f"the process ended {how}{output}", *lines])


def pump(stream, take, longest=-1):
    """Give take() every line of a stream, one that is longer than that in parts, and "" at its end."""
    for line in iter(lambda: stream.readline(longest), ""):
        take(line)
    take("")


def show(folder, hint):
    """Check once and print the result; returns whether everything is right."""
    def report(done, names):
        bar = "#" * done + "." * (len(names) - done)
        print(f"\r[{bar}] {done}/{len(names)}", end="", file=sys.stderr, flush=True)
    names, done, verdict = judge(folder, report if sys.stderr.isatty() else lambda done, names: None)
    print(file=sys.stderr) if sys.stderr.isatty() else None
    if "notes" in verdict:
        scripts = [name for name in ("gantut_trainer.py", *LESSON) if os.path.exists(os.path.join(folder, name))]
        then = f": train with python {shlex.quote(os.path.join(folder, scripts[0]))}" if scripts else ""
        print(f"all {len(names)} steps are right{then}")
        for note in verdict["notes"]:
            print("  " + note)
        return True
    right = f": {', '.join(names[:done])}" if done else ""
    print(f"{done} of {len(names)} steps are right{right}")
    step = names[done] if done < len(names) else "start"
    file = f" ({verdict['file']})" if "file" in verdict else ""
    print(f"next: {step}{file}")
    print("  " + verdict["wrong"])
    if "sentence" in verdict:
        print("  " + verdict["sentence"])
        hints = verdict["hints"][:hint]
        for level, words in enumerate(hints, 1):
            print(f"  hint {level}: {words}")
        if len(hints) < len(verdict["hints"]):
            print(f"  (--hint {len(hints) + 1} says more)")
    return False


def look_for_files(folder):
    """Raise UserError unless a folder has the files of the tutorial, or the file of a lesson."""
    check_apart(folder)
    there = files_in(folder)
    missing = [name for name in EMPTY if name not in there]
    if not missing or set(LESSON) <= set(there):
        return
    if there:
        part = " (and --part 4, if you began with it)" if EMPTY[missing[0]][0] == 3 else ""
        raise UserError(in_words(f"no {missing[0]} in {folder}: restore it, or start it again with python "
                                 f"course/start.py {shlex.quote(folder)} --reset {missing[0]}{part}"))
    inside = sorted(entry.path for entry in os.scandir(folder) if entry.is_dir() and files_in(entry.path))
    other = inside[0] if inside else "the folder that python course/start.py has made"
    raise UserError(in_words(f"{folder} has none of {', '.join([*missing, *LESSON])}: give {other}"))


def files_in(folder):
    return [name for name in (*EMPTY, *LESSON) if os.path.isfile(os.path.join(folder, name))]


def solution(name):
    """Print the project's own lines of a step: a function, or the script that the last step runs."""
    for path in [*(os.path.join(ROOT, file) for file in TUTORIAL), *(place("variants", lesson) for lesson in LESSON)]:
        with open(path, encoding="utf-8") as source:
            text = source.read()
        if name == os.path.basename(path) and name not in EMPTY:
            print(text, end="")
            return
        for one, node in functions(ast.parse(text)).items():
            if one in (name, name + ".__call__"):
                print("\n".join(text.splitlines()[node.lineno - 1:node.end_lineno]))
                return
    raise UserError(f"no step is called {name}")


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("folder", type=os.path.expanduser, help="the folder of start.py, with your files")
    parser.add_argument("--hint", type=int, choices=[1, 2, 3], default=0,
                        help="hints for the next step: a question, the shapes, the operators")
    parser.add_argument("--solution", metavar="STEP", help="show the project's code of a step, for example conv2d")
    parser.add_argument("--watch", action="store_true", help="check again whenever a file is saved")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not os.path.isdir(args.folder):
        raise UserError(in_words(f"no folder {args.folder}: python course/start.py makes one"))
    if args.work:
        return work(args.folder)
    if args.solution:
        return solution(args.solution)
    look_for_files(args.folder)
    right = show(args.folder, args.hint)
    while args.watch:
        before = times(args.folder)
        while times(args.folder) == before:
            time.sleep(0.3)
        print("-" * 20)
        try:
            look_for_files(args.folder)
            right = show(args.folder, args.hint)
        except UserError as error:  # the files may be restored
            print(error)
    return 0 if right else 1


def times(folder):
    return sorted((entry.name, entry.stat(follow_symlinks=False).st_mtime_ns)  # an editor's lock is a broken link
                  for entry in os.scandir(folder) if entry.name.endswith(".py"))


def command():
    run(main, prints=True)


if __name__ == "__main__":
    command()
