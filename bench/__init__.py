"""
What this library costs beside its peers, measured side by side in one run; `make bench`.

    orchestrator (python -m bench)            the project's environment
      ├─ sink        a process: takes what every peer sends, counts it, and can be slow, silent or away
      └─ worker      a process for each peer and round, in the peers' own environment: does the work, prints JSON

Rounds are interleaved peer by peer, so that a noisy minute hits all of them. Nothing here is part of the tests.
"""
