"""lira_jax: trains many shadow models at once and audits them for membership inference."""

__version__ = "0.1.0"
