"""The page as a parser reads it; page_browser_test.py has a browser open it."""

import dataclasses
import html.parser
import json

import numpy as np
import pytest
from report import synthetic_run

from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.results import EpochRow
from lira_jax.data import load
from lira_jax.data.dataset import Dataset
from lira_jax.evaluation.exposure import SourceExposure
from lira_jax.evaluation.summary import Curve
from lira_jax.report import figures, gallery, material, page

SUMMARIES = {name: (attack.summary, attack.source) for name, attack in ATTACKS.items()}


class Parsed(html.parser.HTMLParser):
    """Elements of a page in order: (tag, attributes), and the text of those that have an id."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.rows, self.charts = [], {}, ""
        self._in_charts = self._table = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        if tag == "table":
            self._table = self.rows.setdefault(attrs.get("id"), {})
        if tag == "th" and attrs.get("scope") == "row" and self._table is not None:
            self._row = self._table.setdefault(attrs.get("data-sort"), [])
        if tag == "td" and self._table is not None and "data-sort" in attrs:
            self._row.append(attrs["data-sort"])
        self._in_charts = tag == "script" and attrs.get("id") == "charts"

    def handle_data(self, data):
        if self._in_charts:
            self.charts += data

    def all(self, tag):
        return [attrs for t, attrs in self.elements if t == tag]


def read(run, dataset="load"):
    found = material.read_results(run)
    if dataset == "load":
        dataset = load.load("npz", found.experiment["data_path"])
    return material.read_examples(run, found, dataset)


def render(found):
    text = page.render(found, SUMMARIES)
    return text, Parsed(text)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    run = synthetic_run.write(tmp_path_factory.mktemp("runs") / "usual", extras=True)
    found = read(run)
    return (found, *render(found))


def test_the_page_needs_no_other_file(usual):
    _, _, parsed = usual
    for tag, attrs in parsed.elements:
        for name in ("src", "href"):
            start = "https://" if tag == "a" else "data:"  # links are read, not loaded
            assert attrs.get(name, start).startswith(start)
    assert not {"link", "iframe"} & {
        tag for tag, attrs in parsed.elements if attrs.get("rel") != "icon"
    }


def test_the_page_is_put_together_right(usual):
    _, _, parsed = usual
    ids = [attrs["id"] for _, attrs in parsed.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in parsed.elements:
        assert set(attrs.get("aria-labelledby", "").split()) <= set(ids)
    assert len(parsed.all("h1")) == 1
    assert all(attrs["alt"] for attrs in parsed.all("img"))
    assert len(parsed.all("img")) == gallery.SHOWN + 4  # the corners of LiRA figure 3
    places = [attrs["data-chart"] for attrs in parsed.all("div") if "data-chart" in attrs]
    assert set(places) == json.loads(parsed.charts).keys()
    assert places == [
        "roc",
        "roc-linear",
        "accuracy",
        "classes",
        "vectors-correct",
        "vectors-misclassified",
        "confidence-all",
        "confidence-correct",
        "confidence-misclassified",
        "risk-distribution",
        "risk-calibration",
        "shadows",
        "shadows-roc",
        "queries",
        "queries-roc",
        "statistics-roc",
    ]
    assert all(attrs["aria-label"] for attrs in parsed.all("div") if attrs.get("role") == "img")


def test_epochs_have_their_charts_and_an_early_stop_its_word(usual):
    found = usual[0]
    attack = found.results.attacks["lira_online"]
    rows = tuple(
        EpochRow(
            **vars(attack.row("lira_online")),
            epoch=epoch,
            correct=attack.correct,
            misclassified=attack.misclassified,
            groups=attack.groups,
            misclassified_members=3.5,
            test_loss=0.25,
        )
        for epoch in (5, 10)
    )
    results = dataclasses.replace(
        found.results, epochs=rows, stop_at="best_test_loss", stop_epochs=(5, 10)
    )
    text, parsed = render(dataclasses.replace(found, results=results))
    places = [attrs["data-chart"] for attrs in parsed.all("div") if "data-chart" in attrs]
    epochs = [name.removeprefix("epochs-") for name in places if name.startswith("epochs-")]
    assert epochs == ["loss", "attack", "far", "wrong"]  # accuracy and TPR are unknown
    assert set(places) == json.loads(parsed.charts).keys()
    assert "stopped early: best_test_loss, after epochs 5 to 10." in text


def test_the_table_holds_the_results(usual):
    found, _, parsed = usual
    attacks = found.results.attacks
    assert parsed.rows["attack-table"].keys() == attacks.keys()
    for name, cells in parsed.rows["attack-table"].items():
        # 240 non-members resolve no lower FPR.
        assert float(cells[0]) == attacks[name].metrics["tpr_at_1e-2"].value
        own = found.results.calibration_of(name)
        assert cells[1] == (repr(own.at["1e-2"].tpr.value) if own else ""), name
        assert float(cells[3]) == attacks[name].metrics["auc"].value
        assert float(cells[4]) == attacks[name].decisions["1:1"].balanced_accuracy
    assert parsed.rows["split-table"]["loss"][0] == repr(
        attacks["loss"].correct.metrics["auc"].value
    )


def test_variants_of_lira_have_their_tables_and_their_curves_checkboxes(usual):
    found, text, parsed = usual
    rows = parsed.rows["query-table"]
    assert list(rows) == [f"{r.attack}, {r.num_queries}" for r in found.results.num_queries]
    statistics = found.results.statistics
    assert list(parsed.rows["statistic-table"]) == [
        f"{r.attack}, {r.statistic}" for r in statistics
    ]
    assert float(rows["lira_online, 2"][0]) == (
        found.results.attacks["lira_online"].metrics["auc"].value
    )
    charts = json.loads(parsed.charts)
    boxes = {attrs["data-curve"] for attrs in parsed.all("input")}
    for name in ("shadows-roc", "queries-roc", "statistics-roc"):
        curves = [c for c in charts[name]["data"] if c["name"] != "guessing"]
        assert {c["meta"] for c in curves} <= boxes
        assert {c["meta"].split(",")[0] for c in curves if c["visible"]} == {"lira_online"}
    assert "Yeom et al. 2018 (loss)" in text


def test_results_of_earlier_versions_have_no_curves_of_variants(usual):
    found, _, _ = usual
    old = [dataclasses.replace(row, roc=None) for row in found.results.num_shadows]
    few = dataclasses.replace(
        found.results, num_shadows=tuple(old), num_queries=(), statistics=(), ablation=()
    )
    _, parsed = render(dataclasses.replace(found, results=few))
    places = [attrs["data-chart"] for attrs in parsed.all("div") if "data-chart" in attrs]
    assert "shadows" in places
    assert not {"shadows-roc", "queries", "queries-roc", "statistics-roc"} & set(places)


def test_sources_are_linked(usual):
    _, _, parsed = usual
    assert "https://arxiv.org/abs/2112.03570" in {attrs["href"] for attrs in parsed.all("a")}


def test_examples_with_too_few_models_are_counted_and_not_shown(tmp_path):
    run = synthetic_run.write(tmp_path / "run", short=50)
    found = read(run)
    assert np.isnan(found.exposed.exposure).sum() == 50
    assert found.results.attacks["lira_online"].num_unscored == 50
    assert found.results.attacks["attack_r"].num_unscored == 0  # the out lists are long enough
    cards = gallery.cards(found)
    assert len(cards) == 10
    assert not np.isnan(found.exposed.exposure[[card.example for card in cards]]).any()
    text, _ = render(found)
    assert text.count("without 50 examples") == 1
    assert "of 10 examples lie above 1" in text
    assert "nan" not in text[: text.index("<script")].lower()
    drawn = figures.exposure_histograms(
        found.exposed.phi, found.exposed.keep, found.labels, found.exposed.exposure, None, shown=20
    )
    assert len(drawn.axes) == 10


def test_the_most_exposed_examples_are_shown_in_order(usual):
    found, _, _ = usual
    cards = gallery.cards(found)
    exposed = found.exposed
    exposures = [float(exposed.exposure[c.example]) for c in cards]
    assert exposures == sorted(exposed.exposure, reverse=True)[: gallery.SHOWN]
    for card in cards:
        inside = exposed.phi[exposed.keep[:, card.example], card.example]
        assert (
            f"mean {inside.mean():.1f}, spread {inside.std():.1f} in the {inside.size} models"
            in card.alt
        )
        assert card.right == ""  # four models on a side do not support a rate


def test_names_are_text_wherever_they_come_from(tmp_path):
    names = [synthetic_run.HOSTILE, "b & c", "<img src=x>"]
    run = synthetic_run.write(
        tmp_path / "a<b>&c", class_names=names, data_path=tmp_path / "d<i>&'\".npz"
    )
    found = read(run)
    assert found.dataset.class_names == tuple(names)
    text, parsed = render(found)
    assert len(parsed.all("script")) == 3
    assert not parsed.all("i")
    assert all(attrs["src"].startswith("data:image/png") for attrs in parsed.all("img"))
    assert "a&lt;b&gt;&amp;c" in text
    assert set(parsed.rows["class-table"]) == set(names)
    for chart in json.loads(parsed.charts).values():  # plotly reads its labels as markup
        assert "<img" not in json.dumps([trace.get("y") for trace in chart["data"]])


@pytest.mark.parametrize(
    "options",
    [
        {"logits": False},
        {"targets": [2], "examples": 300},
        {"examples": 24, "targets": [1]},
        {"test_set": False},
        {"images": False},
        {"classes": 100, "examples": 200},
        {"models": 4},
        {"models": 64, "examples": 40},
    ],
    ids=lambda o: ",".join(f"{k}={v}" for k, v in o.items()),
)
def test_what_is_missing_is_left_out(tmp_path, options):
    found = read(synthetic_run.write(tmp_path / "run", **options))
    text, parsed = render(found)
    places = {attrs["data-chart"] for attrs in parsed.all("div") if "data-chart" in attrs}
    assert places == json.loads(parsed.charts).keys()
    assert ("risk-calibration" in places) == options.get("logits", True)
    assert ("split-table" in parsed.rows) == options.get("logits", True)
    assert bool(parsed.all("img")) == options.get("images", True)
    assert ("its most unusual features" in text) != options.get("images", True)
    assert ("too few non-members" in text) == (options.get("examples") == 24)
    assert ("told apart" in text) == (options.get("models") == 64)
    assert len(parsed.rows["class-table"]) == options.get("classes", 3)
    rows = json.loads(parsed.charts)["accuracy"]["layout"]["yaxis"]["ticktext"]
    assert ("test set" in rows) == options.get("test_set", True)


def test_without_the_data_and_without_a_run_the_results_remain(usual):
    found, _, _ = usual
    _, parsed = render(dataclasses.replace(found, dataset=None))
    assert not parsed.all("img")
    assert parsed.all("svg")
    text, parsed = render(material.Material("dump", found.results, {}, []))
    assert parsed.rows["attack-table"].keys() == found.results.attacks.keys()
    assert "lira-train" not in text


def test_commands_hold_what_is_not_default(usual):
    found, _, _ = usual
    train, _, attack, _ = page.commands(found)
    assert "--dataset=npz" in train
    assert "--num_models=8" in train
    assert "learning_rate" not in train
    assert "compat" not in attack
    assert "--attacks" not in attack
    one = {"rmia_online+gamma=1": next(iter(found.results.attacks.values()))}
    results = dataclasses.replace(found.results, attacks=one)
    attack = page.commands(dataclasses.replace(found, results=results))[2]
    assert attack.endswith("--attacks=rmia_online+gamma=1")


def test_a_large_run_makes_a_page_below_ten_megabytes(usual):
    found, _, _ = usual
    rng = np.random.default_rng(0)
    points = Curve(*(tuple(np.sort(rng.random(1000)).tolist()) for _ in range(2)))
    one = dataclasses.replace(found.results.attacks["lira_online"], roc=points)
    models, examples = 256, 300
    keep = rng.random((models, examples)) < 0.5
    labels = rng.integers(0, 100, examples)
    large = dataclasses.replace(
        found,
        results=dataclasses.replace(
            found.results,
            attacks={name: one for name in ATTACKS},
            models=tuple(range(models)),
        ),
        labels=labels,
        exposed=material.Exposed(
            labels, keep, rng.normal(size=(models, examples)), rng.random(examples)
        ),
        dataset=Dataset(
            rng.integers(0, 256, (examples, 224, 224, 3)).astype(np.uint8), labels, num_classes=100
        ),
    )
    text, _ = render(large)
    assert len(text.encode()) < 8e6


def test_each_source_has_a_histogram_on_the_page_and_in_a_picture(usual):
    found, _, parsed = usual
    assert "sources" not in json.loads(parsed.charts)
    sources = np.arange(len(found.labels)) % 3
    exposed = dataclasses.replace(
        found.exposed, sources=sources, source_names=("pool", "npz:<a>", "random_labels")
    )
    by_source = {n: SourceExposure(20, 0.1, 0.2, 0.3) for n in exposed.source_names}
    results = dataclasses.replace(found.results, exposure_by_source=by_source)
    material_with = dataclasses.replace(found, exposed=exposed, results=results)
    chart = json.loads(render(material_with)[1].charts)["sources"]
    assert [line["name"] for line in chart["data"]] == ["pool", "npz:&lt;a&gt;", "random_labels"]
    area = [np.dot(line["y"][:-1], np.diff(line["x"])) for line in chart["data"]]
    np.testing.assert_allclose(area, 1, rtol=1e-3)
    figure = figures.draw(material_with)["exposure_by_source"]
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == [
        *exposed.source_names
    ]
