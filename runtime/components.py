"""Which machines a trader is made of, and which of them are switched off: read off its config."""

from collections.abc import Iterator

from runtime.config_types import fields_of, is_table, members_of


def components(config: object) -> dict[str, bool]:
    """Every table of a config by its path, and whether what it configures is on; None stands for off."""
    return dict(_walk(config, ""))


def component_line(config: object) -> str:
    """The same in a line for people; a table of tables that is always there stands there by its parts."""
    parts = components(config)
    switches = set(_switches(config, ""))
    whole = [path for path in parts if path in switches or not any(other.startswith(f"{path}.") for other in parts)]
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


def _switches(config: object, prefix: str) -> Iterator[str]:
    """Tables that may be off, by their paths: those that are off, and those that are on."""
    for name, kind in fields_of(type(config)).items():
        members = members_of(kind)
        if not any(map(is_table, members)):
            continue
        if type(None) in members:
            yield prefix + name
        value = getattr(config, name)
        if value is not None:
            yield from _switches(value, f"{prefix}{name}.")
