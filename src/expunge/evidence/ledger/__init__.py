"""The ledger: who asked when for what, what was done, and by which run; the only room that speaks SQL."""
