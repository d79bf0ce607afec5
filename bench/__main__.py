"""Command line: ``python -m bench NAME``, one of those below, or ``all``."""

from __future__ import annotations

import argparse
import json
import sys

from rich.console import Console

from bench.live import measure_live
from bench.lookup import measure_lookup
from bench.plugin import measure_plugin
from bench.replay import measure_replay
from bench.ttft import measure_ttft

_BENCHMARKS = {
    "live": measure_live,
    "replay": measure_replay,
    "ttft": measure_ttft,
    "lookup": measure_lookup,
    "plugin": measure_plugin,
}


def main() -> int:
    """
    Run what was asked for; the exit status is 1 if any body or cassette was wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    choices = (*_BENCHMARKS, "all")
    parser.add_argument("benchmark", choices=choices, nargs="?", default="all")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    arguments = parser.parse_args()
    chosen = _BENCHMARKS if arguments.benchmark == "all" else [arguments.benchmark]
    reports = {name: _BENCHMARKS[name](quick=arguments.quick) for name in chosen}
    if arguments.json:
        print(json.dumps({name: r.as_json() for name, r in reports.items()}, indent=2))
    else:
        # Tables are read in pipes and logs too, where there is no width to ask for.
        console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
        for report in reports.values():
            report.print(console)
    return int(any(report.failures for report in reports.values()))


if __name__ == "__main__":
    sys.exit(main())
