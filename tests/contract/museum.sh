#!/usr/bin/env bash
# tests/museum is up to date: every page is whole, and what it would change stands once in its file.
# Whether the suite notices each mistake is seen by tests/long/museum.sh.
set -euo pipefail
cd "$GRADUS_SOURCE"
# shellcheck source=tests/museum/page.sh
source tests/museum/page.sh
failed=0 pages=0
for page in tests/museum/*.txt; do
	read_page "$page"
	pages=$((pages + 1))
	for part in "$page_mistake" "$page_source" "$page_file" "$page_tests" "$page_ours"; do
		[ -n "$part" ] || { echo "$page: a part is missing" >&2; failed=1; }
	done
	[ "$page_ours" != "$page_theirs" ] || { echo "$page: it changes nothing" >&2; failed=1; }
	count=$(count_ours .)
	[ "$count" = 1 ] || { echo "$page: what it changes stands $count times in $page_file" >&2; failed=1; }
done
echo "museum: $pages pages"
exit $failed
