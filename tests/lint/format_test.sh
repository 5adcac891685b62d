# The code is formatted as .clang-format says.
set -euo pipefail
cd "$SOURCE"
find include src tokens tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror
