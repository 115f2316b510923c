"""The versions that .ci/run tests with are those that setup.cfg and the hooks speak of."""

import configparser
import pathlib
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = pathlib.Path(__file__).parents[1]


def pinned(name):
    """{package: version} of requirements/NAME.txt."""
    lines = (ROOT / f"requirements/{name}.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(package): Version(version) for package, version in pins}


def required():
    """All that the package requires, and its extra for tests with it."""
    return _requirements("options", "install_requires") + extra("test")


def extra(name):
    return _requirements("options.extras_require", name)


def _requirements(section, name):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return [Requirement(line) for line in setup[section][name].split("\n") if line]


@pytest.mark.parametrize("requirement", required(), ids=lambda r: r.name)
def test_what_is_required_is_pinned_within_its_bounds(requirement):
    for name in ("lock", "floor"):
        assert pinned(name)[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_floor_is_the_lowest_that_is_allowed():
    floor = pinned("floor")
    lowest = {}
    for requirement in required():
        bounds = [s for s in requirement.specifier if s.operator == ">="]
        if bounds:
            lowest[canonicalize_name(requirement.name)] = Version(bounds[0].version)
    assert len(lowest) > 10
    assert {name: floor[name] for name in lowest} == lowest


def test_every_requirement_of_the_package_has_a_floor():
    setup = (ROOT / "setup.cfg").read_text()
    block = re.search(r"install_requires =\n((?:    .+\n)+)", setup)[1]
    assert all(re.fullmatch(r"[\w-]+>=[\d.]+", line.strip()) for line in block.splitlines())


def test_the_checkers_are_pinned():
    assert {canonicalize_name(r.name) for r in extra("lint")} <= set(pinned("lock"))


def test_the_hooks_run_the_checkers_of_the_lock():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    versions = re.findall(r"\[([\w-]+)==([\d.]+)\]", hooks)
    assert len(versions) == hooks.count("language: python") > 0
    assert {name for name, _ in versions} == {"ruff", "import-linter"}
    assert all(Version(version) == pinned("lock")[name] for name, version in versions)
