"""Workers on two machines: network namespaces with addresses of their own, and a link between them that is cut."""
import os
import re
import signal
import subprocess
import time

import pytest
from helpers import SMALL, script_command, steps_done, variables, wait_until, write_pictures
from test_workers import FLAGS

NAMES = [f"gantut{i}-{os.getpid()}" for i in (0, 1)]
ADDRESSES = ["10.77.0.1", "10.77.0.2"]
HOSTS = ",".join(address + ":8470" for address in ADDRESSES)


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def machines():
    """Two network namespaces with an address each and a link between them."""
    try:
        for name in NAMES:
            ip("netns", "add", name)
        ip("link", "add", "link0", "netns", NAMES[0], "type", "veth", "peer", "name", "link1", "netns", NAMES[1])
        for i, name in enumerate(NAMES):
            ip("-n", name, "address", "add", ADDRESSES[i] + "/24", "dev", f"link{i}")
            ip("-n", name, "link", "set", f"link{i}", "up")
        yield
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {error}")
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def start(folder, i, *flags):
    folder.mkdir(exist_ok=True)
    command = script_command("gantut_trainer.py", *SMALL, *FLAGS, "--worker_hosts", HOSTS, "--task_index", i, *flags)
    with open(folder / "stdout", "w") as out, open(folder / "stderr", "w") as err:
        return subprocess.Popen(["ip", "netns", "exec", NAMES[i], *command], cwd=folder, stdout=out, stderr=err)


def cut():
    """Lose all packets to the other machine from now on, without an error."""
    ip("-n", NAMES[0], "neighbour", "replace", ADDRESSES[1], "lladdr", "02:00:00:00:00:99", "dev", "link0", "nud",
       "permanent")


@pytest.mark.slow
@pytest.mark.parametrize("silent", [True, False])
def test_a_cut_link_ends_both_and_they_continue(tmp_path, machines, silent):
    pictures = write_pictures(tmp_path / "pictures")
    folders = [tmp_path / str(i) for i in (0, 1)]
    processes = [start(folder, i, "--dataset", pictures, "--epoch", 10000) for i, folder in enumerate(folders)]
    wait_until(lambda: steps_done(folders[0]) > 8, processes[0])
    at = time.monotonic()
    cut() if silent else ip("-n", NAMES[1], "link", "set", "link1", "down")
    assert [process.wait(60) for process in processes] == [1, 1]
    assert time.monotonic() - at < 60
    for i, folder in enumerate(folders):
        line, = (folder / "stderr").read_text().splitlines()
        other = rf"{1 - i} \({ADDRESSES[1 - i]}:8470\)"
        assert re.fullmatch(rf"error: lost worker {other}: .*: start all workers again to continue", line)
    assert variables(folders[0])

    if silent:
        ip("-n", NAMES[0], "neighbour", "delete", ADDRESSES[1], "dev", "link0")
    else:
        ip("-n", NAMES[1], "link", "set", "link1", "up")
    processes = [start(folder, i, "--dataset", pictures, "--epoch", 10000) for i, folder in enumerate(folders)]
    wait_until(lambda: steps_done(folders[0]) > 3, processes[0])
    processes[1].send_signal(signal.SIGINT)
    assert [process.wait(60) for process in processes] == [130, 130]
    assert "An existing model was found" in (folders[0] / "stdout").read_text()


@pytest.mark.slow
def test_a_wrong_number_is_detected(tmp_path, machines):
    pictures = write_pictures(tmp_path / "pictures")
    process = start(tmp_path / "0", 0, "--dataset", pictures, "--start_timeout", 60)
    command = script_command("gantut_trainer.py", *SMALL, "--dataset", pictures, "--worker_hosts", HOSTS)
    wrong = subprocess.run(["ip", "netns", "exec", NAMES[1], *command], cwd=tmp_path, capture_output=True, text=True)
    process.kill()
    assert wrong.returncode == 1 and "worker 0 cannot listen at 10.77.0.1:8470: Cannot assign" in wrong.stderr
