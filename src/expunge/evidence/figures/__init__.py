"""Figures of finished erasures as files of their own: numbers and arrays flow in, SVG and PNG files flow out."""

from expunge.evidence.figures.overshoot import LossSpread, OvershootLine, loss_spread
from expunge.evidence.figures.sheets import FORMATS, FigureData, Format, figure_files

__all__ = ["FORMATS", "FigureData", "Format", "LossSpread", "OvershootLine", "figure_files", "loss_spread"]
