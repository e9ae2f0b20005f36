#!/usr/bin/env bash
# Sizes, names and layout of the sources (style: sections 3 and 5).
set -euo pipefail
cd "$GRADUS_SOURCE"

failed=0
complain() {
	echo "sizes: $*" >&2
	failed=1
}

roots=(tensor autograd nn models inverse experiments tests)
mapfile -t files < <(find "${roots[@]}" -name '*.[ch]' | sort)
[ ${#files[@]} -gt 0 ] || exit 77

for file in "${files[@]}"; do
	lines=$(wc -l <"$file")
	if [ "$lines" -gt 800 ]; then
		complain "$file: $lines lines, the limit is 800"
	elif [ "$lines" -gt 600 ] && ! sed '/\*\//q' "$file" | grep -q 'Length:'; then
		complain "$file: $lines lines; past 600 the header comment says why, after 'Length:'"
	fi
	case $file in
	*/include/*)
		[ "$lines" -le 300 ] || complain "$file: $lines lines, the limit of a public header is 300"
		;;
	esac
	case ${file##*/} in
	util.[ch] | utils.[ch] | common.[ch] | misc.[ch]) complain "$file: name the thing it holds" ;;
	esac
	[ "${file,,}" = "$file" ] || complain "$file: file names are lower case"
	[ "$(head -c 2 "$file")" = "/*" ] || complain "$file: starts without its header comment"
done

while IFS= read -r line; do
	complain "$line: trailing white space"
done < <(grep -nE '[[:space:]]+$' "${files[@]}" | cut -d: -f1,2 || true)

# Only version 14 decides: others break lines in other places.
if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
	for file in "${files[@]}"; do
		clang-format --dry-run -Werror "$file" >/dev/null 2>&1 ||
			complain "$file: not as clang-format wants it (clang-format -i $file)"
	done
fi
echo "sizes: ${#files[@]} files"
exit $failed
