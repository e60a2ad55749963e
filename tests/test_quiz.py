"""The quiz in a real browser, headless Chromium: played by click and by keyboard, on a phone's screen, offline."""
import base64
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binom

from gantut.export import chances, data_uri, make_quiz

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
           "--disable-background-networking", "--disable-component-update"]
N = 10  # of either kind

needs_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver: "
                                   "apt-get install chromium chromium-driver")


@pytest.mark.quick
def test_chances_are_the_binomial_distributions():
    for n in (1, 2, 7, 20, 200):
        assert np.allclose(chances(n), binom.sf(np.arange(n + 1) - 1, n, 0.5), rtol=1e-12, atol=0)
    assert chances(2) == [1, 0.75, 0.25]


@pytest.mark.quick
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_kept_to_the_bit(channels):
    picture = np.random.RandomState(0).randint(0, 256, [8, 8, channels]).astype(np.uint8)
    data = data_uri(picture)
    assert data.startswith("data:image/png;base64,")
    with Image.open(io.BytesIO(base64.b64decode(data.split(",")[1]))) as image:
        assert np.array_equal(np.asarray(image).reshape([8, 8, channels]), picture)


def make_page(seed=1, size=64):
    """A quiz of bright real and dark fake pictures, so that the tests see which is which."""
    rng = np.random.RandomState(seed)
    real, fake = (rng.randint(low, low + 56, [N, size, size, 3]).astype(np.uint8) for low in (200, 0))
    return make_quiz(real, fake, np.random.RandomState(seed))


def truth(page):
    """For each picture in the order of the page: is it one of the bright, real ones?"""
    uris = json.loads(re.search(r"const quiz = (.*);\n", page)[1])["pictures"]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))).mean() > 128 for uri in uris]


@pytest.mark.quick
def test_order_is_drawn_from_the_seed():
    assert sum(truth(make_page())) == N and len(truth(make_page())) == 2 * N
    assert make_page() == make_page()
    assert truth(make_page()) != truth(make_page(2))
    assert truth(make_page()) not in ([True] * N + [False] * N, [False] * N + [True] * N)


def open_browser(folder, options=OPTIONS):
    """A headless Chromium that keeps its files in folder; it logs its requests and the page's errors."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install '.[test]'")
    chosen = webdriver.ChromeOptions()
    chosen.binary_location = CHROMIUM
    for option in [*options, f"--user-data-dir={folder}"]:
        chosen.add_argument(option)
    chosen.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    return webdriver.Chrome(chosen, webdriver.ChromeService(DRIVER))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = open_browser(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()


@pytest.fixture
def quiz(browser, tmp_path):
    """The quiz, opened from a file on a screen of the size of a small phone."""
    page = make_page()
    (tmp_path / "quiz.html").write_text(page, encoding="utf-8")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            dict(width=375, height=667, deviceScaleFactor=2, mobile=True))
    for log in ("performance", "browser"):
        browser.get_log(log)  # earlier messages do not count
    browser.get((tmp_path / "quiz.html").as_uri())
    return Quiz(browser, truth(page))


class Quiz:
    """The page as a player sees it; answers: for each picture, whether it is real."""

    def __init__(self, browser, answers):
        self.browser, self.answers = browser, answers

    def find(self, name):
        return self.browser.find_element("id", name)

    def press(self, *keys):
        from selenium.webdriver import ActionChains
        ActionChains(self.browser).send_keys(*keys).perform()

    def text(self):
        return self.browser.find_element("tag name", "body").text

    def fits(self):
        """Whether nothing reaches beyond the screen's right edge; returns (that, whether nothing lies below)."""
        return self.browser.execute_script("""
            const page = document.documentElement;
            const edges = [...document.querySelectorAll("body *")].map(e => e.getBoundingClientRect().right);
            return [Math.max(page.scrollWidth, ...edges) <= innerWidth, page.scrollHeight <= innerHeight];""")


def verdict_of(right):
    """What the page must say in the end, with the probability from SciPy."""
    chance = 100 * binom.sf(right - 1, 2 * N, 0.5)
    chance = f"{chance:.1f}" if chance >= 1 else np.format_float_positional(chance, 2, fractional=False)
    return (f"{right} of {2 * N} right: {100 * right / (2 * N):.1f} %, where guessing gives 50 %",
            f"The chance of {right} or more by guessing alone is {chance} %.")


