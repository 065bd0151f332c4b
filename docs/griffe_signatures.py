"""What the reference leaves out of signatures: parameters of keywords that there are none of, as `inspect` does."""

from typing import Any

import griffe


class Signatures(griffe.Extension):
    """Without the parameters whose type is `Never`."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """As griffe reads a function."""
        for name in [one.name for one in func.parameters if str(one.annotation) == "Never"]:
            del func.parameters[name]
