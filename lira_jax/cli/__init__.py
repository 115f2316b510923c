"""The commands. Their first import, which others follow for seconds, has signals end them cleanly."""

from lira_jax.cli import stop

if stop.is_command():
    stop.on_signals()
