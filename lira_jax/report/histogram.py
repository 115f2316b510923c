"""In and out histograms with fitted Gaussians as small SVG drawings, as in LiRA figure 3."""

import numpy as np

from lira_jax.report.colours import IN, OUT

WIDTH, HEIGHT, BASE = 260, 108, 90  # of the drawing, and the y of its axis, in SVG units
BINS = 18


def in_out(inside: np.ndarray, outside: np.ndarray) -> str:
    """An SVG of both densities on one axis: in solid blue, out dashed orange, bars and Gaussians.

    Args:
      inside: phi, or any number, of one example in the models that trained on it, [in].
      outside: in the others, [out].
    """
    everything = np.concatenate([inside, outside]).astype(np.float64)
    low, high = everything.min(), everything.max()
    margin = 0.08 * (high - low) or 1.0
    low, high = low - margin, high + margin
    edges = np.linspace(low, high, BINS + 1)
    line = np.linspace(low, high, 60)
    shapes, tallest = [], 0.0
    for values, colour, dash in ((inside, IN, ""), (outside, OUT, ' stroke-dasharray="5 3"')):
        values = values.astype(np.float64)
        density = np.histogram(values, edges, density=True)[0]
        # A spread far below a bin's width would make a needle that flattens everything else.
        spread = max(values.std(), 0.3 * (edges[1] - edges[0]))
        curve = np.exp(-0.5 * ((line - values.mean()) / spread) ** 2) / spread / np.sqrt(2 * np.pi)
        shapes.append((density, curve, colour, dash))
        tallest = max(tallest, density.max(), curve.max())

    def x(value):
        return (value - low) / (high - low) * WIDTH

    def y(density):
        return BASE - density / tallest * (BASE - 6)

    parts = []
    for density, _, colour, _ in shapes:
        parts += [
            f'<rect x="{x(a):.1f}" y="{y(d):.1f}" width="{WIDTH / BINS - 0.6:.1f}" '
            f'height="{BASE - y(d):.1f}" fill="{colour}" fill-opacity=".38"/>'
            for a, d in zip(edges[:-1], density, strict=True)
            if d > 0
        ]
    for _, curve, colour, dash in shapes:
        points = " ".join(f"{x(a):.1f},{y(d):.1f}" for a, d in zip(line, curve, strict=True))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        )
    parts.append(f'<line x1="0" y1="{BASE}" x2="{WIDTH}" y2="{BASE}" stroke="#4b5563"/>')
    for tick in _ticks(low, high):
        parts.append(
            f'<line x1="{x(tick):.1f}" y1="{BASE}" x2="{x(tick):.1f}" y2="{BASE + 3}" '
            'stroke="#4b5563"/>'
        )
        parts.append(
            f'<text x="{x(tick):.1f}" y="{BASE + 15}" text-anchor="middle">{tick:g}</text>'
        )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true" '
        f'focusable="false">{"".join(parts)}</svg>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers well inside the axis, so that their labels are not cut."""
    rough = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * min((s for s in (1, 2, 5, 10) if s * power >= rough), default=10)
    edge = 0.05 * (high - low)
    first = np.ceil((low + edge) / step)
    return [
        round(float(k * step), 10) + 0.0
        for k in np.arange(first, np.floor((high - edge) / step) + 1)
    ]
