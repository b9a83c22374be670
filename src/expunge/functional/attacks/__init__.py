"""Membership attacks as pure functions: arrays of what models answered come in, scores and curves go out.

Every score is turned so that a higher one means member, or more traces of having been trained on.
"""
