"""Purging: what still holds erased people, what becomes of it, and receipts of what was deleted."""
