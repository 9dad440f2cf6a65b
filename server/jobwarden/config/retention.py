"""`[retention]`: how long what is over is kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from jobwarden.config.section import Section

Days = Annotated[float, Field(ge=0, le=3650)]
"""0: for ever."""


class Retention(Section):
    """Done by the watcher once a day, and by `jobwarden cleanup`."""

    days: Days = 90.0
    """What was seen of a job on its way is dropped from the journal when the job has been over for so long. That it was
    registered, how it ended, and who did what to it stays."""
    remove_days: Days = 365.0
    """A session that has not been used for so long, and watches nothing, is removed whole."""
