"""Faults that are really made, met with ORBT and with plain Airflow retries; what became of each, and how soon.

Real are servers, replica, disks, networks, files, API and all work on them; each try has fresh pools as a new process
has. Waiting between tries is counted and not slept, in the same way on both sides; what a fault does at a moment (a
server comes back after five seconds) happens when that moment is passed. Plain retries are three, five minutes apart,
which is Airflow's default; they succeed or give up, and nobody is told why. A wrong action is a change of something
that the task has no business with: other tables, structure, roles, databases, files, the sessions of others.

What takes a whole Airflow (a worker killed, out of memory, out of time, without a heartbeat; a scheduler killed in
mid-strike) is made in a deployment of its own, on both sides at once, and stands at the end of the same table. There
everything is slept and measured but Airflow's own `retry_delay`: both sides sleep a short one and count theirs, 30
seconds as `healing()` sets it, 300 as Airflow does. A lost heartbeat is noticed after 30 seconds and counted with the
60 of `groundwork up`, on both sides too. Left out by `--without-airflow`.

Ratios of time compare the same faults on both sides: first those that both healed, then all that ORBT healed, for
which plain retries that gave up count with the time until they did. Exits with 1 when a target is missed.

Run: .venv/bin/python benchmarks/healing.py [--only WORD] [--seed N] [--json] [--without-plain] [--without-airflow]
     [--minutes N]
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator

from faults.airflow_faults import chosen_in_airflow
from faults.airflow_runner import COUNTED_DELAY_SECONDS, ORBT, PLAIN, meet_in_airflow
from faults.airflow_site import HEARTBEAT_SECONDS, USUAL_HEARTBEAT_SECONDS
from faults.catalogue import chosen
from faults.met import TARGETS, Met, figures, head, line, plain_data
from faults.runner import PLAIN_DELAY_SECONDS, PLAIN_RETRIES, run_plainly, run_with_orbt
from faults.world import world


def main() -> int:
    """Meet all faults and print the table; 0 when every target is met."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is ended then too
    arguments = _arguments()
    in_airflow = () if arguments.without_airflow else chosen_in_airflow(arguments.only)
    expected = len(chosen(arguments.only)) + len(in_airflow)
    met: list[Met] = []
    if not arguments.json:
        _say(_how())
        _say(head())
    for each in _met(arguments):
        met.append(each)
        if not arguments.json:
            _say(line(each))
    totals = figures(met)
    if arguments.json:
        _say(json.dumps({"faults": [plain_data(each) for each in met], "figures": totals}, indent=1, default=str))
    else:
        _tell(met, totals, left_out=expected - len(met))
    return 0 if totals["is_met"] else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only faults whose kind or name has this word")
    parser.add_argument("--seed", type=int, default=None, help="other data than the faults' own seeds give")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    parser.add_argument("--without-plain", action="store_true", help="leave the plain retries out")
    parser.add_argument("--without-airflow", action="store_true", help="leave out what takes a whole Airflow")
    parser.add_argument("--minutes", type=float, default=20.0, help="begin no fault after so long")
    return parser.parse_args()


def _met(arguments: argparse.Namespace) -> Iterator[Met]:
    """All faults that were asked for, as long as there is time to begin one."""
    until = time.monotonic() + 60 * arguments.minutes
    faults = chosen(arguments.only, arguments.seed)
    if faults:
        with world() as made:
            for fault in faults:
                if time.monotonic() > until:
                    return
                if fault.needs_small_disk and made.servers.small_disk is None:
                    continue
                plain = None if arguments.without_plain else run_plainly(made, fault)
                yield Met(fault=fault, orbt=run_with_orbt(made, fault), plain=plain)
    in_airflow = () if arguments.without_airflow else chosen_in_airflow(arguments.only)
    if in_airflow and time.monotonic() < until:
        yield from meet_in_airflow(in_airflow, with_plain=not arguments.without_plain, until=until)


def _how() -> str:
    ours, theirs = COUNTED_DELAY_SECONDS[ORBT], COUNTED_DELAY_SECONDS[PLAIN]
    return (
        "waiting is counted, not slept, on both sides; "
        f"plain: {PLAIN_RETRIES} retries, {PLAIN_DELAY_SECONDS:.0f} s apart\n"
        "in a running Airflow (the last rows) all is slept and measured, but Airflow's own retry delay is counted with "
        f"{ours:.0f} s (ORBT) and {theirs:.0f} s (plain),\nand the time until it misses a heartbeat with "
        f"{USUAL_HEARTBEAT_SECONDS} s instead of {HEARTBEAT_SECONDS} s on both sides"
    )


def _tell(met: list[Met], totals: dict[str, object], left_out: int) -> None:
    for each in met:
        lines = each.orbt.shortcomings(each.fault)
        if lines:
            _say(f"\n! {each.fault.name}")
            for told in [*lines, *each.orbt.remedies]:
                _say("    " + " ".join(told.split())[:400])
    _say("")
    if left_out:
        _say(
            f"{left_out} faults were left out: the time was up, or a small disk cannot be mounted, or a control group "
            "with little memory cannot be made"
        )
    for name, value in totals.items():
        _say(f"{name.replace('_', ' ')}: {value}")
    _say(
        f"targets: class right >= {TARGETS['class right']:.0%}, healed without a person >= "
        f"{TARGETS['healed without a person']:.0%}, wrong actions 0, "
        f"time to heal <= {TARGETS['time to heal']:.0%} of plain"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
