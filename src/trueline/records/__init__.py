"""The one record, which of its labels count, and how both are stored (`store`)."""
