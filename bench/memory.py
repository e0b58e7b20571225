"""
The most memory that this library needs when so many events wait on disk.

    python -m bench.memory fill --folder FOLDER --events 1000000
    python -m bench.memory work --folder FOLDER --url http://127.0.0.1:1234 --seconds 3
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from bench.worker import peak_rss_mb


def main() -> None:
    """Do one of the two; print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["fill", "work"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--events", type=int, default=0)
    parser.add_argument("--url", default="")
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    if arguments.what == "fill":
        from bench.ours import fill

        fill(arguments.folder / "spool.db", 0, arguments.events, accepted_at=time.time())
        print(json.dumps({"events": arguments.events}))
        return
    from bench.peers import Ours, Setting

    peer = Ours(Setting(url=arguments.url, folder=arguments.folder))
    end, number = time.monotonic() + arguments.seconds, 0
    while time.monotonic() < end:
        peer.event(number)
        number += 1
        time.sleep(0.001)
    print(json.dumps({"recorded": number, "peak_rss_mb": peak_rss_mb()}))
    sys.stdout.flush()
    os._exit(0)  # what waits may go on waiting


if __name__ == "__main__":
    main()
