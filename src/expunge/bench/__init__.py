"""Bench: protocols as configuration, methods side by side, tables from raw results."""
