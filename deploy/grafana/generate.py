"""Dashboards as code: writes deploy/grafana/dashboards/*.json.

Usage: generate.py [--check]    with --check nothing is written, and what is stale is named (exit status 1).

A panel is a title, a unit and its expressions with their legends. `make alerts` has promtool read every expression, and a
test scrapes the real services for every metric that one names.
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent / "dashboards"
RATE = "[$__rate_interval]"
# Histograms whose buckets name a trace (crates/telemetry/src/exemplars.rs).
TRACED = ("portcullis_ask_seconds", "portcullis_check_seconds", "portcullis_http_request_seconds", "portcullis_stage_seconds")


def quantiles(metric, labels="", by="", among=(0.5, 0.99)):
    group = ", ".join(part for part in ("le", by) if part)
    legend = f"{{{{{by}}}}} " if by else ""
    return [(f"histogram_quantile({q}, sum by ({group}) (rate({metric}_bucket{{{labels}}}{RATE})))", f"{legend}p{q * 100:g}")
            for q in among]


# Rows of a dashboard: a heading, then panels (title, unit, [(expression, legend)], what it shows).
OVERVIEW = [
    ("Promises", [
        ("Requests without a verdict", "percentunit", [("portcullis:door_errors:ratio_rate5m", "5 m"), ("portcullis:door_errors:ratio_rate6h", "6 h")], "0.1 % may"),
        ("Verdicts slower than 300 ms", "percentunit", [("portcullis:slow_checks:ratio_rate5m", "5 m"), ("portcullis:slow_checks:ratio_rate6h", "6 h")], "1 % may"),
        ("Not wholly checked and let through", "percentunit", [("portcullis:unscanned:ratio_rate5m", "5 m"), ("portcullis:unscanned:ratio_rate6h", "6 h")], "0.1 % may"),
        ("Instances that answer", "none", [("sum by (job) (up{job=~\".+\"})", "{{job}}")], "by service"),
    ]),
    ("Verdicts", [
        ("Verdicts by decision", "reqps", [(f"sum by (decision) (rate(portcullis_verdicts_total{RATE}))", "{{decision}}")], ""),
        ("Verdicts by bot", "reqps", [(f"topk(10, sum by (bot) (rate(portcullis_verdicts_total{RATE})))", "{{bot}}")], "the ten busiest"),
        ("Time to a verdict", "s", quantiles("portcullis_check_seconds", among=(0.5, 0.9, 0.99)), ""),
        ("Findings by kind", "reqps", [(f"topk(10, sum by (kind) (rate(portcullis_findings_total{RATE})))", "{{kind}}")], ""),
    ]),
    ("What is missing", [
        ("Gaps", "reqps", [(f"sum by (stage, cause) (rate(portcullis_gaps_total{RATE}))", "{{stage}}: {{cause}}")], "a stage that gave no whole answer, and why"),
        ("Bytes that were looked at, of those given", "percentunit", [(f"sum by (stage) (rate(portcullis_scanned_bytes_total{RATE})) / sum by (stage) (rate(portcullis_given_bytes_total{RATE}))", "{{stage}}")], "1 where a stage scanned everything; views may make it more"),
        ("Stages as ingress sees them, p99", "s", quantiles("portcullis_ask_seconds", by="stage", among=(0.99,)), ""),
        ("Stood in for", "reqps", [(f"sum by (stage) (rate(portcullis_stand_in_total{RATE}))", "{{stage}}")], "answered by the coarse limiter in ingress"),
    ]),
    ("Doors", [
        ("Requests by status", "reqps", [(f"sum by (door, status) (rate(portcullis_door_requests_total{RATE}))", "{{door}} {{status}}")], ""),
        ("Turned away: no seat", "reqps", [(f"sum by (door) (rate(portcullis_refused_total{RATE}))", "{{door}}")], ""),
        ("HTTP, p99 by route", "s", quantiles("portcullis_http_request_seconds", by="route", among=(0.99,)), ""),
        ("HTTP by route and status", "reqps", [(f"sum by (route, status) (rate(portcullis_http_requests_total{RATE}))", "{{route}} {{status}}")], ""),
    ]),
    ("The bus", [
        ("Connected to NATS", "none", [("min by (job) (portcullis_nats_connected)", "{{job}}")], ""),
        ("Events of the connection", "reqps", [(f"sum by (event) (rate(portcullis_nats_events_total{RATE}))", "{{event}}")], ""),
        ("Behind their stream", "none", [("max by (stream, consumer) (portcullis_consumer_pending)", "{{consumer}} of {{stream}}")], "messages not yet delivered"),
        ("Redis", "s", quantiles("portcullis_redis_seconds", by="job", among=(0.99,)), "p99 of an operation, waiting for a seat included"),
        ("Redis: not answered", "reqps", [(f"sum by (job, outcome) (rate(portcullis_redis_seconds_count{{outcome!=\"ok\"}}{RATE}))", "{{job}}: {{outcome}}"), (f"sum by (job) (rate(portcullis_redis_turned_away_total{RATE}))", "{{job}}: turned away")], "turned away by the breaker, without being asked"),
        ("Conditions that do not hold", "none", [("min by (job, condition) (portcullis_condition)", "{{job}}: {{condition}}")], "0 where lost"),
    ]),
]

STAGE = [
    ("Rate, errors, duration", [
        ("Requests by outcome", "reqps", [(f"sum by (outcome) (rate(portcullis_stage_requests_total{{job=\"$stage\"}}{RATE}))", "{{outcome}}")], ""),
        ("Failures", "percentunit", [(f"sum (rate(portcullis_stage_requests_total{{job=\"$stage\", outcome!=\"ok\"}}{RATE})) / sum (rate(portcullis_stage_requests_total{{job=\"$stage\"}}{RATE}))", "failures")], ""),
        ("Time to answer", "s", quantiles("portcullis_stage_seconds", 'job="$stage"', among=(0.5, 0.9, 0.99)), "in the stage itself"),
        ("As ingress sees it", "s", quantiles("portcullis_ask_seconds", 'stage="$stage"', among=(0.5, 0.99)), "with the way there and back"),
        ("Gaps by cause", "reqps", [(f"sum by (cause) (rate(portcullis_gaps_total{{stage=\"$stage\"}}{RATE}))", "{{cause}}")], ""),
        ("Bytes looked at", "Bps", [(f"sum (rate(portcullis_scanned_bytes_total{{stage=\"$stage\"}}{RATE}))", "scanned"), (f"sum (rate(portcullis_given_bytes_total{{stage=\"$stage\"}}{RATE}))", "given")], ""),
    ]),
    ("Use, saturation, errors", [
        ("Seats taken", "none", [("sum by (instance) (portcullis_seats_taken{job=\"$stage\"})", "{{instance}}"), ("sum (portcullis_seats{job=\"$stage\"})", "seats in all")], ""),
        ("Turned away", "reqps", [(f"sum (rate(portcullis_refused_total{{job=\"$stage\"}}{RATE}))", "busy")], ""),
        ("CPU", "percentunit", [(f"sum by (instance) (rate(process_cpu_seconds_total{{job=\"$stage\"}}{RATE}))", "{{instance}}")], "1 is one core"),
        ("Memory", "bytes", [("sum by (instance) (process_resident_memory_bytes{job=\"$stage\"})", "{{instance}}")], ""),
        ("Files open", "none", [("sum by (instance) (process_open_fds{job=\"$stage\"})", "{{instance}}")], ""),
        ("Panics", "none", [("sum by (instance) (increase(portcullis_panics_total{job=\"$stage\"}[$__rate_interval]))", "{{instance}}")], ""),
        ("Model: a batch", "s", quantiles("portcullis_model_batch_seconds", 'job="$stage"'), "one computation on one core; stages without a model have none"),
        ("Model: windows", "reqps", [(f"sum by (outcome) (rate(portcullis_model_windows_total{{job=\"$stage\"}}{RATE}))", "{{outcome}}"), ("sum (portcullis_model_waiting{job=\"$stage\"})", "waiting now")], "late: given back unanswered, since it could not be done in time"),
        ("Versions", "none", [("count by (version) (portcullis_build_info{job=\"$stage\"})", "{{version}}")], "two while a rolling update is on"),
        ("Ready", "none", [("sum (portcullis_ready{job=\"$stage\"})", "ready"), ("count (up{job=\"$stage\"})", "known")], ""),
    ]),
]

BOT = [
    ("Verdicts", [
        ("By decision", "reqps", [(f"sum by (decision) (rate(portcullis_verdicts_total{{bot=\"$bot\"}}{RATE}))", "{{decision}}")], ""),
        ("Share blocked or held", "percentunit", [(f"sum (rate(portcullis_verdicts_total{{bot=\"$bot\", decision=~\"block|hold\"}}{RATE})) / sum (rate(portcullis_verdicts_total{{bot=\"$bot\"}}{RATE}))", "share")], ""),
        ("Findings by kind", "reqps", [(f"sum by (kind) (rate(portcullis_findings_total{{bot=\"$bot\"}}{RATE}))", "{{kind}}")], ""),
        ("Time to a verdict", "s", quantiles("portcullis_check_seconds", 'bot="$bot"', among=(0.5, 0.99)), ""),
        ("Let through without a whole check", "reqps", [(f"sum (rate(portcullis_unscanned_total{{bot=\"$bot\"}}{RATE}))", "unscanned")], ""),
        ("Verdicts in the range", "none", [("sum by (decision) (increase(portcullis_verdicts_total{bot=\"$bot\"}[$__range]))", "{{decision}}")], ""),
    ]),
]

RECORD = [
    ("From verdict to record", [
        ("Where entries are", "reqps", [(f"sum by (where) (rate(portcullis_recorded_total{RATE}))", "{{where}}")], ""),
        ("Appends by outcome", "reqps", [(f"sum by (outcome) (rate(portcullis_journal_appends_total{RATE}))", "{{outcome}}")], ""),
        ("Time to append", "s", quantiles("portcullis_journal_append_seconds"), ""),
        ("Waiting in spools", "bytes", [("sum by (instance) (portcullis_spool_bytes)", "{{instance}}")], ""),
    ]),
    ("The ledger", [
        ("Position", "none", [("max (portcullis_audit_ledger_position)", "entries")], ""),
        ("Entries a second", "reqps", [(f"max (rate(portcullis_audit_ledger_position{RATE}))", "entries")], ""),
        ("Behind the journal", "none", [("max (portcullis_consumer_pending{consumer=\"audit\"})", "not delivered"), ("max (portcullis_consumer_unacknowledged{consumer=\"audit\"})", "in work")], ""),
        ("Missing, late, unreadable", "none", [("increase(portcullis_audit_missing_total[$__range])", "missing"), ("increase(portcullis_audit_late_total[$__range])", "late"), ("increase(portcullis_audit_dead_total[$__range])", "unreadable")], ""),
        ("Journal's fill", "percentunit", [("max by (stream) (portcullis_stream_bytes / portcullis_stream_limit_bytes)", "{{stream}}")], "full, it refuses new entries"),
        ("CPU and memory of audit", "short", [(f"rate(process_cpu_seconds_total{{job=\"audit\"}}{RATE})", "cores"), ("process_resident_memory_bytes{job=\"audit\"} / 1073741824", "GiB")], ""),
    ]),
]

ANOMALY = [
    ("What is unlike the past", [
        ("Alerts in force", "none", [("max (portcullis_anomaly_open_alerts)", "alerts")], "what is unusual now"),
        ("Told in the range", "none", [("sum by (severity, state) (increase(portcullis_anomaly_alerts_total[$__range]))", "{{severity}} {{state}}")], ""),
        ("Orders given", "none", [("sum by (action) (increase(portcullis_anomaly_orders_total[$__range]))", "{{action}}")], "by the watch itself, where config.acting says so"),
        ("Reached", "none", [("sum by (outlet) (increase(portcullis_anomaly_told_total[$__range]))", "{{outlet}}"), ("sum by (outlet) (increase(portcullis_anomaly_untold_total[$__range]))", "{{outlet}}: lost")], "the bus, Alertmanager, a webhook"),
    ]),
    ("The watch itself", [
        ("Entries a second", "reqps", [(f"sum (rate(portcullis_anomaly_entries_total{RATE}))", "entries"), (f"sum (rate(portcullis_anomaly_unreadable_total{RATE}))", "unreadable")], ""),
        ("Behind the journal", "none", [("max (portcullis_consumer_pending{consumer=\"anomaly\"})", "not delivered"), ("max (portcullis_consumer_unacknowledged{consumer=\"anomaly\"})", "in work")], ""),
        ("Speakers remembered", "none", [("max (portcullis_anomaly_speakers)", "speakers")], ""),
        ("CPU and memory", "short", [(f"rate(process_cpu_seconds_total{{job=\"anomaly\"}}{RATE})", "cores"), ("process_resident_memory_bytes{job=\"anomaly\"} / 1073741824", "GiB")], ""),
    ]),
]

BOARDS = {
    "overview": ("Portcullis: overview", OVERVIEW, None),
    "stage": ("Portcullis: a stage", STAGE, ("stage", "label_values(portcullis_stage_requests_total, job)")),
    "bot": ("Portcullis: a bot", BOT, ("bot", "label_values(portcullis_verdicts_total, bot)")),
    "record": ("Portcullis: the record", RECORD, None),
    "anomaly": ("Portcullis: the watch", ANOMALY, None),
}
SOURCE = {"type": "prometheus", "uid": "${source}"}


def panel(number, place, title, unit, targets, says):
    return {
        "id": number, "type": "timeseries", "title": title, "description": says, "datasource": SOURCE,
        "gridPos": {"h": 8, "w": 6, "x": place % 4 * 6, "y": place // 4 * 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": {"fillOpacity": 10, "showPoints": "never"}}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [{"refId": chr(65 + index), "expr": expression, "legendFormat": legend, "exemplar": any(name in expression for name in TRACED), "datasource": SOURCE}
                    for index, (expression, legend) in enumerate(targets)],
    }


def board(name, title, rows, variable):
    panels, number, place = [], 1, 0
    for heading, row in rows:
        place = -(-place // 4) * 4
        top = panel(number, place, heading, "none", [], "")
        panels.append({"id": number, "type": "row", "title": heading, "collapsed": False, "panels": [],
                       "gridPos": {"h": 1, "w": 24, "x": 0, "y": top["gridPos"]["y"]}})
        number += 1
        for title_of, unit, targets, says in row:
            panels.append(panel(number, place, title_of, unit, targets, says))
            number, place = number + 1, place + 1
    variables = [{"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}]
    if variable:
        variables.append({"name": variable[0], "type": "query", "datasource": SOURCE, "refresh": 2, "sort": 1,
                          "query": {"query": variable[1], "refId": "A"}, "definition": variable[1]})
    return {
        "uid": f"portcullis-{name}", "title": title, "tags": ["portcullis"], "schemaVersion": 39, "version": 1,
        "editable": True, "graphTooltip": 1, "refresh": "30s", "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser", "templating": {"list": variables}, "annotations": {"list": []}, "panels": panels,
        "links": [{"type": "dashboards", "tags": ["portcullis"], "title": "Portcullis", "asDropdown": True, "includeVars": True}],
    }


def main():
    check, stale = sys.argv[1:] == ["--check"], []
    for name, (title, rows, variable) in BOARDS.items():
        path = FOLDER / f"{name}.json"
        text = json.dumps(board(name, title, rows, variable), indent=1) + "\n"
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.name)
        if not check:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.exit("stale, run `make charts-update`: " + ", ".join(stale))


if __name__ == "__main__":
    main()
