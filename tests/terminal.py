"""Runs a command on a terminal, as a person sees it."""

import fcntl
import os
import pty
import struct
import subprocess
import termios


def run(command: list, columns: int = 120, **options) -> tuple[int, str]:
    """Returns the exit status, and all that was written to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, **options)
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux's way to say that the last writer has gone
            piece = b""
        if not piece:
            break
        text += piece
    os.close(ours)
    return process.wait(), text.decode()
