"""Lower the C library that an x86-64 program asks for, where that does provably no harm.

Since glibc 2.38 the headers rename strtol and its kin to ``__isoc23_strtol`` and so on, which differ in reading
"0b101" too. The old name is the new one without its first 9 characters: so the undefined symbol is made to point
9 bytes further into the same table of names, and the version GLIBC_2.38 that it asks for becomes GLIBC_2.2.5.
Nothing moves. A file that needs anything else that is too new is refused and left alone.

    python3 lower_glibc.py FILE…

See the System V ABI, chapter 5, and "ELF Symbol Versioning" (https://akkadia.org/drepper/symbol-versioning).
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PREFIX, _OLD = b"__isoc23_", b"GLIBC_2.2.5"
_HARMLESS = {b"strto" + ending for ending in (b"l", b"ul", b"ll", b"ull", b"imax", b"umax")}
_HARMLESS |= {start + b"scanf" for start in (b"", b"s", b"f", b"v", b"vs", b"vf")}
_DYNSYM, _VERNEED, _VERSYM = 11, 0x6FFFFFFE, 0x6FFFFFFF
_SYMBOL_BYTES = 24


class _Need(NamedTuple):
    """A version that is asked for, and where it is written."""

    at: int
    index: int
    name: bytes
    name_at: int


class _Program:
    """The bytes of an ELF file, and its tables."""

    def __init__(self, path: Path) -> None:
        self.path, self.data = path, bytearray(path.read_bytes())
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise SystemExit(f"{path}: not a 64-bit little-endian ELF file")
        (table,) = struct.unpack_from("<Q", self.data, 40)
        size, count = struct.unpack_from("<HH", self.data, 58)
        sections = [struct.unpack_from("<IIQQQQIIQQ", self.data, table + n * size) for n in range(count)]
        kinds = {section[1]: section for section in sections}
        self.symbols_at, self.symbols_bytes = kinds[_DYNSYM][4:6]
        self.needs_at, self.versions_at = kinds[_VERNEED][4], kinds[_VERSYM][4]
        self._names_at = sections[kinds[_DYNSYM][6]][4]

    def name(self, offset: int) -> bytes:
        start = self._names_at + offset
        return bytes(self.data[start : self.data.index(0, start)])

    def needs(self) -> Iterator[_Need]:
        library_at = self.needs_at
        while True:
            _, count, _, first, following = struct.unpack_from("<HHIII", self.data, library_at)
            at = library_at + first
            for _ in range(count):
                _, _, index, name_at, step = struct.unpack_from("<IHHII", self.data, at)
                yield _Need(at, index, self.name(name_at), name_at)
                at += step
            if not following:
                return
            library_at += following

    def undefined(self, indexes: set[int]) -> Iterator[tuple[int, int, bytes]]:
        """Place, offset of the name, and name of each symbol that asks for one of these versions."""
        for number in range(self.symbols_bytes // _SYMBOL_BYTES):
            (index,) = struct.unpack_from("<H", self.data, self.versions_at + 2 * number)
            if index & 0x7FFF in indexes:
                at = self.symbols_at + _SYMBOL_BYTES * number
                (name_at,) = struct.unpack_from("<I", self.data, at)
                yield at, name_at, self.name(name_at)


def lower(path: Path, floor: tuple[int, ...]) -> None:
    """Rewrite the file, if it needs that. Raises SystemExit if it can't be done."""
    program = _Program(path)
    needs = list(program.needs())
    new = [need for need in needs if need.name.startswith(b"GLIBC_2.") and _number(need.name) > floor]
    if not new:
        return
    old = next((need.name_at for need in needs if need.name == _OLD), None)
    if old is None:
        raise SystemExit(f"{path}: asks nowhere for {_OLD.decode()}")
    for at, name_at, name in program.undefined({need.index for need in new}):
        if not name.startswith(_PREFIX) or name.removeprefix(_PREFIX) not in _HARMLESS:
            raise SystemExit(f"{path}: {name.decode()} is newer than this system's C library")
        struct.pack_into("<I", program.data, at, name_at + len(_PREFIX))
    for need in new:
        struct.pack_into("<I", program.data, need.at, _hash(_OLD))
        struct.pack_into("<I", program.data, need.at + 8, old)
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(program.data)
    draft.chmod(path.stat().st_mode)
    draft.replace(path)


def _number(version: bytes) -> tuple[int, ...]:
    return tuple(map(int, version.split(b"_", 1)[1].split(b".")))


def _hash(name: bytes) -> int:
    value = 0
    for letter in name:
        value = (value << 4) + letter
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high & 0xFFFFFFFF
    return value


if __name__ == "__main__":
    here = tuple(map(int, (os.confstr("CS_GNU_LIBC_VERSION") or "").split()[1].split(".")))
    for argument in sys.argv[1:]:
        lower(Path(argument), here)
