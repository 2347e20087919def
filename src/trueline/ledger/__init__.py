"""Every model call: paid once, resumed for free, counted against one budget."""
