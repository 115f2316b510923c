"""The record of a run says what made it, and never what did not."""

import datetime
import importlib.metadata
import json
import os
import subprocess

import pytest

from lira_jax.runs import provenance as lib


def git(folder, *arguments):
    author = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *author, "-C", folder, *arguments], check=True, capture_output=True)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder in a git repository, where the module is taken to lie."""
    monkeypatch.setattr(lib, "__file__", str(tmp_path / "package/provenance.py"))
    (tmp_path / "package").mkdir()
    (tmp_path / "package/provenance.py").write_text("# the module\n")
    git(tmp_path, "init", "-q")
    return tmp_path


def test_versions_are_those_installed_and_the_record_is_json():
    record = json.loads(json.dumps(lib.provenance()))
    for name in ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "orbax-checkpoint"):
        assert record["versions"][name] == importlib.metadata.version(name)
    written = datetime.datetime.fromisoformat(record["written"])
    assert abs(datetime.datetime.now(datetime.UTC) - written) < datetime.timedelta(minutes=1)


def test_without_a_device_the_record_is_written_all_the_same(monkeypatch):
    def fail():
        raise AssertionError

    monkeypatch.setattr("jax.devices", fail)
    assert lib.provenance()["device"] is None


def test_the_commit_tells_local_changes(package):
    git(package, "add", ".")
    git(package, "commit", "-qm", "first")
    commit = lib.provenance()["git_commit"]
    assert len(commit) == 40
    (package / "package/provenance.py").write_text("# changed\n")
    assert lib.provenance()["git_commit"] == f"{commit}-dirty"


def test_a_repository_that_only_surrounds_an_installed_package_is_not_its_own(package):
    """Such as a project of the user's, with a virtual environment in it."""
    (package / ".gitignore").write_text("package/\n")
    git(package, "add", ".")
    git(package, "commit", "-qm", "a project")
    assert lib.provenance()["git_commit"] is None


def test_without_a_repository_or_without_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(lib, "__file__", str(tmp_path / "provenance.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", os.fspath(tmp_path.parent))
    assert lib.provenance()["git_commit"] is None
    monkeypatch.setenv("PATH", "")
    assert lib.provenance()["git_commit"] is None
