"""Existing files stay as they are where the new ones cannot be written: on a disk that is really full."""
import contextlib
import os
import subprocess

import align_faces
import mnist
import numpy as np
import pytest
from helpers import as_another_user, run_script, snapshot, the_error, touch, write_pictures
from matplotlib.figure import Figure
from test_run_fails import small_disk
from test_sample import config, model, sampler  # noqa: F401

import gantut_imgfuncs
import gantut_sample
from gantut.errors import UserError, all_whole, check_writable, is_table, put_aside, whole, write_whole
from gantut.export import export_network
from gantut.images import save_figure, save_film
from gantut_gan import DCGAN

NOISE = np.random.RandomState(0).uniform(size=(1, 64, 64, 3))


@contextlib.contextmanager
def full_disk(folder):
    """A file system that the contents of folder fill."""
    with small_disk(folder, 64):
        with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        yield


def curve():
    figure = Figure()
    figure.subplots().plot([1, 2])
    return figure


WRITERS = {  # file: what writes it, given its path
    "grid.png": lambda path: gantut_imgfuncs.save_images(NOISE, [1, 1], path),
    "grid.jpg": lambda path: gantut_imgfuncs.save_images(NOISE, [1, 1], path),
    "film.gif": lambda path: save_film(list(np.uint8(NOISE * 255)) * 3, path),
    "curve.png": lambda path: save_figure(curve(), path),
    "losses.png": lambda path: mnist.save_losses(np.ones([9, 2]), os.path.dirname(path), "step"),
    "train_losses.pkl": lambda path: mnist.save_losses(np.ones([9, 2]), os.path.dirname(path), "step"),
    "page.html": lambda path: write_whole(path, "a page" * 2000),
    "alignment.csv": lambda path: align_faces.open_table(path, [{"file": "x" * 9000}]),
    "alignment.json": lambda path: write_whole(path, b"{}" * 9000),
}


@pytest.mark.quick
@pytest.mark.parametrize("name", WRITERS)
def test_existing_files_are_kept_on_a_full_disk(tmp_path, name):
    folder = tmp_path / "disk"
    folder.mkdir()
    path = folder / name
    path.write_bytes(b"from before")
    with full_disk(folder):
        before = snapshot(folder)
        with pytest.raises(OSError, match="No space left"):
            WRITERS[name](str(path))
        assert snapshot(folder) == before
        os.remove(folder / "filler")
        WRITERS[name](str(path))
        assert b"from before" not in path.read_bytes() and path.stat().st_size > 20


MODES = {"grid": "grid.png", "interpolate": "interpolate.png", "arithmetic": "arithmetic.png", "walk": "walk.gif",
         "nearest": "nearest.png", "quiz": "quiz.html", "page": "page.html", "images": "images"}


@pytest.mark.quick
def test_every_mode_of_the_sampler_on_a_full_disk(tmp_path, sampler):  # noqa: F811
    assert gantut_sample.MODES.keys() == MODES.keys() | {"film", "export"}  # the film has a test of its own
    write_pictures(tmp_path / "pictures")
    folder = tmp_path / "disk"
    folder.mkdir()
    for name in [*list(MODES.values())[:-1], "export.onnx", "export.tflite"]:
        (folder / name).write_bytes(b"from before" * 900)
    with full_disk(folder):
        before = snapshot(folder)
        for mode, name in MODES.items():
            flags = config(folder / name, count=4, a=["1"], b=["2"], c=["3"], frames=4,
                           dataset=str(tmp_path / "pictures"))
            with pytest.raises(UserError, match="cannot write .*No space left"):
                gantut_sample.MODES[mode][0](sampler, flags)
            assert snapshot(folder) == before, mode
        for form, name in [("saved_model", "model"), ("onnx", "export.onnx"), ("tflite", "export.tflite")]:
            with pytest.raises(UserError, match="cannot write"):
                export_network(DCGAN, sampler.sizes(), sampler.numbers(), "G", form, str(folder / name))
            assert snapshot(folder) == before and "model" not in os.listdir(folder), form


def test_processes_on_a_full_disk(tmp_path, model):  # noqa: F811
    """The sampler, the judge and the completion, of which either all results of a batch are new or none is."""
    write_pictures(tmp_path / "pictures", n=64)
    folder = tmp_path / "disk"
    folder.mkdir()
    for name in ("grid.png", "scores.csv", "losses.csv", "losses.png", "film.gif", "000.png", "000_strip.png"):
        line = {"scores.csv": b"score,samples,floor,ceiling\n",
                "losses.csv": b"picture,iteration,loss,contextual,perceptual\n"}.get(name, b"from before")
        (folder / name).write_bytes(line * 1000)
    checkpoint = ["--checkpoint_dir", model.folder / "checkpoint"]
    with full_disk(folder):
        before = snapshot(folder)
        for script, flags in {
                "gantut_sample.py": ["--out", "disk/grid.png"],
                "gantut_judge.py": ["--dataset", "pictures", "--count", 32, "--out", "disk/scores.csv"],
                "gantut_complete.py": ["--dataset", "pictures/000.png", "--n_iter", 3, "--out_dir", "disk"]}.items():
            line = the_error(run_script(script, *checkpoint, *flags, cwd=tmp_path))
            assert "No space left" in line and "what was saved before is intact" in line
            assert snapshot(folder) == before, script


