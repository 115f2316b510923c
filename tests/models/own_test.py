"""Errors of the user's own code are one line that tells the place in that code."""

import pytest

from lira_jax.errors import UserError
from lira_jax.models import own


def importing(tmp_path, monkeypatch, code, name="of_the_user"):
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    return own.function("--model", f"{name}:f")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = 1 +\n", r"SyntaxError: invalid syntax \(of_the_user.py, line 1\)"),
        ("\nnot_there\n", r"NameError: name 'not_there' is not defined \(/.*of_the_user.py:2\)"),
        ("import sys\nsys.exit(3)\n", r"SystemExit: 3 \(/.*of_the_user.py:2\)"),
        ("from json import nothing\n", r"ImportError: cannot import name 'nothing'.*user.py:1\)"),
        ("import no_such_package\n", r"No module named 'no_such_package'\); is its folder on"),
        ("", "of_the_user has no function 'f'"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(tmp_path, monkeypatch, code, says):
    with pytest.raises(UserError, match=rf"^--model=of_the_user:f: .*{says}") as caught:
        importing(tmp_path, monkeypatch, code)
    assert "\n" not in str(caught.value)


def test_the_place_is_the_last_one_in_the_users_code(tmp_path, monkeypatch):
    code = "import json\n\ndef f():\n    return json.loads('{')\n"
    wrong = importing(tmp_path, monkeypatch, code)
    with (
        pytest.raises(UserError, match=r"^--recipe=m:f: JSONDecodeError: .* \(/.*user.py:4\)$"),
        own.blamed("--recipe=m:f"),
    ):
        wrong()


def test_errors_that_are_told_already_and_errors_of_our_own_stay():
    with pytest.raises(UserError, match=r"^told$"), own.blamed("--recipe=m:f"):
        raise UserError("told")
    with pytest.raises(KeyError), own.blamed(""):
        raise KeyError(3)
