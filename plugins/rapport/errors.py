"""Everything Rapport refuses, as types.

RapportError
├── PermanentError            trying again changes nothing; a person has to mend something
│   ├── ConfigurationError    a file in config/, a variable or an option is wrong
│   ├── InputError            a source's data cannot be read
│   │   └── SourceRefused     a source's database or API does not let us in
│   ├── DecisionRefused       what somebody wants to do with an edition cannot be done with it now
│   ├── DefinitionRefused     a segment cannot be saved as somebody wants it
│   ├── DataTestsFailed       dbt built, but the data breaks its promises
│   ├── WarehouseTooOld
│   └── RecipientKeyChanged
└── RetryableError            the same call may work later
    ├── RunInProgress
    ├── LoadInProgress
    ├── WarehouseUnavailable
    ├── QueryStopped          a page's query took too long, or its person asked something newer
    ├── SourceUnavailable     a source's database or API does not answer
    ├── ServiceFailed         one of Airflow's services
    └── DiskFull

Each message says what is wrong, where, and what would be right.
"""


class RapportError(Exception):
    """Base of all errors that Rapport raises on purpose."""


class PermanentError(RapportError):
    """Trying again changes nothing."""


class RetryableError(RapportError):
    """The same call may succeed later."""


class ConfigurationError(PermanentError):
    """Something a team edits is wrong; the message names the file and the key."""


class InputError(PermanentError):
    """A source's data cannot be read; the message names the file and the line."""


class SourceRefused(InputError):
    """A source's database or API does not let us in; the message names the connection, never its secret."""


class DataTestsFailed(PermanentError):
    """dbt's models or tests failed; the message names them."""


class DecisionRefused(PermanentError):
    """An edition cannot be approved, rejected or sent again as things are; the message says why."""


class DefinitionRefused(PermanentError):
    """A segment's definition cannot be saved under this name or on this version; the message says why."""


class WarehouseTooOld(PermanentError):
    """The server is older than the oldest PostgreSQL that Rapport works with."""


class RecipientKeyChanged(PermanentError):
    """The key behind the recipient keys is not the one they were made with."""


class RunInProgress(RetryableError):
    """Another run holds the warehouse."""


class LoadInProgress(RetryableError):
    """Another process is loading the same feed."""


class WarehouseUnavailable(RetryableError):
    """The warehouse does not answer."""


class QueryStopped(RetryableError):
    """A page's query took too long, or a newer one of the same person took its place."""


class SourceUnavailable(RetryableError):
    """A source's database or API does not answer, or asks us to wait for longer than we do."""


class ServiceFailed(RetryableError):
    """One of Airflow's services ended early or did not get healthy; the message quotes its log."""


class DiskFull(RetryableError):
    """The server or this machine has no room left."""