@needs_browser
def test_played_by_click(quiz):
    right = 0
    for i, real in enumerate(quiz.answers):
        assert f"Picture {i + 1} of 20" in quiz.text()
        assert quiz.find("picture").get_attribute("naturalWidth") == "64"
        choice = i % 3 > 0  # without looking
        quiz.find("real" if choice else "fake").click()
        right += choice == real
        said = quiz.find("said").text
        verdict = "\u2713 Right" if choice == real else "\u2717 Wrong"
        assert said == f"{verdict}: it is {'real' if real else 'fake'}."
        assert quiz.find("score").text == f"{right} of {i + 1} right"
        assert not quiz.find("real").is_displayed()  # a picture is answered once
        assert quiz.fits() == [True, True]
        quiz.find("next").click()
    verdict, chance = verdict_of(right)
    assert quiz.find("verdict").text == verdict
    assert quiz.find("chance").text == chance + " That may as well be luck: the GAN can fool you."
    review = [item.text for item in quiz.find("review").find_elements("tag name", "li")]
    assert review == [("\u2713" if (i % 3 > 0) == real else "\u2717") + (" real" if real else " fake")
                      for i, real in enumerate(quiz.answers)]
    assert quiz.fits()[0]


@needs_browser
def test_played_by_keyboard_alone(quiz):
    from selenium.webdriver.common.keys import Keys
    for i, real in enumerate(quiz.answers):
        quiz.press("Rr"[i % 2] if real else "fF"[i % 2])
        assert quiz.find("score").text == f"{i + 1} of {i + 1} right"
        quiz.press("r", "f")  # too late
        assert quiz.find("score").text == f"{i + 1} of {i + 1} right"
        assert quiz.browser.switch_to.active_element.get_attribute("id") == "next"
        quiz.press(Keys.ENTER)
    verdict, chance = verdict_of(20)
    assert quiz.find("verdict").text == verdict
    assert quiz.find("chance").text == chance + " You can tell them apart."
    assert "0.000095" in chance


@needs_browser
def test_buttons_by_tab_with_the_focus_seen(quiz):
    from selenium.webdriver.common.keys import Keys
    for expected in ("real", "fake"):
        quiz.press(Keys.TAB)
        focused = quiz.browser.switch_to.active_element
        assert focused.get_attribute("id") == expected
        assert focused.value_of_css_property("outline-style") == "solid"
        assert focused.value_of_css_property("outline-width") == "4px"
    quiz.press(Keys.ENTER)
    assert quiz.find("score").text == f"{int(not quiz.answers[0])} of 1 right"
    quiz.press(Keys.SPACE)
    assert "Picture 2 of 20" in quiz.text()


@needs_browser
def test_keys_of_the_browser_are_not_answers(quiz):
    for modifier in ("ctrlKey", "metaKey", "altKey", "repeat"):
        event = f"new KeyboardEvent('keydown', {{key: 'r', {modifier}: true}})"
        quiz.browser.execute_script(f"document.dispatchEvent({event})")
    assert quiz.find("score").text == "no answer yet"


@needs_browser
def test_nothing_tells_before_the_answer(quiz):
    structures = set()
    for i in range(2 * N):
        structure = quiz.browser.execute_script("""
            const copy = document.documentElement.cloneNode(true);
            copy.querySelectorAll("script, #score").forEach(e => e.remove());
            return copy.outerHTML.replace(/data:image[^"]*/g, "");""")
        structures.add(structure.replace(f"Picture {i + 1} of 20", "Picture"))
        assert i or 'alt="Picture 1 of 20"' in structure
        quiz.press("r")
        quiz.find("next").click()
    assert len(structures) == 1  # it is the same for real and fake pictures
    assert quiz.find("said").get_attribute("aria-live") == "polite"
    assert quiz.find("picture").value_of_css_property("image-rendering") == "pixelated"
    assert not re.search(r"[rf]{20}", make_page())  # nor does the script say it in plain letters


@needs_browser
@pytest.mark.parametrize("width, height", [(320, 568), (375, 667), (667, 375), (1280, 800)])
def test_fits_the_screen(quiz, width, height):
    quiz.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                 dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 1000))
    assert quiz.fits() == [True, True]
    for button in ("real", "fake"):
        assert quiz.find(button).size["height"] >= 44  # a thumb's


@needs_browser
def test_makes_no_request(quiz):
    for _ in range(2 * N):
        quiz.find("real").click()
        quiz.find("next").click()
    events = [json.loads(entry["message"])["message"] for entry in quiz.browser.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert urls and all(url.startswith(("file://", "data:")) for url in urls)
    assert sum(url.startswith("file://") for url in urls) == 1
    assert quiz.browser.get_log("browser") == []  # no error of the script, nothing that the page's policy forbade
    fetched = quiz.browser.execute_async_script(
        "const done = arguments[0]; fetch('http://127.0.0.1:9/').then(() => done('sent'), e => done('refused'))")
    assert fetched == "refused"
