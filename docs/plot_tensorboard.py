"""Part 5's Figures 1 and 2: screenshots of what TensorBoard shows of a training, in headless Chromium.

  python docs/plot_tensorboard.py logs

writes the histograms of z, d and d_ (tensorboard_z.png, tensorboard_d.png, tensorboard_d_.png) and the graph
(tensorboard_graph.png) into docs/, or into --out_dir.
"""
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import gantut.quiet  # noqa: F401  (before TensorBoard, which imports TensorFlow)

from PIL import Image, ImageChops
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gantut.errors import UserError, one_line, whole, writing
from gantut.scripts import argument_parser, call

HISTOGRAMS = {"tensorboard_z.png": "z_1", "tensorboard_d.png": "d", "tensorboard_d_.png": "d_"}  # file: tag
GRAPH = "tensorboard_graph.png"
WIDTH, HEIGHT, SCALE = 1600, 1000, 2  # of the page in CSS pixels, and the picture's pixels for each of them
MARGIN = 10  # CSS pixels of white around what is drawn
WAIT = 300  # seconds, for a machine with other things to do

# TensorBoard is built of web components: each element's content is in a shadow root, which selectors do not search.
DEEP = """
const deep = (selector, root) => [...root.querySelectorAll(selector)].concat(
  ...[...root.querySelectorAll("*")].map(e => e.shadowRoot ? deep(selector, e.shadowRoot) : []));
"""
CARD = DEEP + """
const card = deep("tf-histogram-loader", document).find(e => e.tag === arguments[0] && e.run === ".");
const drawn = card && deep(".histogram", card.shadowRoot).length;
if (drawn) deep("paper-icon-button, #heading-run", card.shadowRoot).forEach(e => e.style.visibility = "hidden");
return drawn ? card : null;
"""
SCENE = DEEP + """
const scene = deep("tf-graph-scene", document)[0];
if (!scene || !deep(".nodeshape", scene.shadowRoot).length) return null;
if (!scene.fitted) {  // once: a second time changes the scale by a hair
  deep("app-header, #sidebar", document).forEach(e => e.style.display = "none");
  for (const label of deep(".op > .nodelabel", scene.shadowRoot))  // where lines cross it, it has a white rim
    label.style.cssText += "paint-order: stroke; stroke: white; stroke-width: 2px";
  scene.fit();
  scene.fitted = true;
}
return scene;
"""
NODES = DEEP + """
const layers = ["core", "in-extract", "out-extract"].map(name => ".scene > ." + name + " > .nodes > g");
return deep("tf-graph-scene", document)[0].shadowRoot.querySelector("#root").querySelectorAll(layers.join()).length;
"""


def look(logs_dir):
    """The last step that the logs have a histogram of, and how many names there are at the top level of the graph.

    Raises UserError if one of these is missing.
    """
    if not os.path.isdir(logs_dir):
        raise UserError(f"there is no folder {logs_dir}; give the --logs_dir of a training")
    logs = EventAccumulator(logs_dir, size_guidance={"histograms": 1, "images": 1, "scalars": 1}).Reload()
    tags = logs.Tags()
    missing = [tag for tag in HISTOGRAMS.values() if tag not in tags["histograms"]]
    if missing or not tags["graph"]:
        lacking = ", ".join(missing) or "the graph"
        raise UserError(f"the logs in {logs_dir} lack {lacking}: give the --logs_dir of a training")
    names = {node.name.split("/")[0] for node in logs.Graph().node}
    return min(logs.Histograms(tag)[-1].step for tag in HISTOGRAMS.values()), len(names)


def wait_for(what, name):
    """Call what() until it returns something; returns that."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        result = what()
        if result:
            return result
        time.sleep(0.3)
    raise UserError(f"waited {WAIT} s in vain for {name}")


@contextlib.contextmanager
def tensorboard(logs_dir, folder):
    """Run TensorBoard on the logs, with its output in folder; yields its address."""
    log = os.path.join(folder, "tensorboard.log")
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", os.path.abspath(logs_dir),
               "--host", "127.0.0.1", "--port", "0"]
    with open(log, "w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder)

    def address():
        with open(log, errors="replace") as text:
            lines = text.read()
        if process.poll() is not None:
            last = lines.splitlines()[-1:]
            raise UserError("TensorBoard has ended: " + "".join(last))
        found = re.search(r" at (http://127\.0\.0\.1:\d+/)", lines)
        return found and found[1]

    try:
        yield wait_for(address, "TensorBoard to start")
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def loaded(url, step):
    """Whether TensorBoard has read the three histograms up to the step, and the graph."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # on this machine, so without a proxy

    def ask(route):
        with opener.open(url + "data/plugin/" + route, timeout=60) as answer:
            return json.load(answer)

    tags = ask("histograms/tags").get(".", {})
    return (all(tag in tags for tag in HISTOGRAMS.values()) and "." in ask("graphs/info")
            and all(ask("histograms/histograms?run=.&tag=" + tag)[-1][1] >= step for tag in HISTOGRAMS.values()))


