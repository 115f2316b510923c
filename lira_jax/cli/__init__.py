"""The commands; from here on, while the other imports take seconds, signals end them cleanly."""

from lira_jax.cli import stop

if stop.is_command():
    stop.on_signals()
