# Each clause that the code cites is cited by a test, which shows that it is obeyed; each that a test cites is cited where the code obeys it.
#
# A citation stands in one line: the document, a comma, its clauses with ", " or " and " between; an appendix may be written out:
#	RFC 8555, 7.1.6 and 7.4		TS 33.310, 6.1.3c		TR 33.776, 6.9.1.1		RFC 9310, appendix A
# A document alone points to it and is not counted.  A clause is one or two digits, then periods and numbers: "RFC 8739, 9115" cites none.
# A test that takes its vectors from an example names the clause that they are an example of: "RFC 8037, 2, by the examples of its appendix".
set -euo pipefail
cd "$SOURCE"
python3 - <<'PY'
import pathlib, re, sys
DOCUMENT = r"\b(RFC \d{4}|T[RS] \d\d\.\d{3}|SEC \d)"
CLAUSE = r"(?:[Aa](?:ppendix|nnex) [A-Z]|[A-Z]\.\d+|\d{1,2}(?:\.\d+)*[a-z]?)(?![\w-])"
CITATION = re.compile(rf"{DOCUMENT},? ({CLAUSE}(?:(?:,| and) {CLAUSE})*)")
CODE = ("include", "src", "tokens")
TESTS = ("tests/unit", "tests/contract", "tests/golden", "tests/e2e", "tests/faults")

def cited(folders):
    places = {}
    for path in (path for folder in folders for path in sorted(pathlib.Path(folder).rglob("*"))):
        if path.suffix not in (".c", ".h", ".sh", ".txt"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for document, clauses in CITATION.findall(line):
                for clause in re.findall(CLAUSE, clauses):
                    places.setdefault(f"{document}, {clause.lower()}", []).append(f"{path}:{number}")
    return places

code, tests = cited(CODE), cited(TESTS)
if len(code) < 50:
    sys.exit(f"only {len(code)} clauses found: the pattern has ceased to match")
orphans = [f"{' '.join(code[clause])}: {clause} is cited in no test" for clause in sorted(code.keys() - tests.keys())]
orphans += [f"{' '.join(tests[clause])}: {clause} is cited nowhere in the code" for clause in sorted(tests.keys() - code.keys())]
print(*orphans, sep="\n")
sys.exit(len(orphans) > 0)
PY
