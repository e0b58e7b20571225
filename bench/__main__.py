"""`python -m bench`: measure, judge, and write docs/performance.md from what was measured."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Final

from bench import guard, report
from bench.plan import QUICK, Plan, carry_out
from bench.ratios import judge
from bench.running import ROOT

RESULTS: Final = ROOT / "docs" / "performance.json"
_START: Final = time.monotonic()


def say(line: str) -> None:
    """Say how far it is."""
    print(f"{time.monotonic() - _START:5.0f} s  {line}", flush=True)


def main() -> int:
    """Do what the arguments say; exit status 1 when the guard found a ratio that fell."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: about five minutes, more noise")
    parser.add_argument(
        "--json", type=Path, metavar="PATH", help="write the figures there, and leave docs/performance.md as it is"
    )
    parser.add_argument("--report", action="store_true", help="measure nothing; write the page from the last figures")
    parser.add_argument("--guard", action="store_true", help="only compare a few ratios with the committed ones")
    parser.add_argument("--commit", action="store_true", help="measure the ratios of the guard and write them down")
    arguments = parser.parse_args()
    if arguments.guard:
        return guard.guard(say)
    if arguments.commit:
        return guard.commit(say)
    if not arguments.report:
        found = carry_out(QUICK if arguments.quick else Plan(), say)
        found["promises"] = judge(found)
        for each in found["promises"]:
            say(
                f"{'kept' if each['kept'] else 'NOT '} {each['number']}  {each['says']}: {each['text']} ({each['bound']})"
            )
        (arguments.json or RESULTS).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if arguments.json is None:
        report.write(json.loads(RESULTS.read_text(encoding="utf-8")), ROOT / "docs")
        say("docs/performance.md written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
