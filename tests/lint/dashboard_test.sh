# The dashboard is JSON, each panel has its place and its questions, and each metric and label in them is one that the program has.
set -euo pipefail
cd "$SOURCE"
python3 - conf/grafana/dashboard.json src/base/metrics.c src/page/metrics_server.c <<'PY'
import json, re, sys
dashboard = json.load(open(sys.argv[1]))
source = "".join(open(name).read() for name in sys.argv[2:])
bad = []
# A histogram is three names.
histograms = set(re.findall(r'"(hwacme_[a-z_]+)", "histogram"', source))
known = set(re.findall(r"hwacme_[a-z_]+", source)) - histograms
known |= {name + part for name in histograms for part in ("_bucket", "_sum", "_count")}
labels = set(re.findall(r'[{,]?\b([a-z]+)=\\"', source)) | {"instance", "job"}

def check(where, expr):
    found = re.findall(r"\bhwacme_[a-z_]+", expr)
    bad.extend(f"{where}: {name} is no metric" for name in found if name not in known)
    if not found:
        bad.append(f"{where}: asks for nothing of ours: {expr}")
    used = [name for part in re.findall(r"\{([^{}]*)\}", expr) for name in re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", part)]
    used += [name for part in re.findall(r"\b(?:by|on|group_left)\s*\(([^)]*)\)", expr) for name in re.findall(r"[a-z_]+", part)]
    bad.extend(f"{where}: {name} is no label" for name in used if name not in labels)
    for left, right in ("()", "{}", "[]"):
        if expr.count(left) != expr.count(right):
            bad.append(f"{where}: {left}{right} do not match in {expr}")

taken = set()
for panel in dashboard["panels"]:
    where = f'panel "{panel["title"]}"'
    if not panel["targets"] or panel["datasource"]["uid"] != "${datasource}":
        bad.append(f"{where}: no question, or another source of data")
    for target in panel["targets"]:
        check(where, target["expr"])
        bad.extend(f"{where}: {name} is no label" for name in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")) if name not in labels)
    place = panel["gridPos"]
    cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
    if cells & taken or place["x"] + place["w"] > 24:
        bad.append(f"{where}: lies on another, or over the edge")
    taken |= cells
if len({panel["id"] for panel in dashboard["panels"]}) != len(dashboard["panels"]) or len(dashboard["panels"]) < 5:
    bad.append("panels: too few, or an id twice")
for variable in dashboard["templating"]["list"]:
    if variable["type"] == "query":
        check(f'variable {variable["name"]}', variable["definition"])
for annotation in dashboard["annotations"]["list"]:
    check(f'annotation "{annotation["name"]}"', annotation["expr"])
# What the design promises to those who look is all there.
shown = json.dumps(dashboard)
bad += [f"{name} is not on it" for name in known if name not in shown and not name.endswith(("_sum", "_count", "_dropped_total"))]
sys.exit("FAILED: " + "; ".join(bad) if bad else 0)
PY