@contextlib.contextmanager
def chromium(folder):
    """A headless Chromium that keeps its files in folder."""
    try:
        from selenium import webdriver
        from selenium.common import WebDriverException
    except ImportError:
        raise UserError("needs selenium: pip install '.[test]'") from None
    paths = [shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome"),
             shutil.which("chromedriver")]
    if None in paths:
        raise UserError("needs chromium and chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for option in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                   "--disable-background-networking", f"--user-data-dir={folder}/chromium"):
        options.add_argument(option)
    try:
        browser = webdriver.Chrome(options, webdriver.ChromeService(paths[1]))
    except WebDriverException as error:
        raise UserError(f"Chromium does not start: {one_line(error.msg)}") from None
    try:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                dict(width=WIDTH, height=HEIGHT, deviceScaleFactor=SCALE, mobile=False))
        yield browser
    except WebDriverException as error:
        raise UserError(f"Chromium: {one_line(error.msg)}") from None
    finally:
        browser.quit()


def screenshot(browser, find, *arguments):
    """The picture of the element that the script find returns, once it no longer changes: the drawing and a margin."""
    from selenium.common import StaleElementReferenceException
    shots = [b""]

    def two_alike():
        element = browser.execute_script(find, *arguments)
        if element:
            time.sleep(1)  # longer than an animation
            with contextlib.suppress(StaleElementReferenceException):  # TensorBoard has replaced it: try again
                shots.append(element.screenshot_as_png)
        return shots[-1] and shots[-1] == shots[-2]

    wait_for(two_alike, f"TensorBoard to draw {' '.join(arguments) or 'the graph'} and come to rest")
    picture = Image.open(io.BytesIO(shots[-1])).convert("RGB")
    box = ImageChops.difference(picture, Image.new("RGB", picture.size, "white")).getbbox()
    margin = MARGIN * SCALE
    framed = Image.new("RGB", (box[2] - box[0] + 2 * margin, box[3] - box[1] + 2 * margin), "white")
    framed.paste(picture.crop(box), (margin, margin))
    return framed.quantize(256, dither=Image.Dither.NONE)  # a third of the bytes


def main(logs_dir, out_dir):
    step, names = look(logs_dir)
    with writing(out_dir):
        os.makedirs(out_dir, exist_ok=True)
    pictures = {}
    with tempfile.TemporaryDirectory() as folder, tensorboard(logs_dir, folder) as url, chromium(folder) as browser:
        wait_for(lambda: loaded(url, step), "TensorBoard to read the logs")
        tags = "|".join(HISTOGRAMS.values())
        browser.get(f"{url}#histograms&tagFilter=^({tags})$")
        for name, tag in HISTOGRAMS.items():
            pictures[name] = screenshot(browser, CARD, tag)
        browser.get("about:blank")  # else the page is not loaded again, as only what follows the # changes
        browser.get(url + "#graphs")
        pictures[GRAPH] = screenshot(browser, SCENE)
        nodes = browser.execute_script(NODES)
        print(f"the graph has {names} names at the top level: {nodes} nodes, and constants and summaries beside them")
    for name, picture in pictures.items():
        path = os.path.join(out_dir, name)
        with writing(path), whole(path) as part:
            picture.save(part, "PNG", optimize=True)
        print(f"{path} {picture.width} x {picture.height}")


def command():
    parser = argument_parser(__doc__)
    parser.add_argument("logs_dir", type=os.path.expanduser, help="what a training has written for TensorBoard")
    parser.add_argument("--out_dir", type=os.path.expanduser, default=os.path.dirname(os.path.abspath(__file__)),
                        help="[docs/]")
    args = parser.parse_args()
    main(args.logs_dir, args.out_dir)


if __name__ == "__main__":
    call(command)
