"""Okabe and Ito's colours, which the colour-blind can tell apart; yellow is too faint."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
IN, OUT = COLOURS[0], COLOURS[1]
GREY = "#6b7280"
