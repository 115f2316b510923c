"""Options of an attack as a user types them."""

import dataclasses
import re

import pytest

from lira_jax.attacks.kinds import Attack, optional
from lira_jax.attacks.options import Option, canonical, help_text, with_options
from lira_jax.attacks.selection import named, table_of
from lira_jax.attacks.table import ATTACKS, COMPATIBLE
from lira_jax.errors import UserError

TABLE = {
    "mine": optional(
        lambda given: Attack(lambda e: given, "an attack", "ours, 2026"),
        Option("factor", 2.0, "a factor", least=1),
        Option("share", 0.0, "a share", least=0, most=0.5, below=True),
        Option("size", "all", "how many", choices=("all",), least=1, whole=True),
        Option("kind", "mean", "which mean", choices=("mean", "median")),
    ),
    "plain": Attack(lambda e: None, "no options", "ours, 2026"),
}


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("mine+factor=3", "mine+factor=3"),
        ("mine+factor=3.0", "mine+factor=3"),
        ("mine+kind=median+factor=1.5", "mine+factor=1.5+kind=median"),
        ("mine+share=.25+size=10", "mine+share=0.25+size=10"),
        ("mine+factor=2+kind=mean+size=all", "mine"),
        (" mine + factor = 3", "mine+factor=3"),
        ("mine+factor=1e20", "mine+factor=1e20"),
    ],
)
def test_a_name_has_one_form(typed, name):
    assert canonical(typed.strip().replace(" +", "+"), TABLE) == name
    assert canonical(name, TABLE) == name


def test_options_reach_the_attack_and_the_others_keep_their_defaults():
    found = with_options(["mine+share=0.25+kind=median", "plain", "mine"], TABLE)
    (attack,) = found.values()
    assert attack.run(None) == {"factor": 2.0, "share": 0.25, "size": "all", "kind": "median"}
    assert attack.summary == "an attack (share=0.25, kind=median)"
    assert TABLE["mine"].run(None) == {"factor": 2.0, "share": 0.0, "size": "all", "kind": "mean"}


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("mine+facto=3", "mine has no option 'facto=3'; it has: factor is a factor (a number at "),
        ("mine+factor", "mine has no option 'factor'"),
        ("mine+", "mine has no option ''"),
        ("mine+factor=0.5", "factor=0.5: factor is a factor (a number at least 1; default 2)"),
        ("mine+factor=nan", "factor=nan: factor is"),
        ("mine+factor=inf", "factor=inf: factor is"),
        ("mine+factor=two", "factor=two: factor is"),
        ("mine+factor=", "factor=: factor is"),
        ("mine+share=0.5", "share is a share (a number at least 0 and below 0.5; default 0)"),
        ("mine+size=1.5", "size is how many (a whole number at least 1, or all; default all)"),
        ("mine+size=0", "size=0: size is how many"),
        ("mine+kind=mode", "kind=mode: kind is which mean (mean or median; default mean)"),
        ("mine+kind=1", "kind=1: kind is which mean"),
        ("mine+size=3+size=4", "size is given twice"),
        ("plain+factor=3", "plain takes no options; these do: mine"),
        ("min+factor=3", "--attacks=min: did you mean mine?"),
        ("mine@hinge+factor=3", "an attack on another signal takes no options"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(typed, message):
    with pytest.raises(UserError, match=re.escape(message)) as error:
        canonical(typed, TABLE)
    assert "--attacks=" in str(error.value)
    assert "\n" not in str(error.value)


def test_help_has_each_option_once_with_what_is_allowed_and_the_default():
    options = TABLE["mine"].options
    text = help_text({**TABLE, "other": dataclasses.replace(TABLE["mine"], options=options[:2])})
    assert text.startswith("Options of mine, other: factor is a factor (a number at least 1; ")
    assert "Options of mine: size is how many" in text
    for option in options:
        assert text.count(option.help) == 1


@pytest.mark.parametrize("table", [ATTACKS, *COMPATIBLE.values()])
def test_names_with_options_can_be_files_anywhere(table):
    """No character that Windows, POSIX or a list separated by commas gives another meaning."""
    for name, attack in table.items():
        for option in attack.options:
            assert re.fullmatch(r"[a-z_]+", option.name)
            assert all(re.fullmatch(r"[a-z_]+", word) for word in option.choices)
            assert option.read(str(option.default)) == option.default
            assert canonical(f"{name}+{option.name}={option.default}", table) == name


def test_named_attacks_with_options_stand_beside_each_other_once():
    text = "rmia_online+gamma=1.0,loss,rmia_online+gamma=1,rmia_online, rmia_offline+a=0.6"
    names = named(text)
    assert names == ["rmia_online", "loss", "rmia_online+gamma=1", "rmia_offline+a=0.6"]
    assert set(names) <= set(table_of(names))


def test_a_compatible_attack_has_options_of_its_own():
    assert named("rmia_online+temperature=1", "rmia") == ["rmia_online+temperature=1"]
    assert named("rmia_online+temperature=2", "rmia") == ["rmia_online"]
    with pytest.raises(UserError, match="rmia_online has no option 'combine=vote'"):
        named("rmia_online+combine=vote", "rmia")
    with pytest.raises(UserError, match="--compat=rmi: did you mean rmia"):
        named("rmia_online", "rmi")
