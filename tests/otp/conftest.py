"""Every `async def` test here runs as a trapping process of a node whose time is virtual.

That is what the package's own pytest plugin does for a test with a `LocalNode` among its fixtures.
"""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def node(local_node):
    return local_node


@pytest.fixture
def journal():
    return []
