"""The site of the documentation, built without a warning, and whole; the links and commands of its texts."""
import ast
import html
import os
import re
import subprocess
import sys
import tempfile
from glob import glob
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import forked
import pytest
from helpers import ALIASES, ROOT, two_at_a_time

from gantut.paths import COMMANDS

TEXTS = sorted(os.path.relpath(path, ROOT) for pattern in ("*.md", "docs/*.md", "*/README.md")
               for path in glob(os.path.join(ROOT, pattern)))


class Page(HTMLParser):
    """What a built page links to, with its anchors and its text."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.sidebar, self.text = [], set(), [], []
        self.in_item = False
        with open(path, encoding="utf-8") as file:
            self.feed(file.read())
        self.text = words("".join(self.text))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        self.links += [attributes[name] for name in ("href", "src") if attributes.get(name)]
        self.in_item = tag == "li" and "toctree-l1" in attributes.get("class", "") or self.in_item and tag != "li"
        if tag == "a" and self.in_item:
            self.sidebar.append(attributes["href"])
            self.in_item = False

    def handle_endtag(self, tag):
        if tag in {"dt", "p"}:
            self.text.append("\n")

    def handle_data(self, data):
        self.text.append(data)


def words(text):
    return " ".join(text.split())


def local(link):
    """A link's path and anchor, or None if it leads elsewhere."""
    parts = urlsplit(link)
    return None if parts.scheme or parts.netloc else (unquote(parts.path), unquote(parts.fragment))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built by the command of CONTRIBUTING.md, which must not warn."""
    folder = tmp_path_factory.mktemp("site")
    command = re.search(r"^python (-m sphinx .*) site$", read("CONTRIBUTING.md"), re.MULTILINE)[1]
    process = subprocess.run([sys.executable, *command.split(), str(folder)], cwd=ROOT, capture_output=True, text=True,
                             timeout=600)
    assert (process.returncode, process.stderr) == (0, ""), process.stdout + process.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    """The pages by their paths, without what is copied as it is."""
    copied = site / "docs" / "quiz.html"
    return {str(path.relative_to(site)): Page(path) for path in site.rglob("*.html") if path != copied}


def test_links_pictures_and_anchors_are_there(site, pages):
    wrong, seen = [], 0
    for name, page in pages.items():
        for link in filter(local, page.links):
            path, anchor = local(link)
            target = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            seen += 1
            if not (site / target).exists() or anchor and target in pages and anchor not in pages[target].ids:
                wrong.append((name, link))
    assert wrong == [] and seen > 1000


def test_a_linked_page_or_picture_opens_and_a_notebook_is_downloaded(site, pages):
    assert (site / "docs" / "quiz.html").read_text() == read("docs/quiz.html")
    assert "docs/quiz.html" in pages["README.html"].links and "docs/faces_short.png" in pages["README.html"].links
    assert [os.path.basename(path) for path in site.glob("_downloads/*/*")] == ["gantut.ipynb"]


def test_every_text_is_a_page_of_the_sidebar(site, pages):
    """index.html is what a server shows first."""
    assert (site / "index.html").read_text() == (site / "README.html").read_text()
    for name in ("index.html", "docs/tutorial.html"):
        listed = [os.path.normpath(os.path.join(os.path.dirname(name), local(link)[0] or os.path.basename(name)))
                  for link in pages[name].sidebar]
        assert sorted([*listed, "README.html"]) == [text[:-3] + ".html" for text in TEXTS]


def public(path):
    """The public functions, classes and methods of a module: {"DCGAN.train": docstring}."""
    found, kinds = {}, (ast.FunctionDef, ast.ClassDef)
    for node in (node for node in ast.parse(read(path)).body if isinstance(node, kinds)):
        inner = node.body if isinstance(node, ast.ClassDef) else []
        found[node.name] = ast.get_docstring(node)
        found.update({f"{node.name}.{one.name}": ast.get_docstring(one) for one in inner if isinstance(one, kinds)})
    return {name: text for name, text in found.items() if not re.search(r"(^|\.)_", name)}


@pytest.mark.parametrize("page, pattern", [("docs/api.html", "gantut_*.py"), ("docs/package.html", "gantut/*.py")])
def test_every_module_has_its_docstrings_on_a_page(pages, page, pattern):
    for path in sorted(glob(os.path.join(ROOT, pattern))):
        name = os.path.relpath(path, ROOT)[:-3].replace(os.sep, ".")
        if os.path.basename(name).split(".")[-1] in {"__init__", "__main__", *ALIASES}:
            continue
        docs = public(path)
        assert {f"{name}.{one}" for one in docs} <= pages[page].ids
        for text in (ast.get_docstring(ast.parse(read(path))), *filter(None, docs.values())):
            assert words(text) in pages[page].text, name


def help_of(script):
    """What a script's --help prints."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        assert forked.Process([os.path.join(ROOT, script), "--help"], tempfile.gettempdir(), out, err).wait(300) == 0
        out.seek(0)
        return out.read()


