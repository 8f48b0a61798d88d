"""The results as a table."""

import json
import os
import pathlib
import statistics
import time

from cell import Result

OUTCOMES = ["done", "reverted", "missed", "failed"]


def rows_by(results, key):
    groups = {}
    for result in results:
        groups.setdefault(key(result.spec), []).append(result)
    for name, group in groups.items():
        counts = [sum(result.outcome == outcome for result in group) for outcome in OUTCOMES]
        lost = sum("LOST" in result.note for result in group)
        times = [result.seconds for result in group if result.outcome in ("done", "reverted")]
        median, worst = (statistics.median(times), max(times)) if times else (0, 0)
        yield [name, len(group), *counts[:2], lost, *counts[2:], f"{median:.1f}", f"{worst:.1f}",
               f"{max((result.longest_statement for result in group), default=0):.1f}"]


def table(results, title, key):
    head = [title, "attempted", "done", "reverted", "lost", "missed", "failed", "median s", "worst s", "longest statement s"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    rows = [*rows_by(results, key), *rows_by(results, lambda spec: "**all**")]
    lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def machine():
    model = next(
        (line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), "unknown")
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) >> 20
    return f"{os.cpu_count()} cores ({model}), {memory} GiB"


def markdown(run):
    results = run.results
    failed = [result for result in results if result.outcome not in ("done", "reverted")]
    parts = [
        "# Results of the fault matrix",
        f"`deploy/test --matrix {run.arguments.slice}` on {time.strftime('%Y-%m-%d')}, {machine()},"
        + (" several runs side by side." if run.arguments.resume else f" {(time.monotonic() - run.started) / 60:.0f} minutes.")
        + f" {len(results)} of {len(run.cells)} cells were attempted." + (f" {run.arguments.note}" if run.arguments.note else ""),
        "A cell is one schema change in one of its phases (from `EXPLAIN (DDL)`), met by one fault of one process while clients"
        " write to the table through both gateways, with and without `CANCEL JOB` during the fault. It is *done* when the"
        " change is public, *reverted* when everything is exactly as before (canceled, or an error the change must end with);"
        " *lost* counts acknowledged writes that are not there, *missed* cells whose phase was not met in"
        " several tries and which therefore do not count. Seconds are from the fault to the end of the change; the longest"
        " statement is a client's wait for a gateway that was not hit. Processes stand still and cuts last"
        f" {run.faults['stop'].seconds} s, a killed process starts again after {run.faults['kill'].seconds} s.",
        "kill: SIGKILL. stop: SIGSTOP. cut: no bytes to or from the process; deaf: none to it; mute: none from it.",
        table(results, "change", lambda spec: spec.change.name),
        table(results, "role", lambda spec: spec.role),
        table(results, "fault", lambda spec: spec.fault),
        table(results, "phase", lambda spec: f"{spec.change.name}: {spec.phase.name}"),
    ]
    if failed:
        parts.append("## Cells that did not pass\n\n" + "\n".join(
            f"* {result.spec}: {result.outcome} {result.note[:300]}".rstrip() for result in failed))
    return "\n\n".join(parts) + "\n"


def append(journal, results):
    with open(journal, "a") as file:
        for result in results:
            file.write(json.dumps({
                "cell": str(result.spec), "outcome": result.outcome, "seconds": round(result.seconds, 3),
                "longest_statement": round(result.longest_statement, 3), "note": result.note}) + "\n")


def read(journal, specs):
    """What was found of these cells, by whatever run of this journal; of a cell that was tried again, what came last."""
    by_name = {str(spec): spec for spec in specs}
    rows = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    newest = {row["cell"]: row for row in rows if row["cell"] in by_name}
    return [
        Result(by_name[name], row["outcome"], row["seconds"], row["note"], row.get("longest_statement", 0))
        for name, row in newest.items()]
