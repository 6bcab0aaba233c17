"""Reads a log with the package's own command line module, and with DuckDB.

    read_log.py LOG

Prints a JSON object:

    package   what load_events found: `events` of each type, `values` and `errors` of calls, how often each
    status    what `status` prints, cut into lines and words
    history   how many lines of each type `history` prints, without a limit
    breakdown what `events` prints, as counts
    duckdb    the same as `package`, and what only our keys tell: `fallbacks`, `units`, `dropped` and `forced`
"""

import collections
import contextlib
import io
import json
import pathlib
import sys

import duckdb
import tc_cli


def printed(command, *arguments):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        command(list(arguments))
    return output.getvalue().split("\n")


def package(log):
    events = tc_cli.load_events(log)
    calls = [event for event in events if event["event"] == "call"]
    count = lambda key, among: collections.Counter(event[key] for event in among if event[key] is not None)
    return {"events": count("event", events), "values": count("value", calls), "errors": count("error", calls)}


def breakdown():
    lines = [line.split(": ") for line in printed(tc_cli.cmd_events) if line.startswith("    ")]
    return {kind.strip(): int(count) for kind, count in lines}


def history():
    # A line begins with the time, of 19 characters; the type stands behind it.
    lines = [line for line in printed(tc_cli.cmd_history, "", "1000000") if line]
    return collections.Counter(line[23:].split(" ")[0] for line in lines)


def in_duckdb(log):
    name = "'" + str(log).replace("'", "''") + "'"
    found = [in_view(f"select * from {reader}({name})") for reader in ("read_json_auto", "read_ndjson")]
    assert found[0] == found[1], found
    return found[0]


def in_view(query):
    rows = lambda query: duckdb.execute(query).fetchall()
    duckdb.execute(f"create or replace view log as {query}")
    columns = [row[0] for row in rows("describe log")]
    count = lambda key: dict(rows(f"select {key}, count(*) from log where {key} is not null group by 1"))
    # A key that comes late is none of its columns.
    one = lambda key, what: rows(f"select {what} from log")[0][0] if key in columns else None
    return {
        "events": count("event"),
        "values": count("value"),
        "errors": count("error"),
        "fallbacks": one("fallback", "count(*) filter (fallback)"),
        "units": one("unit", "count(distinct unit)"),
        "dropped": one("count", "sum(count)::int"),
        "forced": one("forced", "count(*) filter (forced)"),
    }


def main():
    log = tc_cli.EVOLUTION_FILE = pathlib.Path(sys.argv[1])
    status = [line.split() for line in printed(tc_cli.cmd_status)]
    found = {"package": package(log), "status": status, "history": history(), "breakdown": breakdown()}
    print(json.dumps({**found, "duckdb": in_duckdb(log)}))


if __name__ == "__main__":
    main()
