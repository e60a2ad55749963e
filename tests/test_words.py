"""The words of the texts: neither a private language nor literal translations come back.

A failure names file, line and word, and what to write instead. To check more kinds of files, add their extensions to
EXTENSIONS; a line for a file in ALLOWED lists the phrases in which a word is right there.
"""
import json
import os
import re
import subprocess

import pytest
from helpers import ROOT

pytestmark = pytest.mark.quick

THIS = os.path.join("tests", "test_words.py")
EXTENSIONS = (".md", ".html", ".ipynb", ".py", ".toml", ".yml", ".cff", ".ci/run")

# a regular expression for whole words, in upper or lower case: what to write instead
WORDS = {
    # names that only this project had
    r"(front )?rooms?": "module, package, script",
    r"houses?": "project, package",
    r"floor plan": "list of modules",
    r"machinery": "package",
    r"dice": "seed, random numbers",
    r"one face": "same interface",
    r"file of always": "the same file as before",

    # the field has a word
    r"endings?": "extension",
    r"(by|to|of) chance": "at random",
    r"by heart": "memorise",
    r"slopes?": "gradient",
    r"deviations?": "standard deviation",
    r"(its|their|a|the) shares?|shares? of": "fraction, part",
    r"(to be|is not|not) entered": "used as a context manager, with ... as",
    r"first (values|weights)": "initial values",
    r"false ones": "fake",
    r"other guests": "other virtual machines",
    r"what (it|adam|the optimizers?) remembers?": "the optimizer's variables",
    r"full looks?|(first|second) looks?": "pass",
    r"twins?": "copy",

    # again, continue, start, fix, included
    r"anew|once more|over and over": "again",
    r"(goes|go|went|going|gone) on": "continue, resume",
    r"carr(y|ies) on": "continue",
    r"(was|were|is|are) begun": "started",
    r"mend(s|ed|ing)?": "fix, correct",
    r"com(e|es|ing) along|came along": "included, comes with",
    r"com(e|es) about": "is made, is written",
    r"heed(s|ed|ing)?": "treat, handle",

    # literal translations
    r"(cannot|can|could|to) be had": "available",
    r"who knows the": "an expert in the",
    r"whoever (edits|carries|can do)": "anyone who",
    r"in the place of": "in place of, instead of",
    r"see to it": "make sure",
    r"is the matter": "is the problem",
    r"without a word": "silently, without a message",
    r"(is|are) to (be|do)": "has to, must, should",
    r"(what|that|which) (is|are) no(?! longer)": "is not a",
    r"says of (a|the) pictures?": "says how likely a picture is real",
}

EVERYWHERE = ["standard deviation"]
PRINTED = ["[*] going on", "to go on:", "start anew", "D starts anew"]  # lines that programs may read
ALLOWED = {  # words in their plain meaning, and lines that are printed
    "data/README.md": ["with one face in the middle"],
    "data/align_faces.py": PRINTED,
    "docs/gantut.ipynb": ["on one face", "From one face to another"],
    "docs/training.md": ["draws one face in several colours"],
    "docs/when-it-does-not-work.md": ["Make room"],
    "gantut/checkpoints.py": PRINTED,
    "gantut/run_record.py": PRINTED,
    "gantut/scripts.py": PRINTED,
    "gantut/weights.py": PRINTED,
}


def texts():
    """The project's texts: {path below ROOT: text}, of a notebook the Markdown cells; without this file, the table."""
    if os.path.exists(os.path.join(ROOT, ".git")):
        paths = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT, check=True,
                               capture_output=True, text=True).stdout.split("\0")
    else:  # an unpacked source distribution
        paths = [os.path.relpath(os.path.join(folder, name), ROOT) for folder, _, names in os.walk(ROOT)
                 for name in names]
    found = {}
    for path in sorted(paths):
        if path.endswith(EXTENSIONS) and os.path.isfile(os.path.join(ROOT, path)) and path != THIS:
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                text = file.read()
            if path.endswith(".ipynb"):
                text = "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"]
                                   if cell["cell_type"] == "markdown")
            found[path.replace(os.sep, "/")] = text
    return found


def pattern(words):
    """Matches whole words, also across the end of a line; no names in code like gantut_mend or mend.py."""
    return re.compile(r"(?<![\w.`/-])({})(?![\w`/(-]|\.\w)".format(words.replace(" ", r"\s+")), re.IGNORECASE)


def hits(text, allowed=()):
    """Lines that say which word stands where, and what to write instead."""
    for phrase in (*EVERYWHERE, *allowed):  # blanked out, so that the line numbers stay
        text = re.sub(r"\s+".join(map(re.escape, phrase.split())), lambda found: re.sub(r"\S", "_", found[0]), text)
    found = sorted((match.start(), match[0], use) for words, use in WORDS.items()
                   for match in pattern(words).finditer(text))
    return ["line {}: {!r}: write {}".format(text.count("\n", 0, start) + 1, " ".join(word.split()), use)
            for start, word, use in found]


def test_the_texts_use_the_fields_words():
    wrong = [f"{path}, {hit}" for path, text in texts().items()
             for hit in hits(text, PRINTED if path.startswith("tests/") else ALLOWED.get(path, ()))]
    assert wrong == [], "\n" + "\n".join(wrong)


def test_readme_is_read_in_five_minutes():
    assert len(texts()["README.md"].split()) <= 1100


def test_the_texts_are_found():
    found = texts()
    assert {"README.md", "CONTRIBUTING.md", "docs/tutorial.md", "data/README.md", "gantut/page.html",
            "gantut_gan.py", "course/check.py", "tests/helpers.py", "pyproject.toml", ".ci/run",
            ".github/workflows/tests.yml"} <= set(found)
    assert "Part 3" in found["docs/gantut.ipynb"] and "import" not in found["docs/gantut.ipynb"].split("\n")[0]


@pytest.mark.parametrize("text, words", [
    ("The house has two\nfront\n  rooms.", ["house", "front rooms"]),
    ("By\nchance, once more", ["By chance", "once more"]),
    ("one standard deviation, a deviation", ["deviation"]),
    ("it trains, and goes on.", ["goes on"]),
    ("household, mushroom, tending, recommend, gantut/mend.py, `slope`, mend(x), dice_2, mend-it", []),
])
def test_whole_words_are_found(text, words):
    assert [hit.split("'")[1] for hit in hits(text)] == words


def test_what_is_allowed_is_allowed_there_only():
    text = "one\nMake\nroom, a room"
    assert hits(text, ["Make room"]) == ["line 3: 'room': write module, package, script"] and len(hits(text)) == 2
