#!/usr/bin/env bash
# A layer includes headers of itself and of layers to its left, nothing else: by reading every
# #include, and by showing that a wrong one does not compile with the layer's own flags.
set -euo pipefail
cd "$GRADUS_SOURCE"

layers=(tensor autograd nn models inverse experiments)
failed=0
complain() {
	echo "layering: $*" >&2
	failed=1
}

# Headers of a layer as others name them: "gradus/nn.h" (include/) and "kern.h" (internal/).
headers() { # layer folder
	[ ! -d "$1/$2" ] || (cd "$1/$2" && find . -name '*.h' | sed 's,^\./,,')
}

# Does a source of this layer reach left/folder/header? (A system header of that name is not ours.)
reaches() { # layer left/folder/ header
	local layer dirs flags=()
	while read -r layer dirs; do
		if [ "$layer" = "$1" ]; then
			for dir in $dirs; do flags+=("-I$dir"); done
		fi
	done <"$GRADUS_BUILD/tests/layers.txt"
	echo "#include \"$3\"" |
		"$CC" -std=c17 -D_DEFAULT_SOURCE "${flags[@]}" -M -x c - 2>/dev/null | grep -qF "/$2$3"
}

sources() { # layer
	find "$1" -name '*.[ch]' -print0
}

checked=0
for at in "${!layers[@]}"; do
	layer=${layers[$at]}
	# No path may climb out of a layer into another.
	while IFS= read -r line; do
		complain "$line: climbs out of its layer"
	done < <(sources "$layer" | xargs -0r \
		grep -HnE "#[[:space:]]*include.*\.\./($(IFS='|'; echo "${layers[*]}"))/" || true)

	for right in "${layers[@]:at+1}"; do
		for header in $(headers "$right" include) $(headers "$right" internal); do
			[ ! -e "$layer/include/$header" ] && [ ! -e "$layer/internal/$header" ] || continue
			while IFS= read -r line; do
				complain "$line: $layer may not see $right"
			done < <(sources "$layer" |
				xargs -0r grep -HnF -e "\"$header\"" -e "<$header>" | grep '#[[:space:]]*include' || true)
		done
		# One header of each kind is enough to show that the folder is out of sight.
		for folder in include internal; do
			header=$(headers "$right" "$folder" | sort | head -n 1)
			if [ -n "$header" ]; then
				checked=$((checked + 1))
				! reaches "$layer" "$right/$folder/" "$header" ||
					complain "$right/$folder/$header compiles in $layer"
			fi
		done
	done

	# Internal headers are seen by the next layer only; what is public compiles all the way.
	for left in "${layers[@]:0:at}"; do
		for header in $(headers "$left" internal); do
			if [ "$left" != "${layers[at - 1]}" ]; then
				checked=$((checked + 1))
				! reaches "$layer" "$left/internal/" "$header" ||
					complain "$left/internal/$header compiles in $layer"
			fi
		done
		header=$(headers "$left" include | sort | head -n 1)
		if [ -n "$header" ]; then
			reaches "$layer" "$left/include/" "$header" ||
				complain "$left/include/$header does not compile in $layer"
		fi
	done
done
echo "layering: $checked wrong includes tried"
exit $failed
