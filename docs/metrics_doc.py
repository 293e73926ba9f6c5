#!/usr/bin/env python3
"""metrics_doc: docs/metrics.md out of base/metric_list.h.

usage: metrics_doc.py [LEVEE] [--check]     --check: exit 1 when the committed file is not current
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATH = ROOT / "docs" / "metrics.md"
ROW = re.compile(r'METRIC_FAMILY\((\w+), (\w+), "(\w+)", [\d.]+,\s*"([^"]*)"\)|/\* (.*?) \*/', re.S)
HEAD = """# Metrics

Made by docs/metrics_doc.py from base/metric_list.h; do not edit.

`http://ADDRESS/metrics` (`levee.http.listener`, 127.0.0.1:9644) answers in Prometheus' text format. Names are those that the JMX exporter gives Kafka's metrics, and
those of kafka_exporter, where there is one; dashboards made for them work. The others begin with `levee_`.

Counters and times are kept by each loop without locks and read as they are. Topics, partitions and groups are told by the loops themselves, in slices, when
somebody asks: `levee_metrics_complete` is 0 while they cannot (during recovery), or had no time within five seconds. Rows one by one end at
`levee.metrics.rows.max` partitions (whole topics, in order of name) and as many committed offsets; `levee_metrics_left_out` counts the rest, and sums stay whole.
A topic's counters begin anew when it is made anew; all counters begin at 0 with the process. Summaries (`quantile`, NaN without requests) look back between two and
a half and five minutes, their `_sum` and `_count` to the start; for other times take the histogram: `histogram_quantile(0.99, sum by (le, request) (rate(levee_request_seconds_bucket{phase="total"}[5m])))`.
Labels that are no UTF-8 are told with `\\x00` for each byte that is none.

What to be woken by: `levee_disk_is_short`, `kafka_log_logmanager_offlinelogdirectorycount`, `kafka_server_replicamanager_offlinereplicacount` (quarantined), a
`levee_group_lag_seconds` that grows, `histogram_quantile(0.99, rate(levee_journal_commit_seconds_bucket[5m]))`, `rate(levee_memory_refusals_total[5m])`, `rate(levee_loop_stalled_seconds_total[5m])`,
`predict_linear(levee_disk_free_bytes[6h], 86400) < 0`.
"""


def text_of(source):
    out = [HEAD]
    start = source.index("/* clang-format off */")
    for _, kind, name, help_text, section in ROW.findall(source[start:]):
        if section:
            if not section.startswith("clang-format"):
                out += ["", "## " + section[0].upper() + section[1:], "",
                        "| metric | type | labels | meaning |", "|---|---|---|---|"]
            continue
        labels = re.search(r" \{([^}]*)\}\.$", help_text)
        meaning = re.sub(r" \{[^}]*\}\.$", ".", help_text)
        out.append("| `%s` | %s | %s | %s |" % (
            name, kind.lower(),
            ", ".join("`%s`" % label for label in labels[1].split(", ")) if labels else "",
            meaning))
    return "\n".join(out).rstrip() + "\n"


def main():
    now = text_of((ROOT / "base" / "metric_list.h").read_text())
    if "--check" in sys.argv:
        if not PATH.exists() or PATH.read_text() != now:
            print("docs/metrics.md is not current; run docs/metrics_doc.py")
            return 1
        print("docs/metrics.md is current")
        return 0
    PATH.write_text(now)
    return 0


if __name__ == "__main__":
    sys.exit(main())
