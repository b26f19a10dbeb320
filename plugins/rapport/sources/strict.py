"""The base of everything that may stand in a source file."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Nothing may be there that no field names."""

    model_config = ConfigDict(extra="forbid", frozen=True)
