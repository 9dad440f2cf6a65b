"""What every part of the configuration is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A table: what it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# Ten years: a moment plus a longer time is none that Python could name.
Seconds = Annotated[float, Field(gt=0, le=3e8)]
Pause = Annotated[float, Field(ge=0, le=3e8)]
"""Seconds, or none at all."""
Count = Annotated[int, Field(ge=1)]
