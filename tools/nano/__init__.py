"""Everything that rebuilds the bundled model `nano` from a seed."""
