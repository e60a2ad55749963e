"""How Sphinx makes a site of the pages: python -m sphinx -W -b html -c docs . site

The pages' folder is the whole repository, and the site has the same folders: README.md, data/README.md and docs/*.md
are pages as they are, and a relative link that works on GitHub works on the site. What the pages lack for a site is
added as Sphinx reads them: the list of the pages to the README, the docstrings to docs/api.md and docs/package.md.
"""
import importlib
import os
import re
import shutil
import sys
from glob import glob

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import gantut.quiet  # noqa: E402  (before TensorFlow, which it keeps quiet)

from docutils import nodes  # noqa: E402
from sphinx import addnodes  # noqa: E402

import gantut  # noqa: E402

project, author, release = "gantut", "gantut developers", gantut.__version__
html_title = f"gantut {release}"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = html_show_copyright = False
templates_path = []
highlight_language = "none"  # most blocks are commands
smartquotes = False  # it makes a dash of the -- of a flag
myst_heading_anchors = 3  # links to a heading, as on GitHub
autodoc_default_options = {"members": True, "undoc-members": True, "member-order": "bysource"}
autodoc_preserve_defaults = True

# the sidebar
PAGES = {
    "Learn": ["docs/tutorial", "docs/course", "docs/training", "docs/variants"],
    "Use": ["docs/samples", "docs/completion", "docs/export", "docs/python", "docs/quality", "docs/cluster",
            "docs/when-it-does-not-work"],
    "Data and model": ["data/README", "pretrained/README", "benchmarks/README"],
    "Code": ["docs/architecture", "docs/api", "docs/package"],
    "Project": sorted(name[:-3] for name in os.listdir(ROOT) if name.endswith(".md") and name != "README.md"),
}
root_doc = "README"
include_patterns = ["README.md", "docs/*.md", *(page + ".md" for pages in PAGES.values() for page in pages)]
exclude_patterns = [os.path.relpath(path, ROOT) for path in  # folders without pages, which may be large
                    glob(os.path.join(ROOT, "*", "*", "")) + glob(os.path.join(ROOT, "*", ""))
                    + glob(os.path.join(ROOT, ".*", ""))
                    if os.path.relpath(path, ROOT) not in {"docs", "data", "pretrained", "benchmarks"}]

# the docstrings
OF_THE_TEXT = ["gantut_imgfuncs", "gantut_datafuncs", "gantut_gan", "gantut_trainer"]
SCRIPTS = ["gantut_sample", "gantut_complete", "gantut_judge"]


def api():
    """What docs/api.md is on the site: the tutorial's files and the scripts."""
    return "\n".join(map(one_module, [*OF_THE_TEXT, *SCRIPTS]))


def package():
    """What docs/package.md is on the site: the modules in the groups of the package's docstring."""
    lines = []
    for group, module in re.findall(r"^(?:(\w+)|  (\w+) +\S.*)$", gantut.__doc__, re.MULTILINE):
        lines.append(one_module("gantut." + module, "###") if module else f"## {group.capitalize()}\n")
    return "\n".join(lines)


def one_module(name, level="##"):
    return f"{level} {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n```\n"


def sidebar():
    return "\n".join("\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", *("/" + page for page in pages),
                                "```"]) for caption, pages in PAGES.items())


def add_to_page(app, docname, source):
    """source-read: add to a page what only the site has."""
    more = {root_doc: sidebar, "docs/api": api, "docs/package": package}.get(docname)
    if more:
        source[0] += "\n\n" + more()


def as_rst(text):
    """Plain text as lines of reStructuredText without markup. A paragraph flows, unless lines in it are indented."""
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        lines = paragraph.split("\n")
        if any(line.startswith(" ") for line in lines):
            yield from ["::", "", *("   " + line for line in lines), ""]
        else:
            first, *others = [re.sub(r"([\\*`|_:<>])", r"\\\1", line) for line in lines]
            yield from ["\\ " + first, *others, ""]  # which begins no list


def on_docstring(app, what, name, obj, options, lines):
    """autodoc-process-docstring: docstrings are plain text; a script's flags come after its own."""
    lines[:] = as_rst("\n".join(lines))
    if what == "module" and hasattr(obj, "FLAGS"):
        for flag in flags_of(obj):
            lines += [f"``--{flag.name}``", *("   " + line for line in as_rst(flag.help))]


def flags_of(script):
    """The flags of a script, in its order; another script's of the same names have replaced them perhaps."""
    if hasattr(script, "define_flags"):
        script.define_flags()
    else:
        importlib.reload(script)
    return script.FLAGS.get_flags_for_module(script.__name__)


def on_member(app, what, name, obj, skip, options):
    """autodoc-skip-member: the project's functions and classes are shown; not numbers, tables and what is imported."""
    ours = (getattr(obj, "__module__", None) or "").startswith("gantut")
    return skip or not (isinstance(obj, property) or callable(obj) and ours)


def open_files(app, doctree):
    """doctree-read, before Sphinx's own: a link to a picture or an .html file opens it; to other files, downloads."""
    for node in list(doctree.findall(addnodes.download_reference)):
        if node["reftarget"].endswith((".html", ".png", ".gif")):
            folder = os.path.dirname(app.env.docname)
            path = os.path.normpath(os.path.join(folder, node["reftarget"]))
            os.makedirs(os.path.join(app.outdir, os.path.dirname(path)), exist_ok=True)
            shutil.copy(os.path.join(ROOT, path), os.path.join(app.outdir, path))
            node.replace_self(nodes.reference("", "", *node.children, refuri=node["reftarget"]))


def add_index(app, error):
    """build-finished: web servers look for index.html."""
    if not error:
        shutil.copy(os.path.join(app.outdir, root_doc + ".html"), os.path.join(app.outdir, "index.html"))


def setup(app):
    app.connect("source-read", add_to_page)
    app.connect("autodoc-process-docstring", on_docstring)
    app.connect("autodoc-skip-member", on_member)
    app.connect("doctree-read", open_files, priority=100)
    app.connect("build-finished", add_index)
