"""Which PostgreSQL the tests run on: RAPPORT_POSTGRES_BIN names its programs, else it is the embedded one."""

from rapport.settings import Settings

POSTGRES_BIN = Settings.from_environment().postgres_bin
