import pytest

from lira_jax.attacks.papers import PAPERS, links, markdown
from lira_jax.attacks.table import ATTACKS, COMPATIBLE


@pytest.mark.parametrize("name", [*ATTACKS, *COMPATIBLE["tf_privacy"]])
def test_every_part_of_every_source_has_a_link(name):
    source = (ATTACKS | COMPATIBLE["tf_privacy"])[name].source
    found = links(source)
    assert "; ".join(part for part, _ in found) == source
    for part, link in found:
        assert link.startswith("https://")
        assert sum(paper in part for paper in PAPERS) == 1  # no doubt which one


def test_every_paper_is_the_source_of_an_attack():
    tables = (ATTACKS, *COMPATIBLE.values())
    everything = " ".join(a.source for table in tables for a in table.values())
    assert [name for name in PAPERS if name not in everything] == []


def test_markdown_links_each_part():
    assert markdown("Yeom et al. 2018; nobody") == (
        "[Yeom et al. 2018](https://arxiv.org/abs/1709.01604); nobody"
    )
