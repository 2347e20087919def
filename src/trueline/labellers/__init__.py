"""The Labeller contract and its kinds: who answers questions about Examples."""
