"""The one exception that reaches a user as a line of text instead of a traceback."""


class UserError(ValueError):
    """Something the user can mend. The message is one line: the flag or file, its value, the fix."""
