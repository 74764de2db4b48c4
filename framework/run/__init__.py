"""Stages of a run, replay, backtest, opening and launching, the summary table."""
