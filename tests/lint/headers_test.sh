# Every header compiles alone, so that it says itself what it needs.
set -euo pipefail
cd "$SOURCE"
bad=0
for header in include/*.h src/*/*.h tokens/*.h; do
	cc -std=gnu17 -D_GNU_SOURCE -DHWACME_VERSION='""' -Wall -Wextra -Werror -fsyntax-only -x c -Iinclude $(printf -- '-I%s ' src/*/) -Itokens \
		$(pkg-config --cflags p11-kit-1 jansson libcurl tss2-esys) "$header" || { echo "$header does not compile alone"; bad=1; }
done
# include/README.md names each of the vocabulary, and no other.
diff <(sed -n 's/^| `\([a-z_]*\.h\)` .*/\1/p' include/README.md | sort) <(basename -a include/*.h | sort) || { echo "include/README.md: not the headers there are"; bad=1; }
exit $bad
