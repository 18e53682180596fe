from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.core.journal import Journal
from optlab.errors import OptlabWarning, ResumeError

A, B = b"querya__", b"queryb__"


def written(path: Path) -> bytes:
    journal = Journal(path)
    assert journal.begin(A, 3).size == 0
    for value in (1.0, 2.0, np.nan):
        journal.add(np.array([value]))
    assert journal.begin(B, 2).size == 0
    journal.add(np.array([4.0, 5.0]))
    journal.close()
    return path.read_bytes()


def test_what_was_written_is_replayed_in_order(tmp_path: Path) -> None:
    written(tmp_path / "j")
    journal = Journal(tmp_path / "j")
    assert journal.replaying
    np.testing.assert_array_equal(journal.begin(A, 3), [1.0, 2.0, np.nan])
    np.testing.assert_array_equal(journal.begin(B, 2), [4.0, 5.0])
    assert not journal.replaying
    assert journal.begin(A, 1).size == 0
    journal.close()


@given(st.integers(0, 100))
def test_a_journal_cut_anywhere_goes_on(cut: int) -> None:
    """Whatever a crash left, what is whole is replayed, and the file goes on as if unbroken."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        whole = written(path)
        path.write_bytes(whole[: min(cut, len(whole))])
        journal = Journal(path)
        for mark, values in ((A, [1.0, 2.0, np.nan]), (B, [4.0, 5.0])):
            known = journal.begin(mark, len(values))
            np.testing.assert_array_equal(known, values[: known.size])
            journal.add(np.array(values[known.size :]))
        journal.close()
        assert path.read_bytes() == whole


@pytest.mark.parametrize(("mark", "count"), [(B, 3), (A, 2)])
def test_another_run_is_noticed(tmp_path: Path, mark: bytes, count: int) -> None:
    written(tmp_path / "j")
    journal = Journal(tmp_path / "j")
    with pytest.raises(ResumeError, match="another run"):
        journal.begin(mark, count)
    journal.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_said_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.close()
    journal._stream = Path("/dev/full").open("ab", buffering=0)
    with pytest.warns(OptlabWarning, match="goes on without it"):
        journal.begin(A, 1)
    journal.add(np.ones(1))
    assert journal.begin(B, 1).size == 0
    journal.close()
