"""The snippets of the README, run in the folder of the demo."""

import doctest
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_snippets(demo, monkeypatch):
    monkeypatch.chdir(demo)
    found = doctest.testfile(str(README), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 10 and found.failed == 0
