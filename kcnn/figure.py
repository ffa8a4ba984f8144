"""Figures that show names of the user's choice: a "$" in the name of a class or file is no start of a formula."""

from typing import Any

from matplotlib import figure
from matplotlib.text import Text


class Figure(figure.Figure):
    """A matplotlib figure that draws every text as it stands: "$a$" is three characters, and "$\\frac$" no mistake."""

    def draw(self, renderer: Any) -> None:
        """Draw all that is in the figure."""
        for text in self.findobj(Text):
            text.set_parse_math(False)
        super().draw(renderer)
