"""How good generated digits are: a classifier that judges them, the figures, and how they are shown."""
