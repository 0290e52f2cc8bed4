"""A job file as YAML text that loads back equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from distribute_compute_config.scalars import name_trap, read_plain

if TYPE_CHECKING:
    from distribute_compute_config.models import JobFile


class _Dumper(yaml.SafeDumper):
    """Block style throughout; text that any YAML reader could take for something else goes in quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    plain = read_plain(text) == text and name_trap(text) is None and text.isascii()
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)


def dump_text(jobfile: JobFile) -> str:
    """YAML of ``jobfile`` without what is at its default: ``load_text(dump_text(f), "").jobfile == f``."""
    data = jobfile.model_dump(mode="json", exclude_defaults=True)
    return yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=110, default_flow_style=False
    )
