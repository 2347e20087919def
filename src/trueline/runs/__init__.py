"""Runs steps over Examples as a stream, and keeps what came out, what did not, and why."""
