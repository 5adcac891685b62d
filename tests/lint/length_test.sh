# No source file is longer than 600 lines, no function than 60.
set -euo pipefail
cd "$SOURCE"
python3 - <<'PY'
import pathlib, re, sys
bad = 0
for root in ("include", "src", "tokens", "tests"):
    for path in sorted(pathlib.Path(root).rglob("*.[ch]")):
        lines = path.read_text().splitlines()
        if len(lines) > 600:
            print(f"{path}: {len(lines)} lines"); bad = 1
        start = None
        for number, line in enumerate(lines, 1):
            if line == "{" and number > 1 and lines[number - 2].rstrip().endswith(")"):
                start = number
            elif line == "}" and start:
                if number - start + 1 > 60:
                    print(f"{path}:{start}: a function of {number - start + 1} lines"); bad = 1
                start = None
sys.exit(bad)
PY
