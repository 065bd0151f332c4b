"""Version: of the package, and of the stream."""

VERSION = "0.2.0.dev0"
STREAM = 1
