"""The state machine of stewards and nodes that die anywhere: no step of anybody leaves an illegal spool."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import invariant

from spoold.checking import Severity, check
from tests.check.test_life import no_wait
from tests.spool.test_machine import SpoolMachine


class CheckedMachine(SpoolMachine):
    """Checked after each step as if nobody would ever go on."""

    @invariant()
    def legal(self) -> None:
        found = check(self.lab.spool, wait=no_wait)
        assert [finding for finding in found if finding.severity is Severity.ERROR] == []


CheckedMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=30)
TestCheckedMachine = CheckedMachine.TestCase
