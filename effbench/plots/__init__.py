"""Trade-off figures, drawn from stored measurements."""

from __future__ import annotations

from effbench.plots.definition import FigureDefinition as FigureDefinition
from effbench.plots.definition import FigureError as FigureError
from effbench.plots.definition import figure_names as figure_names
from effbench.plots.definition import load_figure as load_figure
from effbench.plots.definition import read_figure as read_figure
from effbench.plots.pareto import Tradeoff as Tradeoff
from effbench.plots.pareto import dominator as dominator
from effbench.plots.pareto import pareto_front as pareto_front
