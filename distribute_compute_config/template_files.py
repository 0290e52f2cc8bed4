"""Input files with ``template: true``: ``{re}`` in them is replaced, and nothing else. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from distribute_compute_config.sweeps import Values, find_placeholders, substitute

#: Of a template, and of what becomes of it.
SIZE_MAX_BYTES = 1024**2
#: Of all that the templates of a batch become.
TOTAL_MAX_BYTES = 1024**3


class BadTemplate(ValueError):
    """A file can't be a template: ``why``, and what to do ``instead``."""

    def __init__(self, why: str, instead: str) -> None:
        super().__init__(why)
        self.why, self.instead = why, instead


@dataclass(frozen=True, slots=True)
class Template:
    """The text of a template; ``mentions`` has how often each ``{NAME}`` occurs."""

    text: str
    size_bytes: int
    mentions: Mapping[str, int]

    def choose(self, values: Values) -> Values:
        """Those of ``values`` that its content depends on. Raises BadTemplate if it can't be filled in."""
        chosen = tuple((name, value) for name, value in values if name in self.mentions)
        if not chosen:
            names = ", ".join(f"{{{name}}}" for name, _ in values)
            why = f"the template mentions none of {names}"
            raise BadTemplate(why, "mention one, or remove template: true")
        if self.measure(chosen) > SIZE_MAX_BYTES:
            why = f"filled in, the template has more than {SIZE_MAX_BYTES} bytes"
            raise BadTemplate(why, "mention the values less often")
        return chosen

    def measure(self, values: Values) -> int:
        """The bytes of what it becomes, told before it is made: a value may be longer than its name."""
        grows = [
            self.mentions.get(name, 0) * (len(value.encode()) - len(f"{{{name}}}")) for name, value in values
        ]
        return self.size_bytes + sum(grows)

    def render(self, values: Values) -> bytes:
        """The content with each of ``values`` filled in. Raises BadTemplate."""
        return substitute(self.text, dict(self.choose(values))).encode()


class Contents:
    """The different contents that the templates of one batch become: each is stored once."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, Values]] = set()
        self._size_bytes = 0

    def add(self, path: str, template: Template, values: Values) -> Values:
        """Those of ``values`` that the content of ``path`` depends on. Raises BadTemplate."""
        chosen = template.choose(values)
        if (path, chosen) not in self._seen:
            self._seen.add((path, chosen))
            self._size_bytes += template.measure(chosen)
        if self._size_bytes > TOTAL_MAX_BYTES:
            why = f"filled in, the templates of the batch have more than {TOTAL_MAX_BYTES} bytes together"
            raise BadTemplate(why, "bring what is the same for all jobs in another file")
        return chosen


def read_template(raw: bytes) -> Template:
    """The template in the bytes of a file, or in its first ``SIZE_MAX_BYTES + 1``. Raises BadTemplate."""
    if len(raw) > SIZE_MAX_BYTES:
        why = f"a template has at most {SIZE_MAX_BYTES} bytes"
        raise BadTemplate(why, "bring what is large in another file")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        why = f"a template is text in UTF-8, and byte {error.start + 1} isn't"
        raise BadTemplate(why, "save it as UTF-8, or remove template: true") from error
    return Template(text, len(raw), Counter(find_placeholders(text)))
