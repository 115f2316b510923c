"""JSON files of a run as somebody leaves them who edits them, or who has an earlier version."""

import json


def rewrite(path, old, new, *, hashed=False):
    """Replaces a piece of the text; without the file's own hash, as earlier versions wrote it."""
    text = path.read_text()
    assert old in text
    value = json.loads(text.replace(old, new))
    if not hashed:
        value.pop("sha256", None)
    path.write_text(json.dumps(value))
