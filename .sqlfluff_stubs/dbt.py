"""What sqlfluff puts in place of dbt's cross-database macros: a call of the same name."""

from collections.abc import Callable


def __getattr__(name: str) -> Callable[..., str]:
    def call(*arguments: object) -> str:
        return f"{name}({', '.join(map(str, arguments))})"

    return call
