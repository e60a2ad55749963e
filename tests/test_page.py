"""The page that draws, in a real browser, headless Chromium, from a file: its pictures against the session's."""
import base64
import io
import json
import time
from types import SimpleNamespace

import imageio.v3 as iio
import numpy as np
import pytest
from test_quiz import OPTIONS, browser, needs_browser, open_browser  # noqa: F401  (browser is a fixture)
from test_sample import SIZES, config, make_checkpoint, open_sampler

import gantut_sample
from gantut.export import DIRECTIONS, LOOKS, directions, fold
from gantut.seeding import random_state, sample_z

MODELS = {"colour": dict(SIZES, image_size=32, z_dim=20), "gray": dict(SIZES, c_dim=1, gf_dim=3, z_dim=3)}
SEED = 7


@pytest.mark.quick
def test_directions_are_the_principal_components_carried_back_to_z():
    rng = np.random.RandomState(1)
    matrix = np.float32(rng.normal(size=[9, 32]) * np.linspace(2, 0.2, 9)[:, np.newaxis])
    bias = np.float32(rng.normal(size=32))
    found = directions(matrix, bias, random_state(SEED, "directions"))

    z = random_state(SEED, "directions").uniform(-1, 1, [LOOKS, 9])
    results = np.maximum(z @ matrix + bias, 0)
    variances, axes = np.linalg.eigh(np.cov(results.T))
    variances, axes = variances[::-1][:DIRECTIONS], axes[:, ::-1][:, :DIRECTIONS]
    components = (results - results.mean(axis=0)) @ axes / np.sqrt(variances)
    expected = np.linalg.lstsq(components, z, rcond=None)[0]
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one * np.sign(one @ other), other, atol=0.005)


@pytest.fixture(scope="module", params=list(MODELS))
def drawn(request, tmp_path_factory):
    """A page, and what the session draws: bytes by z."""
    sizes, folder = MODELS[request.param], tmp_path_factory.mktemp(request.param)
    numbers = make_checkpoint(folder, **sizes)
    path = folder / "page.html"
    with open_sampler(folder, SEED) as sampler:
        gantut_sample.page(sampler, config(path, seed=SEED))

        def session(z):
            return np.round((sampler.draw_all(np.array([z])) + 1) * 127.5)[0].astype(int)

        ways = directions(*fold(numbers, 1e-5)[0], random_state(SEED, "directions"))
        yield SimpleNamespace(path=path, session=session, ways=ways, z_dim=sizes["z_dim"])


@pytest.fixture
def page(browser, drawn):  # noqa: F811
    return Page(browser, drawn)


class Page:
    """The page as a person uses it."""

    def __init__(self, driver, drawn, more=""):
        self.browser, self.session, self.ways, self.z_dim = driver, drawn.session, drawn.ways, drawn.z_dim
        driver.get("about:blank")
        for log in ("performance", "browser"):
            driver.get_log(log)  # earlier messages do not count
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                               dict(width=1280, height=800, deviceScaleFactor=1, mobile=False))
        driver.get(drawn.path.as_uri() + more)
        self.wait()

    def wait(self):
        """Wait until it has drawn what the controls say."""
        end = time.monotonic() + 60
        while self.browser.execute_script("return wanted || busy"):
            assert time.monotonic() < end, self.text("said")
            time.sleep(0.02)

    def find(self, name):
        return self.browser.find_element("id", name)

    def text(self, name):
        return self.find(name).text

    def value(self, name):
        return float(self.find(name).get_attribute("value"))

    def press(self, *keys):
        from selenium.webdriver import ActionChains
        ActionChains(self.browser).send_keys(*keys).perform()
        self.wait()

    def click(self, name):
        self.find(name).click()
        self.wait()

    def write(self, name, number):
        self.find(name).clear()
        self.find(name).send_keys(str(number))
        self.wait()

    def pixels(self, canvas="picture"):
        """What the canvas shows: int [size, size, 3]."""
        png = self.browser.execute_script("return arguments[0].toDataURL()", self.find(canvas)).split(",")[1]
        return iio.imread(io.BytesIO(base64.b64decode(png)))[..., :3].astype(int)

    def z(self, number):
        return sample_z(SEED, [int(number)], self.z_dim)[0]

    def shows(self, z, canvas="picture"):
        """Whether the canvas shows what the session draws, to two grey levels."""
        return abs(self.pixels(canvas) - self.session(z)).max() <= 2