def test_links_pipes_and_devices_are_not_replaced(tmp_path):
    (tmp_path / "file").write_text("old")
    os.symlink("file", tmp_path / "link")
    os.link(tmp_path / "file", tmp_path / "kept")
    write_whole(str(tmp_path / "link"), "new")
    assert os.path.islink(tmp_path / "link") and (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "kept").read_text() == "old"
    write_whole(os.devnull, "nothing")
    assert not os.path.isfile(os.devnull) and sorted(os.listdir(tmp_path)) == ["file", "kept", "link"]
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE)
    write_whole(str(tmp_path / "pipe"), "through")
    assert reader.communicate(timeout=20)[0] == b"through" and not os.path.isfile(tmp_path / "pipe")


@pytest.mark.quick
def test_whether_a_file_can_be_written_is_tried_with_a_name_of_its_own(tmp_path):
    (tmp_path / "film.gif.part").write_text("of a process that is writing")
    check_writable(str(tmp_path / "film.gif"))
    assert snapshot(tmp_path) == {"film.gif.part": b"of a process that is writing"}
    os.symlink(tmp_path / "nowhere" / "film.gif", tmp_path / "link.gif")
    with pytest.raises(UserError, match="cannot write .*link.gif: .*No such file"):
        check_writable(str(tmp_path / "link.gif"))


@pytest.mark.quick
def test_what_is_put_aside(tmp_path, capsys):
    put_aside(str(tmp_path), r"a\.png|best")
    assert os.listdir(tmp_path) == [] and capsys.readouterr().out == ""
    for n in (1, 2):
        touch(tmp_path, "a.png", "aa.png", "best/model")
        put_aside(str(tmp_path), r"a\.png|best")
        assert capsys.readouterr().out.endswith(f", a.png and so on: moved to {tmp_path}/earlier-{n}\n")
        assert set(snapshot(tmp_path)) == {"aa.png", *(
            f"earlier-{i}/{name}" for i in range(1, n + 1) for name in ("a.png", "best/model"))}


@pytest.mark.quick
def test_a_kill_while_results_are_put_aside_leaves_their_table(tmp_path, monkeypatch):
    touch(tmp_path, "a.png", "losses.csv", "z.png")
    moved, rename = [], os.rename

    def killed(old, new):
        if len(moved) == 2:
            raise KeyboardInterrupt
        moved.append(os.path.basename(old))
        rename(old, new)
    monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        put_aside(str(tmp_path), ".*", "losses.csv")
    assert moved == ["a.png", "z.png"] and (tmp_path / "losses.csv").exists()


@pytest.mark.quick
def test_of_several_files_all_or_none(tmp_path):
    write_whole(str(tmp_path / "a"), "old")
    with pytest.raises(ZeroDivisionError), all_whole(str(tmp_path)) as part:
        write_whole(os.path.join(part, "a"), "new")
        1 / 0  # noqa: B018
    assert snapshot(tmp_path) == {"a": b"old"}
    with all_whole(str(tmp_path)) as part:
        for name in "ab":
            write_whole(os.path.join(part, name), "new")
    assert snapshot(tmp_path) == {"a": b"new", "b": b"new"}


@pytest.mark.quick
def test_what_is_a_table_of_ours(tmp_path):
    path = str(tmp_path / "table.csv")
    assert not is_table(path, ["a", "b"])
    for content, expected in (("", True), ("a,b\n1,2\n", True), ("a,b,c\n", False)):
        write_whole(path, content)
        assert is_table(path, ["a", "b"]) is expected
    with pytest.raises((IsADirectoryError, PermissionError)):  # not "no table": it could not be read
        is_table(str(tmp_path), ["a", "b"])


def test_what_may_not_be_written_to_is_not_replaced(tmp_path):
    """As a user other than root, for whom no file is read-only."""
    with as_another_user() as (folder, become):
        path = folder / "mine"
        path.write_text("old")
        path.chmod(0o444)
        become()
        write_whole(str(folder / "other"), "new")  # the folder itself may be written to
        with pytest.raises(PermissionError):
            write_whole(str(path), "new")
        assert path.read_text() == "old" and (folder / "other").read_text() == "new"
    with pytest.raises(IsADirectoryError), whole(str(tmp_path)) as part, open(part, "w"):
        pass
