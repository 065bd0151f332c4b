"""Models: what is planned for one, done to it and found in it."""
