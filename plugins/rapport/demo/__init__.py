"""A generated shop: believable feeds for the demo, and the truth behind them for tests to score against."""
