"""Which machines a trader is made of, and which of them are switched off: read off its config."""

from collections.abc import Iterator

from runtime.config_types import fields_of, is_table, members_of


def components(config: object) -> dict[str, bool]:
    """Every table of a config by its path, and whether what it configures is on; None stands for off."""
    return dict(_walk(config, ""))


def component_line(config: object) -> str:
    """The same in a line for people; a table of tables stands there by its parts."""
    parts = components(config)
    whole = [path for path in parts if not any(other.startswith(f"{path}.") for other in parts)]
    on = ", ".join(path for path in whole if parts[path])
    off = ", ".join(path for path in whole if not parts[path])
    return f"on: {on or 'nothing'}; off: {off or 'nothing'}"


def _walk(config: object, prefix: str) -> Iterator[tuple[str, bool]]:
    for name, kind in fields_of(type(config)).items():
        if any(map(is_table, members_of(kind))):
            value = getattr(config, name)
            yield prefix + name, value is not None
            if value is not None:
                yield from _walk(value, f"{prefix}{name}.")
