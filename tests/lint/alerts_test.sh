# The alert rules are YAML, each has what Prometheus wants of one and what to do then, and each metric in them is one that the program has.
set -euo pipefail
cd "$SOURCE"
python3 - conf/prometheus/alerts.yaml src/base/metrics.c src/page/metrics_server.c <<'PY'
import re, sys
rules, *sources = (open(name).read() for name in sys.argv[1:])
known = set(re.findall(r"hwacme_[a-z_]+", "".join(sources)))
bad = [name for name in re.findall(r"\bhwacme_[a-z_]+", rules) if name not in known]
alerts = re.split(r"^\s*- alert: ", rules, flags=re.M)[1:]
bad += [alert.split("\n")[0] for alert in alerts for part in ("expr:", "severity:", "summary:", "description:") if part not in alert]
assert alerts, "no alerts"
sys.exit(f"FAILED: {bad}" if bad else 0)
PY
