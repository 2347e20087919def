"""The Model contract and its kinds: endpoint, local, nano, scripted."""
