"""A YAML file of config/ as a model, with every mistake named by file, key and nearest valid spelling."""

from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from rapport.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)


class FileMistakes(Exception):
    """What is wrong in one file, one sentence a mistake."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = sentences


def read_model(path: Path, model: type[Model], **extra: Any) -> Model:
    """The file as `model`; `extra` gives fields that the file itself may not hold.

    Raises:
        FileMistakes: it is missing, is no YAML mapping, or does not fit the model.
    """
    name = shown(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileMistakes([f"{name} is missing"]) from None
    except UnicodeDecodeError as error:
        raise FileMistakes([f"{name} is not UTF-8 text (byte {error.start}); save it as UTF-8"]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise FileMistakes([f"{name}{line}: this is no YAML: {problem}"]) from None
    if not isinstance(content, dict):
        raise FileMistakes([f"{name} is empty or no mapping of keys to values"])
    if taken := sorted(set(content) & set(extra)):
        raise FileMistakes([f"{name}: {taken[0]} is not set here, it comes from the file's name"])
    try:
        return model.model_validate({**content, **extra})
    except ValidationError as error:
        raise FileMistakes([_sentence(name, model, mistake) for mistake in error.errors()]) from None


def read_optional(path: Path, model: type[Model]) -> Model | None:
    """The file as `model`, None where there is none.

    Raises:
        ConfigurationError: it is no YAML mapping, or does not fit the model.
    """
    if not path.exists():
        return None
    try:
        return read_model(path, model)
    except FileMistakes as mistakes:
        raise ConfigurationError(str(mistakes)) from None


def shown(path: Path) -> str:
    """The path as messages show it: from the config folder's own name on."""
    folders = ("campaigns", "templates", "sources")
    parts = path.parts[-3:] if len(path.parts) > 2 and path.parts[-2] in folders else path.parts[-2:]
    return "/".join(parts)


def nearest(word: str, words: list[str]) -> str:
    """`; did you mean …?` with the nearest of the words, else all of them."""
    if close := get_close_matches(word, words, n=1):
        return f"; did you mean {close[0]}?"
    return f"; there is {', '.join(sorted(words))}" if words else "; there are none"


def _sentence(name: str, model: type[BaseModel], mistake: Any) -> str:
    keys = [str(key) for key in mistake["loc"]]
    where = ".".join(keys)
    if mistake["type"] == "extra_forbidden":
        owner = _model_at(model, keys[:-1])
        known = list(owner.model_fields) if owner else []
        return f"{name}: {where} is no key here{nearest(keys[-1], known)}"
    if mistake["type"] == "missing":
        return f"{name}: {where} is missing"
    message = mistake["msg"].removeprefix("Value error, ")
    return f"{name}: {where}: {message}" if where else f"{name}: {message}"


def _model_at(model: type[BaseModel], keys: list[str]) -> type[BaseModel] | None:
    for key in keys:
        field = model.model_fields.get(key)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return None
        model = inner
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    choices = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return next((c for c in choices if isinstance(c, type) and issubclass(c, BaseModel)), None)
