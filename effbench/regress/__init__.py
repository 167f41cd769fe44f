"""Guards complexity and speed: saves a baseline of some models, and checks the working tree against it."""
