"""The page in a real browser: Debian's chromium, driven by selenium."""

import base64
import csv
import importlib.util
import io
import json
import pathlib
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


def emulate(browser, media="screen", scheme="light"):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


@pytest.mark.parametrize("name", ["index.html", "compare.html"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 400)])
def test_axe_finds_nothing_serious(browser, pages, name, scheme, width):
    axe = importlib.util.find_spec("axe_core_python")
    if axe is None:
        pytest.skip("axe-core-python is not installed: pip install -e '.[test]'")
    emulate(browser, scheme=scheme)
    open_page(browser, pages / name, width)
    dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(18, 23, 31)") == (scheme == "dark")
    browser.execute_script((pathlib.Path(axe.origin).parent / "axe.min.js").read_text())
    browser.set_script_timeout(300)  # of a machine at other work
    found = browser.execute_async_script("axe.run().then(arguments[0])")
    emulate(browser)
    assert len(found["passes"]) > 20
    assert [
        (wrong["id"], node["html"][:200])
        for wrong in found["violations"]
        if wrong["impact"] in ("serious", "critical")
        for node in wrong["nodes"]
    ] == []


def test_the_data_of_a_chart_are_saved_as_csv(browser, pages):
    open_page(browser, pages / "index.html")
    browser.execute_script(
        "window.saved = [];URL.createObjectURL = (blob) => { saved.push(blob.text()); return '#'; }"
    )
    drawn = json.loads(browser.execute_script("return JSON.stringify(charts)"))
    assert len(drawn) > 10
    for name, chart in drawn.items():
        button = f"[data-save={name}] [data-as=csv]"
        browser.execute_script(f"document.querySelector('{button}').click()")
        text = browser.execute_async_script("saved.pop().then(arguments[0])")
        heading, *rows = csv.reader(io.StringIO(text))
        assert heading[0] == "curve"
        assert len(heading) == len(set(heading)) >= 2
        assert {len(row) for row in rows} == {len(heading)}
        curve = chart["data"][0]
        first = [row for row in rows if row[0] == (curve.get("meta") or curve.get("name") or "")]
        longest = max(len(values) for values in curve.values() if isinstance(values, list))
        assert len(first) >= longest
        if name == "roc":
            point = [float(row[heading.index(h)]) for row in first[:1] for h in heading[1:3]]
            assert point == [curve["x"][0], curve["y"][0]]


def test_one_chart_prints_alone(browser, pages):
    open_page(browser, pages / "index.html")
    browser.execute_script(
        "window.print = () => {}; document.querySelector('[data-save=roc] [data-as=pdf]').click()"
    )
    WebDriverWait(browser, 10).until(
        lambda b: b.execute_script("return 'only' in document.body.dataset")
    )
    emulate(browser, media="print")
    shown = browser.execute_script(
        "return [...document.querySelectorAll('[data-chart], h1, table, footer')]"
        ".filter(e => e.getClientRects().length).map(e => e.id)"
    )
    assert shown == ["chart-roc"]
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert browser.find_element(By.TAG_NAME, "h1").is_displayed()
    emulate(browser)
