"""The JSON report of a run in several processes: each leaves its share, the last one joins them.

pytest-xdist's own process, which sees all results, does not load the suite's plugin when the suite
is named by ``--pyargs``; so the workers must do it among themselves.
"""

import glob
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from refsast.crosscheck.conformance.report import Result, find_test, write_report
from refsast.files import write_atomic


def leave_share(
    path: Path, run: str, worker: str, workers: int, record: Mapping[str, object],
    results: Sequence[Result],
) -> None:  # fmt: skip
    """Leave the results of a worker beside the report at `path`; write it if all are there.

    Shares of a run are hidden files with its name, which are removed when the report is written.
    """
    rows = [(f"::test_{r.test}", r.outcome, r.reason, r.facts) for r in results]
    share = json.dumps({"record": record, "results": rows})
    write_atomic(_share_path(path, run, worker), share.encode())
    shares = sorted(path.parent.glob(f".{glob.escape(path.name)}.{run}.*.share"))
    if len(shares) < workers:
        return
    # Two workers may be last: the report is the same, and a share that is gone was used.
    with suppress(FileNotFoundError):
        found = [json.loads(each.read_text("utf-8")) for each in shares]
        merged = [read_row(row) for each in found for row in each["results"]]
        records = [each["record"] for each in found if each["record"]]
        if records:
            write_report(path, records[0], merged)
    for each in shares:
        each.unlink(missing_ok=True)


def read_row(row: Sequence[object]) -> Result:
    """Return a result that came as JSON."""
    name, outcome, reason, facts = row
    test = find_test(f"test_levels.py{name}")
    assert test is not None
    assert isinstance(facts, dict)
    return Result(test, str(outcome), str(reason), facts)


def _share_path(path: Path, run: str, worker: str) -> Path:
    return path.with_name(f".{path.name}.{run}.{worker}.share")