@needs_browser
def test_its_faces_are_the_sessions_samples(page):
    from selenium.webdriver.common.keys import Keys
    for number in (0, 12, 123456, 2**32 - 1):
        page.write("a", number)
        assert page.shows(page.z(number)) and page.shows(page.z(number), "face_a")
    assert page.shows(page.z(1), "face_b")
    assert not page.shows(page.z(0))  # they differ, so that the comparison means something
    for text in (-5, ".5", ""):  # not the number of a face: the picture stays, also when something else is moved
        page.write("a", text)
        assert page.shows(page.z(2**32 - 1))
        page.find("d1").send_keys(Keys.ARROW_RIGHT)
        page.find("d1").send_keys(Keys.ARROW_LEFT)
        page.wait()
        assert page.shows(page.z(2**32 - 1)) and page.shows(page.z(2**32 - 1), "face_a")


@needs_browser
def test_sliders_by_keyboard(page):
    from selenium.webdriver.common.keys import Keys
    page.find("d1").send_keys(Keys.ARROW_RIGHT * 7)
    page.wait()
    last = f"d{len(page.ways)}"
    assert len(page.ways) == min(DIRECTIONS, page.z_dim) and not page.browser.find_elements(
        "id", f"d{len(page.ways) + 1}")
    page.find(last).send_keys(Keys.HOME)
    page.wait()
    assert page.browser.find_element("css selector", "#d1 + output").text == "0.7"
    assert page.browser.find_element("css selector", f"#{last} + output").text == "\u22124"
    moved = page.z(0) + 0.7 * page.ways[0] - 4 * page.ways[-1]
    assert page.shows(moved) and not page.shows(page.z(0))
    page.find("way").send_keys(Keys.END)
    page.wait()
    assert page.shows(moved + page.z(1) - page.z(0))
    page.find("way").send_keys(Keys.ARROW_LEFT * 30)
    page.wait()
    assert page.value("way") == 0.7 and page.shows(moved + 0.7 * (page.z(1) - page.z(0)))
    page.click("reset")
    assert page.shows(0.3 * page.z(0) + 0.7 * page.z(1))


@needs_browser
def test_buttons_and_their_keys(page):
    seen = [0, 1]
    for push in (lambda: page.click("another"), lambda: page.press("n"), lambda: page.press("N")):
        push()
        seen.append(page.value("a"))
        assert page.value("way") == 0 and page.shows(page.z(seen[-1])) and page.shows(page.z(seen[-1]), "face_a")
        assert page.text("said") == f"Face {seen[-1]:.0f}"
    for push in (lambda: page.click("another_b"), lambda: page.press("b")):
        push()
        seen.append(page.value("b"))
        assert page.shows(page.z(seen[-1]), "face_b") and page.shows(page.z(page.value("a")))
    assert len(set(seen)) == len(seen)
    page.browser.execute_script("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'n', ctrlKey: true}))")
    assert page.value("a") == seen[4]


@needs_browser
def test_walk_goes_from_face_to_face(page):
    page.browser.execute_script("$('way').value = 0.9")
    page.find("walk").click()
    assert page.find("walk").get_attribute("aria-pressed") == "true"
    end = time.monotonic() + 60
    while page.value("a") != 1 and time.monotonic() < end:  # B has become A
        time.sleep(0.02)
    page.press("w")
    assert page.find("walk").get_attribute("aria-pressed") == "false"
    t, a, b = (page.value(name) for name in ("way", "a", "b"))
    assert a == 1 and b != 1
    assert page.shows((1 - t) * page.z(a) + t * page.z(b))


@needs_browser
@pytest.mark.parametrize("drawn", ["gray"], indirect=True)
@pytest.mark.parametrize("ms", [5, 1000 / 60, 50])
def test_walk_takes_three_seconds_however_short_the_frames(page, ms):
    """The slider, of steps of 0.01, is moved by the user and by "Another face" on the way."""
    found = page.browser.execute_script("""
        let now = 1;
        const found = [], pass = seconds => {
            for (let n = Math.round(1000 * seconds / arguments[0]); n > 0; n--) { now += arguments[0]; step(); }
            found.push([+$("way").value, chosen()[0]]);
        };
        performance.now = () => now;
        walk();
        pass(1.5);
        $("way").value = 0.2;
        $("way").dispatchEvent(new Event("input"));
        pass(1.2);
        another();
        pass(0.6);
        pass(arguments[0] / 1000);
        walk();
        delete performance.now;
        return [found, noise(+$("a").value)[0], noise(1)[0]]""", ms)
    (*ways, last), a, b = found
    assert [way for way, _ in ways] == [0.5, 0.6, 0.2]
    t = 0.2 + ms / 3000
    assert last[0] == round(t, 2) and abs(last[1] - ((1 - t) * a + t * b)) < 1e-9
    page.wait()


