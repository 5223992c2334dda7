"""Saved objects of Kibana and of OpenSearch Dashboards from one description: a data view, saved searches, panels, one dashboard.

Usage: generate.py [--check]    with --check nothing is written, and what is stale is named (exit status 1).

Both files hold the same objects in the form of Kibana 7.10, from which OpenSearch Dashboards was forked and which later
Kibanas migrate when they import it; only the stamps that say so differ. services/search/tests/it/objects.rs reads them.
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
STREAM = "portcullis-journal"
# The form of each type, as of 7.10.
FORM = {"index-pattern": "7.6.0", "search": "7.9.3", "visualization": "7.10.0", "dashboard": "7.9.3"}

SOURCE = "kibanaSavedObjectMeta.searchSourceJSON"
VERDICTS = "portcullis.kind: verdict"


def terms(field, size=10, schema="segment"):
    return {"type": "terms", "schema": schema, "params": {
        "field": field, "size": size, "order": "desc", "orderBy": "1", "otherBucket": False, "missingBucket": False}}


def over_time():
    return {"type": "date_histogram", "schema": "segment", "params": {
        "field": "@timestamp", "interval": "auto", "min_doc_count": 1, "useNormalizedEsInterval": True,
        "drop_partials": False, "extended_bounds": {}}}


COUNT = {"type": "count", "schema": "metric", "params": {}}

# id: (title, kind, what is counted, by what, of which documents)
PANELS = {
    "messages": ("Messages", "metric", [COUNT], [], VERDICTS),
    "people": ("Speakers", "metric", [{"type": "cardinality", "schema": "metric", "params": {"field": "user.hash"}}], [], VERDICTS),
    "decisions-over-time": ("Decisions over time", "histogram", [COUNT],
                            [over_time(), terms("portcullis.decision", 6, "group")], VERDICTS),
    "findings": ("Findings by kind", "horizontal_bar", [COUNT], [terms("portcullis.findings.kind", 15)], VERDICTS),
    "findings-over-time": ("Findings over time", "histogram", [COUNT],
                           [over_time(), terms("portcullis.findings.kind", 8, "group")], VERDICTS),
    "gaps-over-time": ("Gaps over time: checks that did not happen", "histogram", [COUNT],
                       [over_time(), terms("portcullis.gaps.stage", 8, "group")], "portcullis.gaps.stage: *"),
    "gaps": ("Gaps by stage and cause", "table", [COUNT],
             [terms("portcullis.gaps.stage", 10, "bucket"), terms("portcullis.gaps.cause", 10, "bucket")],
             "portcullis.gaps.stage: *"),
    "bots": ("Bots", "table", [COUNT, {"type": "avg", "schema": "metric", "params": {"field": "portcullis.score"}},
                               {"type": "cardinality", "schema": "metric", "params": {"field": "user.hash"}}],
             [terms("portcullis.bot", 20, "bucket"), terms("portcullis.decision", 6, "bucket")], VERDICTS),
    "shadow": ("What bots in shadow mode would have been told", "table", [COUNT],
               [terms("portcullis.bot", 20, "bucket"), terms("portcullis.shadow_decision", 6, "bucket")],
               "portcullis.shadow_decision: *"),
    "latency": ("Time to a verdict, µs", "line",
                [{"type": "percentiles", "schema": "metric", "params": {"field": "portcullis.took_us", "percents": [50, 95, 99]}}],
                [over_time()], VERDICTS),
    "speakers": ("Speakers who are refused most", "table", [COUNT], [terms("user.hash", 15, "bucket")],
                 "event.type: denied"),
}

# id: (title, columns, of which documents)
SEARCHES = {
    "refused": ("Refused messages", ["portcullis.bot", "portcullis.decision", "portcullis.reasons", "portcullis.score",
                                     "user.hash", "event.id"], "event.kind: alert"),
    "orders": ("Orders and resolutions", ["portcullis.bot", "event.action", "portcullis.scope", "portcullis.by",
                                          "portcullis.message"], "portcullis.kind: (action or resolution)"),
}

# Rows of the dashboard, each with its height; the width of a row is 48.
ROWS = [
    (6, [("visualization", "messages", 24), ("visualization", "people", 24)]),
    (14, [("visualization", "decisions-over-time", 48)]),
    (14, [("visualization", "findings-over-time", 28), ("visualization", "findings", 20)]),
    (14, [("visualization", "gaps-over-time", 28), ("visualization", "gaps", 20)]),
    (14, [("visualization", "bots", 24), ("visualization", "latency", 24)]),
    (12, [("visualization", "shadow", 24), ("visualization", "speakers", 24)]),
    (16, [("search", "refused", 48)]),
    (12, [("search", "orders", 48)]),
]


def name_of(key):
    return f"portcullis-{key}"


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def source(query):
    return {"searchSourceJSON": compact({
        "query": {"language": "kuery", "query": query}, "filter": [], "indexRefName": f"{SOURCE}.index"})}


def to_the_stream():
    return [{"name": f"{SOURCE}.index", "type": "index-pattern", "id": STREAM}]


def axes(kind):
    """What a chart with axes needs to be drawn."""
    lying = kind == "horizontal_bar"
    drawn = "line" if kind == "line" else "histogram"
    return {
        "grid": {"categoryLines": False},
        "categoryAxes": [{"id": "CategoryAxis-1", "type": "category", "position": "left" if lying else "bottom", "show": True,
                          "scale": {"type": "linear"}, "labels": {"show": True, "filter": not lying, "truncate": 200}, "title": {}}],
        "valueAxes": [{"id": "ValueAxis-1", "name": "BottomAxis-1" if lying else "LeftAxis-1", "type": "value",
                       "position": "bottom" if lying else "left", "show": True, "scale": {"type": "linear", "mode": "normal"},
                       "labels": {"show": True, "rotate": 0, "filter": True, "truncate": 100}, "title": {"text": ""}}],
        "seriesParams": [{"show": True, "type": drawn, "mode": "normal" if kind == "line" else "stacked",
                          "data": {"id": "1", "label": ""}, "valueAxis": "ValueAxis-1", "drawLinesBetweenPoints": True,
                          "lineWidth": 2, "showCircles": True, "interpolate": "linear"}],
        "addTooltip": True, "addLegend": True, "legendPosition": "right", "times": [], "addTimeMarker": False,
        "labels": {"show": False}, "thresholdLine": {"show": False, "value": 10, "width": 1, "style": "full", "color": "#E7664C"},
    }


def params(kind):
    if kind == "table":
        return {"perPage": 10, "showPartialRows": False, "showMetricsAtAllLevels": False, "showTotal": False,
                "totalFunc": "sum", "percentageCol": "", "sort": {"columnIndex": None, "direction": None}}
    if kind == "metric":
        return {"addTooltip": True, "addLegend": False, "type": "metric", "metric": {
            "percentageMode": False, "useRanges": False, "colorSchema": "Green to Red", "metricColorMode": "None",
            "colorsRange": [{"from": 0, "to": 10000}], "labels": {"show": True}, "invertColors": False,
            "style": {"bgFill": "#000", "bgColor": False, "labelColor": False, "subText": "", "fontSize": 40}}}
    return {"type": "line" if kind == "line" else "histogram", **axes(kind)}


def data_view():
    attributes = {"title": STREAM, "timeFieldName": "@timestamp", "fields": "[]"}
    return {"type": "index-pattern", "id": STREAM, "attributes": attributes, "references": []}


def panel(key):
    title, kind, metrics, buckets, query = PANELS[key]
    aggregations = [{"id": str(number), "enabled": True, **one} for number, one in enumerate(metrics + buckets, 1)]
    title = f"Portcullis: {title}"
    attributes = {
        "title": title, "description": "", "version": 1, "uiStateJSON": "{}", "kibanaSavedObjectMeta": source(query),
        "visState": compact({"title": title, "type": kind, "aggs": aggregations, "params": params(kind)}),
    }
    return {"type": "visualization", "id": name_of(key), "attributes": attributes, "references": to_the_stream()}


def search(key):
    title, columns, query = SEARCHES[key]
    attributes = {"title": f"Portcullis: {title}", "description": "", "hits": 0, "columns": columns, "version": 1,
                  "sort": [["@timestamp", "desc"]], "kibanaSavedObjectMeta": source(query)}
    return {"type": "search", "id": name_of(key), "attributes": attributes, "references": to_the_stream()}


def dashboard():
    panels, references, top = [], [], 0
    for height, row in ROWS:
        left = 0
        for kind, key, width in row:
            number = len(panels)
            place = {"x": left, "y": top, "w": width, "h": height, "i": str(number)}
            panels.append({"version": "7.10.0", "panelIndex": str(number), "gridData": place, "embeddableConfig": {},
                           "panelRefName": f"panel_{number}"})
            references.append({"name": f"panel_{number}", "type": kind, "id": name_of(key)})
            left += width
        top += height
    attributes = {
        "title": "Portcullis", "hits": 0, "version": 1, "timeRestore": True, "timeFrom": "now-24h", "timeTo": "now",
        "refreshInterval": {"pause": True, "value": 0},
        "description": "What was decided, what was found, and what was not checked", "panelsJSON": compact(panels),
        "optionsJSON": compact({"hidePanelTitles": False, "useMargins": True}),
        "kibanaSavedObjectMeta": {"searchSourceJSON": compact({"query": {"language": "kuery", "query": ""}, "filter": []})},
    }
    return {"type": "dashboard", "id": name_of("dashboard"), "attributes": attributes, "references": references}


def lines(stamp):
    objects = [data_view(), *map(search, SEARCHES), *map(panel, PANELS), dashboard()]
    end = {"exportedCount": len(objects), "missingRefCount": 0, "missingReferences": []}
    return "".join(compact(one) + "\n" for one in [*({**one, **stamp(one["type"])} for one in objects), end])


FILES = {
    "kibana.ndjson": lines(lambda kind: {"coreMigrationVersion": "8.8.0", "typeMigrationVersion": FORM[kind]}),
    "opensearch-dashboards.ndjson": lines(lambda kind: {"migrationVersion": {kind: FORM[kind]}}),
}

if __name__ == "__main__":
    check = sys.argv[1:] == ["--check"]
    stale = [name for name, text in FILES.items()
             if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != text]
    if check and stale:
        sys.exit(f"stale: {', '.join(stale)}: run deploy/kibana/generate.py")
    for name in stale:
        (FOLDER / name).write_text(FILES[name], encoding="utf-8")
        print(f"written: {name}")
