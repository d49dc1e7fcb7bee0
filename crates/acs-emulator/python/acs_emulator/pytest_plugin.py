"""The fixture ``acs_emulator``."""

from __future__ import annotations

import shlex
from typing import Iterator

import pytest

import acs_emulator as package


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("acs_emulator_options", "options of the program acs-emulator", default="")


@pytest.fixture(scope="session")
def acs_emulator(pytestconfig: pytest.Config) -> Iterator[package.Emulator]:
    """A running emulator of Azure Communication Services, one for the whole test run."""
    options = shlex.split(pytestconfig.getini("acs_emulator_options"))
    with package.start(*options) as emulator, package.ContentHost(), pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment().items():
            patch.setenv(name, value)
        yield emulator
