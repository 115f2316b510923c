"""The page in a real browser: Debian's chromium, driven by selenium."""

import base64
import shutil
import subprocess

import pytest
from report import synthetic_run

from lira_jax.attacks.table import ATTACKS
from lira_jax.data import load
from lira_jax.report import compare, material, page

webdriver = pytest.importorskip(
    "selenium.webdriver", reason="selenium is not installed: pip install -e '.[test]'"
)
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="chromium or chromedriver is absent: apt-get install chromium chromium-driver",
)
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1100,900",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    log = open(tmp_path_factory.mktemp("log") / "driver", "w")  # noqa: SIM115
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(DRIVER, log_output=log)
    )
    yield driver
    driver.quit()
    log.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of a run and one that compares two."""
    folder = tmp_path_factory.mktemp("pages")
    names = [synthetic_run.HOSTILE, "cats & dogs", "<img src=x onerror=alert(2)>"]
    runs = [
        synthetic_run.write(folder / "first", extras=True, class_names=names),
        synthetic_run.write(folder / "second", seed=1),
    ]
    found = [material.read_results(run) for run in runs]
    whole = material.read_examples(
        runs[0], found[0], load.load("npz", found[0].experiment["data_path"])
    )
    (folder / "index.html").write_text(
        page.render(whole, {n: (a.summary, a.source) for n, a in ATTACKS.items()})
    )
    (folder / "compare.html").write_text(compare.render(found, [f"a{synthetic_run.HOSTILE}", "b"]))
    return folder


def open_page(browser, path, width=1100):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(path.as_uri())
    WebDriverWait(browser, 60).until(
        lambda b: b.execute_script("return document.body.dataset.drawn")
    )


@pytest.mark.parametrize("name", ["index.html", "compare.html"])
@pytest.mark.parametrize("width", [1100, 390, 320])
def test_a_page_loads_without_a_word_and_fits_its_window(browser, pages, name, width):
    open_page(browser, pages / name, width)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    charts = browser.find_elements(By.CSS_SELECTOR, "[data-chart]")
    assert charts
    for chart in charts:
        assert chart.find_elements(By.CSS_SELECTOR, "svg.main-svg")


def column(browser, number):
    return [
        c.get_attribute("data-sort")
        for c in browser.find_elements(
            By.CSS_SELECTOR, f"#attack-table tbody tr > *:nth-child({number})"
        )
    ]


def test_the_table_sorts_by_keyboard(browser, pages):
    open_page(browser, pages / "index.html")
    headings = browser.find_elements(By.CSS_SELECTOR, "#attack-table thead th")
    names = column(browser, 1)
    assert headings[1].get_attribute("aria-sort") == "descending"
    auc = next(i for i, h in enumerate(headings, 1) if h.text.startswith("AUC"))
    headings[auc - 2].find_element(By.TAG_NAME, "button").click()
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "AUC"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    found = [float(v) for v in column(browser, auc)]
    assert found == sorted(found, reverse=True)
    assert [h.get_attribute("aria-sort") for h in headings].count("descending") == 1
    assert headings[auc - 1].get_attribute("aria-sort") == "descending"
    browser.switch_to.active_element.send_keys(Keys.SPACE)
    assert [float(v) for v in column(browser, auc)] == found[::-1]
    assert headings[auc - 1].get_attribute("aria-sort") == "ascending"
    headings[0].find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert column(browser, 1) == sorted(names)


def test_unknown_values_stay_last_either_way(browser, pages):
    open_page(browser, pages / "index.html")
    browser.execute_script(
        "document.querySelector('#attack-table tbody tr td:nth-child(2)').dataset.sort = ''"
    )
    button = browser.find_element(By.CSS_SELECTOR, "#attack-table thead th:nth-child(2) button")
    for _ in range(2):
        button.click()
        values = column(browser, 2)
        assert values.index("") == len(values) - 1


def visible(browser, chart="roc"):
    return browser.execute_script(
        f"return Object.fromEntries(document.getElementById('chart-{chart}').data"
        ".filter(c => c.meta).map(c => [c.meta, c.visible === undefined || c.visible]))"
    )


@pytest.mark.parametrize("name", ["index.html", "compare.html"])
def test_the_roc_toggles(browser, pages, name):
    open_page(browser, pages / name)
    first = visible(browser)
    boxes = browser.find_elements(By.CSS_SELECTOR, "[data-toggles~=roc] input")
    assert {b.get_attribute("data-curve"): b.is_selected() for b in boxes} == first
    lines = "#chart-roc .scatterlayer .trace"
    drawn = len(browser.find_elements(By.CSS_SELECTOR, lines))
    boxes[0].send_keys(Keys.SPACE)
    curve = boxes[0].get_attribute("data-curve")
    WebDriverWait(browser, 10).until(lambda b: visible(b) == {**first, curve: not first[curve]})
    assert len(browser.find_elements(By.CSS_SELECTOR, lines)) == drawn + (-1 if first[curve] else 1)
    for shown, expected in (("none", False), ("all", True)):
        browser.find_element(By.CSS_SELECTOR, f"[data-toggles~=roc] [data-show={shown}]").click()
        WebDriverWait(browser, 10).until(lambda b, e=expected: set(visible(b).values()) == {e})
    browser.find_element(By.CSS_SELECTOR, "[data-toggles~=roc] [data-show=first]").click()
    WebDriverWait(browser, 10).until(lambda b: visible(b) == first)


def test_one_box_shows_a_curve_on_both_kinds_of_axes_and_variants_have_their_own(browser, pages):
    open_page(browser, pages / "index.html")
    for chart, others in (("roc", ["roc-linear"]), ("queries-roc", [])):
        box = browser.find_element(By.CSS_SELECTOR, f"[data-toggles~={chart}] input")
        curve, before = box.get_attribute("data-curve"), visible(browser, "shadows-roc")
        for turned in (not box.is_selected(), box.is_selected()):
            box.send_keys(Keys.SPACE)
            for name in (chart, *others):
                WebDriverWait(browser, 10).until(
                    lambda b, n=name, c=curve, t=turned: visible(b, n)[c] == t
                )
        assert visible(browser, "shadows-roc") == before


def test_the_gallery_has_images_and_histograms(browser, pages):
    open_page(browser, pages / "index.html")
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('.gallery:not(.corners) img')].map(i => [i.complete, "
        "i.naturalWidth, i.naturalHeight])"
    )
    assert sizes == [[True, 6, 6]] * 12
    bars = browser.execute_script(
        "return [...document.querySelectorAll('.gallery svg')].map(s => "
        "s.querySelectorAll('rect').length)"
    )
    assert len(bars) == 12 + 4  # the most exposed, and one for each corner of LiRA's figure 3
    assert min(bars) >= 2


def test_the_page_prints(browser, pages, tmp_path):
    open_page(browser, pages / "index.html")
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert pdf.startswith(b"%PDF")
    assert browser.execute_script(
        "return [...document.querySelectorAll('details')].every(d => d.open)"
    )
    if shutil.which("pdftotext"):
        (tmp_path / "page.pdf").write_bytes(pdf)
        text = subprocess.run(
            ["pdftotext", tmp_path / "page.pdf", "-"], capture_output=True, text=True
        ).stdout
        assert "What the numbers mean" in text
