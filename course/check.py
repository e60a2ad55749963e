#!/usr/bin/env python3
"""Judges what you have written, step by step in the tutorial's order: the first thing that is not right yet.

  python course/check.py my_gan
  python course/check.py my_gan --hint 1

What is right is what these checks find, each time anew: a step that was right and is no more comes up again. Your code
runs in a process of its own, with a time limit. A function that comes later in the text is the project's until then.
"""
import argparse
import ast
import json
import os
import queue
import subprocess
import sys
import threading
import time

from start import EMPTY, LESSON, functions, in_words, place

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
START = 60  # seconds that TensorFlow may take to load
ENDLESS = "it has not ended after {} seconds: an endless loop?"
BUSY = 10  # times as long by the clock, where other work has the processor


def work(folder):
    """In the process of its own: run the checks, one line of JSON each; the reader's own prints go to stderr."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path[:0] = [folder, HERE]
    sys.path.append(ROOT)
    from judging import Wrong, check_of
    from steps import notes_for, steps_for
    steps = steps_for(folder)
    print(json.dumps([step.name for step in steps]), file=out, flush=True)
    begun = []
    threading.Thread(target=watch, args=(begun, out), daemon=True).start()
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
    os._exit(0)  # whatever threads the reader's code has left


def watch(begun, out):
    """End this process if a step takes more of the processor than it may, begun: when it began, and how much."""
    while True:
        time.sleep(0.2)
        for start, seconds in list(begun):
            if time.process_time() - start > seconds:
                print(json.dumps({"ends": {"wrong": ENDLESS.format(seconds)}}), file=out, flush=True)
                os._exit(0)


def judge(folder, report=lambda done, names: None):
    """Run the checks on a folder; returns (names of the steps, how many are right, the verdict on the next).

    When all are right, the verdict is {"notes": [...]}.
    """
    process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--work", folder], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    lines, said = queue.Queue(), []
    for stream, take in ((process.stdout, lines.put), (process.stderr, said.append)):
        threading.Thread(target=pump, args=(stream, take), daemon=True).start()
    names, done, limit = [], 0, START
    try:
        while True:
            line = lines.get(timeout=limit * BUSY)
            if not line:
                return names, done, {"wrong": "the process ended: {}".format(
                    (said or ["without a word"])[-1].strip() or "without a word")}
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
        process.kill()
        process.wait()


def pump(stream, take):
    for line in stream:
        take(line)
    take("")


def show(folder, hint):
    """Check once and say what is found; returns whether all is right."""
    def report(done, names):
        print("\r[{}{}] {}/{}".format("#" * done, "." * (len(names) - done), done, len(names)), end="", file=sys.stderr,
              flush=True)
    names, done, verdict = judge(folder, report if sys.stderr.isatty() else lambda done, names: None)
    print(file=sys.stderr) if sys.stderr.isatty() else None
    if "notes" in verdict:
        scripts = [name for name in ("gantut_trainer.py", *LESSON) if os.path.exists(os.path.join(folder, name))]
        print("all {} steps are right{}".format(len(names), ": train with python {}".format(
            os.path.join(folder, scripts[0])) if scripts else ""))
        for note in verdict["notes"]:
            print("  right at the text's size, 64 x 64 with 64 filters, not at others: " + note)
        return True
    print("{} of {} steps are right{}".format(done, len(names), ": " + ", ".join(names[:done]) if done else ""))
    step = names[done] if done < len(names) else "start"
    print("next: {}{}".format(step, " ({})".format(verdict["file"]) if "file" in verdict else ""))
    print("  " + verdict["wrong"])
    if "sentence" in verdict:
        print("  " + verdict["sentence"])
        hints = verdict["hints"][:hint]
        for level, words in enumerate(hints, 1):
            print("  hint {}: {}".format(level, words))
        if len(hints) < len(verdict["hints"]):
            print("  (--hint {} says more)".format(len(hints) + 1))
    return False


def solution(name):
    """Print the project's own lines of a step."""
    for path in [*(os.path.join(ROOT, file) for file in EMPTY), *(place("variants", lesson) for lesson in LESSON)]:
        with open(path, encoding="utf-8") as source:
            text = source.read()
        for one, node in functions(ast.parse(text)).items():
            if one in (name, name + ".__call__"):
                print("\n".join(text.splitlines()[node.lineno - 1:node.end_lineno]))
                return
    sys.exit("error: no step is called {}".format(name))


def main():
    parser = argparse.ArgumentParser(description=in_words(__doc__),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=os.path.expanduser, help="that of start.py, with your files")
    parser.add_argument("--hint", type=int, choices=[1, 2, 3], default=0,
                        help="of the next step: a question, the shapes, the operators")
    parser.add_argument("--solution", metavar="STEP", help="show how the project has it, for example conv2d")
    parser.add_argument("--watch", action="store_true", help="check again whenever a file is saved")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    folder = os.path.abspath(args.folder)
    if not os.path.isdir(folder):
        sys.exit(in_words("error: no folder {}: python course/start.py makes one".format(args.folder)))
    if args.work:
        return work(folder)
    if args.solution:
        return solution(args.solution)
    right = show(folder, args.hint)
    while args.watch:
        try:
            before = times(folder)
            while times(folder) == before:
                time.sleep(0.3)
        except KeyboardInterrupt:
            break
        print("-" * 20)
        right = show(folder, args.hint)
    sys.exit(0 if right else 1)


def times(folder):
    return sorted((entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(folder) if entry.name.endswith(".py"))


if __name__ == "__main__":
    main()
