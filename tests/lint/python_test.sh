# Python in tests/ reads like the rest: a first line that says what the file is for, at most 400 lines, functions of at most 60, lines of 132.
set -euo pipefail
cd "$SOURCE"
python3 - <<'PY'
import ast, pathlib, sys
bad = 0
def say(text):
    global bad
    print(text)
    bad = 1
for path in sorted(found for root in ("tests/support/ra", "tests/faults") for found in pathlib.Path(root).rglob("*.py")):
    text = path.read_text()
    lines = text.splitlines()
    name = path.parent.name if path.name == "__init__.py" else path.name
    if not lines or not lines[0].startswith(f'"""{name} -- ') or not lines[0].endswith('"""'):
        say(f"{path} does not begin with its one sentence")
    if len(lines) > 400:
        say(f"{path}: {len(lines)} lines")
    for number, line in enumerate(lines, 1):
        if len(line) > 132 or line != line.rstrip() or "\t" in line:
            say(f"{path}:{number}: too long, a tab, or blanks at the end")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno - node.lineno + 1 > 60:
            say(f"{path}:{node.lineno}: a function of {node.end_lineno - node.lineno + 1} lines")
sys.exit(bad)
PY
