"""Skip what this machine cannot test, aloud; or fail, where the machine is meant to be able."""

import os

import pytest


def require(name: str, present: bool, why: str) -> None:
    """Skip the test when `name` is not present, saying why; fail it when JOBWARDEN_REQUIRE lists the name.

    JOBWARDEN_REQUIRE is a comma-separated list: CI names there what must not be skipped.
    """
    if present:
        return
    required = {word.strip() for word in os.environ.get("JOBWARDEN_REQUIRE", "").split(",")}
    if name in required:
        pytest.fail(f"{name} is required here (JOBWARDEN_REQUIRE), but {why}", pytrace=False)
    pytest.skip(f"{name}: {why}")
