"""YAML in which every scalar is the text that was written, and no key stands twice."""

from pathlib import Path
from typing import Any

import yaml

from rapport.errors import ConfigurationError


class _Loader(yaml.BaseLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"the key {key_node.value} stands twice", problem_mark=key_node.start_mark
                    )
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """The file's mappings, lists and texts; None where it is empty.

    Raises:
        ConfigurationError: it is not YAML, not UTF-8, or not to be read; the message names the line.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(
            f"{path}{place}: this is not YAML: {error.problem or error.context}"
        ) from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: this is not YAML: {error}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}, line {line}: the file is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