@needs_browser
def test_a_drawing_that_fails_is_said_and_the_next_one_is_made(page):
    """As when the browser has reset the graphics processor."""
    page.browser.execute_script("const right = draw; draw = async () => { draw = right; throw Error('context lost'); }")
    page.click("another")
    assert "could not be drawn: context lost" in page.text("said")
    page.click("another_b")
    for name, canvas in (("a", "face_a"), ("a", "picture"), ("b", "face_b")):
        assert page.shows(page.z(page.value(name)), canvas)


@needs_browser
def test_save_writes_the_picture(page, tmp_path):
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", dict(behavior="allow", downloadPath=str(tmp_path)))
    page.write("a", 3)
    page.click("save")
    end = time.monotonic() + 60
    while not (tmp_path / "face-3.png").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert np.array_equal(iio.imread(tmp_path / "face-3.png")[..., :3], page.pixels())


@needs_browser
@pytest.mark.parametrize("drawn", ["colour"], indirect=True)
def test_fits_the_screen_and_every_control_has_a_name(page):
    for width, height in ((320, 568), (360, 740), (740, 360), (1280, 800)):
        page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", dict(
            width=width, height=height, deviceScaleFactor=1, mobile=width < 1000))
        assert page.browser.execute_script("""
            const edges = [...document.querySelectorAll("body *")].map(e => e.getBoundingClientRect().right);
            const boxes = [...document.querySelectorAll(".card, .buttons")];
            return Math.max(document.documentElement.scrollWidth, ...edges) <= innerWidth
                && boxes.every(box => box.scrollWidth <= box.clientWidth)""")
        assert min(button.size["height"] for button in page.browser.find_elements("tag name", "button")) >= 44
    unnamed = page.browser.execute_script("""
        return [...document.querySelectorAll("input, button, canvas")].filter(e => !(e.labels && e.labels.length
            && e.labels[0].textContent.trim()) && !e.textContent.trim() && !e.getAttribute("aria-label")).length""")
    assert unnamed == 0
    papers = set()
    for scheme in ("light", "dark"):
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dict(
            features=[dict(name="prefers-color-scheme", value=scheme)]))
        papers.add(page.browser.find_element("tag name", "body").value_of_css_property("background-color"))
    assert len(papers) == 2


@needs_browser
@pytest.mark.parametrize("drawn", ["colour"], indirect=True)
def test_makes_no_request_and_logs_nothing(page):
    page.press("n", "b", "w", "w", "m")
    events = [json.loads(entry["message"])["message"] for entry in page.browser.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert urls and all(url.startswith(("file://", "data:", "about:")) for url in urls)
    assert sum(url.startswith("file://") for url in urls) == 1
    said = [entry["message"] for entry in page.browser.get_log("browser")]
    assert [one for one in said if "software WebGL" not in one] == []  # Chromium's, on a machine without graphics
    assert page.browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert "WebAssembly" in page.text("speed")
    assert "Apache License" in page.browser.execute_script("return document.querySelector('pre').textContent")
    fetched = page.browser.execute_async_script(
        "const done = arguments[0]; fetch('http://127.0.0.1:9/').then(() => done('sent'), e => done('refused'))")
    assert fetched == "refused"


@needs_browser
@pytest.mark.parametrize("drawn", ["colour"], indirect=True)
def test_draws_the_same_by_webgl(drawn, tmp_path):
    software = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    driver = open_browser(tmp_path, [one for one in OPTIONS if one != "--disable-gpu"] + software)
    try:
        page = Page(driver, drawn, "#webgl")
        assert "WebGL" in page.text("speed")
        page.press("n")
        assert page.shows(page.z(page.value("a"))) and page.shows(page.z(1), "face_b")
    finally:
        driver.quit()
