import os
import sys
from pathlib import Path

import pytest

from otel_umami_exporter.ledger import Ledger


@pytest.mark.skipif(not hasattr(os, "fork"), reason=f"{sys.platform} has no fork")
def test_what_a_forked_child_notes_survives_the_parent_and_a_third_reader(tmp_path: Path) -> None:
    """The child writes under locks of its own: nobody deletes the log under it."""
    path = tmp_path / "spool.db.projections"
    ledger = Ledger(path)
    assert ledger.meet("site", "parent", 1)
    may_write, child_has_written = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for who in ("child", "child again"):
                os.read(may_write[0], 1)
                noted = ledger.meet("site", who, 1)
                os.write(child_has_written[1], b"y" if noted else b"n")
            os.read(may_write[0], 1)
        finally:
            os._exit(0)
    try:
        ledger.close()  # the parent goes first
        os.write(may_write[1], b"1")
        assert os.read(child_has_written[0], 1) == b"y"
        Ledger(path).close()  # somebody looks in, and closes as the last one that knows of it
        os.write(may_write[1], b"1")
        assert os.read(child_has_written[0], 1) == b"y"
        third = Ledger(path)
        assert not third.meet("site", "child", 1)
        assert not third.meet("site", "child again", 1)
        third.close()
    finally:
        os.write(may_write[1], b"2")
        os.waitpid(child, 0)
        for end in (*may_write, *child_has_written):
            os.close(end)
