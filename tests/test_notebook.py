"""docs/gantut.ipynb: run from top to bottom right after %pip install of the wheel, without a clone; its outputs."""
import json
import os
import subprocess
import sys
import sysconfig

import nbformat
import pytest
from helpers import ROOT
from nbclient import NotebookClient
from test_installed import build

PATH = os.path.join(ROOT, "docs", "gantut.ipynb")
INSTALL = "%pip install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall {}"


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """The name of a kernel in an environment of its own, which finds what the tests' one has, but not the project."""
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    where = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True,
                           capture_output=True, text=True).stdout.strip()
    with open(os.path.join(where, "others.pth"), "w") as file:
        file.write("\n".join({sysconfig.get_path(name) for name in ("purelib", "platlib")}))
    spec = tmp_path / "jupyter" / "kernels" / "fresh"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps({
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "fresh"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where TensorBoard's magic looks for running ones to use again
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return "fresh"


def shown(cell, kind):
    return [output.data[kind] for output in cell.outputs if kind in output.get("data", {})]


def text_of(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def test_it_runs_right_after_the_wheel_is_installed(kernel, tmp_path, monkeypatch):
    monkeypatch.setenv("GANTUT_NOTEBOOK", "quick")
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"])
    built = build(tmp_path)
    notebook = nbformat.read(PATH, 4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(INSTALL.format(built.wheel)))
    notebook.cells.append(nbformat.v4.new_code_cell("import sys\nprint(gantut.__file__, *sys.path)"))
    NotebookClient(notebook, timeout=300, kernel_name=kernel, resources={"metadata": {"path": str(built.empty)}}
                   ).execute()
    ran = {cell.source: cell for cell in notebook.cells if cell.cell_type == "code"}
    where = text_of(notebook.cells[-1]).split()
    assert where[0].startswith(str(tmp_path / "venv")) and ROOT not in where
    training = next(ran[source] for source in ran if "progress=Progress" in source)
    assert 'value="8" max="8"' in shown(training, "text/html")[0] and len(shown(training, "image/png")) == 1
    plots = [cell for source, cell in ran.items() if "plt.subplots" in source or "plt.imshow" in source]
    assert len(plots) > 3 and all(shown(plot, "image/png") for plot in plots)  # inline, without a magic line
    board = next(ran[source] for source in ran if "%tensorboard" in source)
    assert "tensorboard-frame" in shown(board, "text/html")[0] and "ERROR" not in text_of(board)
    assert os.listdir(built.empty) == ["gantut_run"]
    assert {"checkpoint", "logs", "samples", "faces"} == set(os.listdir(built.empty / "gantut_run"))


@pytest.mark.quick
def test_the_file_keeps_a_real_run():
    assert os.path.getsize(PATH) < 2e6
    cells = [cell for cell in nbformat.read(PATH, 4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(output.output_type != "error" and output.get("name") != "stderr" for cell in cells
               for output in cell.outputs)
    assert any('value="496" max="496"' in words for cell in cells for words in shown(cell, "text/html"))
    assert sum(len(shown(cell, "image/png")) for cell in cells) >= 10
    with open(PATH, encoding="utf-8") as file:
        assert not any(place in file.read() for place in ("/tmp", "/home", "/root", "/opt"))