def test_the_scripts_flags_are_on_their_page(pages):
    for script in ("gantut_trainer.py", "gantut_complete.py"):
        named = re.findall(r"^  --(?:\[no\])?(\w+):", help_of(script), re.MULTILINE)
        assert len(named) > 15 and all(f"--{name} " in pages["docs/api.html"].text for name in named)


# the texts as they stand, as GitHub shows them

def prose(text):
    """A text without its blocks of code, and without code in a line."""
    return re.sub(r"`[^`]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def headings(text):
    """The anchors that GitHub gives a text's headings."""
    found = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", html.unescape(title).lower()).replace(" ", "-") for title in found}


@pytest.mark.quick
def test_links_of_the_texts_lead_somewhere_in_the_clone():
    wrong = []
    for text in TEXTS:
        for link in filter(local, re.findall(r"\]\(([^)\s]+)\)", prose(read(text)))):
            path, anchor = local(link)
            target = os.path.normpath(os.path.join(os.path.dirname(text), path)) if path else text
            if not os.path.exists(os.path.join(ROOT, target)) or anchor and anchor not in headings(read(target)):
                wrong.append((text, link))
    assert wrong == []


def commands(text):
    """The commands in a text's blocks, and those in a line of it that name a script, with what is said behind #."""
    blocks = re.findall(r"^```(?:bash|yaml)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in re.sub(r"\\\n\s*", " ", block).split("\n")]
    rest = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [one for line in [*lines, *map(words, re.findall(r"`([^`]+)`", rest))] for one in line.split("&&")]


def script_of(command):
    """The script that a command starts, as its path below ROOT, and the names of its flags; None if it is another's."""
    match = re.search(r"(?:^|[\s\"])(?:-m (gantut_\w+\.\w+)|(gantut-course \w+|gantut-\w+)|([\w/]+\.py))\b(.*)",
                      command)
    if not match:
        return None
    module, installed, path, rest = match.groups()
    if module:
        path = module.removeprefix("gantut_").replace(".", "/") + ".py"
    if installed:
        path = {command: script for script, command in COMMANDS.items()}.get(installed)
    places = ["", "variants", "data", "course", "docs", "benchmarks"]  # a copy's name, or one without its folder
    found = [one for one in (path, *(os.path.join(place, os.path.basename(path or "")) for place in places))
             if one and os.path.isfile(os.path.join(ROOT, one))]
    return (found or [path])[0], re.findall(r"(?<![\w-])--([a-z]\w*)", rest)


@pytest.mark.quick
@pytest.mark.parametrize("command, expected", [
    ("python gantut_sample.py --mode walk     # see --count", ("gantut_sample.py", ["mode", "count"])),
    ("python my_lesson/mnist_gan.py --beta1 0.5", ("variants/mnist_gan.py", ["beta1"])),
    ('command: ["python", "gantut_trainer.py", "--epoch=3"]', ("gantut_trainer.py", ["epoch"])),
    ("gantut-course start my_gan --part 4", ("course/start.py", ["part"])),
    ("python -m gantut_data.get_dataset mnist", ("data/get_dataset.py", [])), ("tensorboard --logdir logs", None),
])
def test_a_commands_script_and_flags_are_found(command, expected):
    assert script_of(command) == expected


def test_the_commands_of_the_texts_have_scripts_and_flags():
    """As their --help says; the values and what comes out are the matter of the scripts' own tests."""
    found = [(text, command, *script_of(command)) for text in TEXTS for command in commands(read(text))
             if script_of(command)]
    started = {script for _, _, script, flags in found if flags}
    assert {"gantut_trainer.py", "data/align_faces.py", "variants/keras_gan.py", "benchmarks/step.py"} <= started
    flags = {script: {"help", *re.findall(r"--(?:\[no\])?(\w+)", said)}
             for script, said in two_at_a_time(help_of, sorted(started)).items()}
    wrong = [(text, command, name) for text, command, script, names in found for name in names
             if name not in flags[script]]
    assert wrong == []
