#!/usr/bin/env bash
# What a new user gets wrong: one clear line on stderr, the right exit code, nothing left behind.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
priors=$GRADUS_SOURCE/experiments/priors
image=$(ls "$priors"/fashion/images/*.png | head -1)
failed=0

# expect CODE TEXT -- COMMAND...: exit code, words in the message, one line, no output folder.
expect() {
	local code=$1 text=$2 got=0
	shift 3
	"$@" >"$dir/stdout" 2>"$dir/stderr" || got=$?
	if [ "$got" != "$code" ] || ! grep -q -- "$text" "$dir/stderr" ||
		[ "$(wc -l <"$dir/stderr")" != 1 ] || [ -s "$dir/stdout" ]; then
		echo "expected exit $code and '$text' in one line, got exit $got:" "$@" >&2
		cat "$dir/stderr" >&2
		failed=1
	fi
	if [ -e "$dir/out" ]; then
		echo "left behind:" "$(ls -R "$dir/out")" >&2
		failed=1
		rm -rf "$dir/out"
	fi
}

solve=("$GRADUS" solve --steps 2 --quiet --output "$dir/out" --input "$image")

expect 2 "unknown command 'slove'" -- "$GRADUS" slove
expect 2 "unknown option" -- "${solve[@]}" --sgima 0.1
expect 2 "input" -- "$GRADUS" solve --output "$dir/out"
expect 2 "inpaint_boxx" -- "${solve[@]}" --operator inpaint_boxx
expect 2 "sigma" -- "${solve[@]}" --sigma -0.1
expect 2 "sigma" -- "${solve[@]}" --sigma nan
expect 2 "steps" -- "${solve[@]}" --steps 0
expect 2 "solver" -- "${solve[@]}" --solver dpss
expect 2 "batch" -- "${solve[@]}" --batch x
expect 3 "missing.png" -- "$GRADUS" solve --quiet --output "$dir/out" --input "$dir/missing.png"
expect 3 "no .png files" -- "$GRADUS" solve --quiet --output "$dir/out" --input "$GRADUS_SOURCE/docs"
expect 3 "no_such_prior" -- "${solve[@]}" --prior no_such_prior
expect 3 "config.json" -- "$GRADUS" solve --config "$dir/config.json" --output "$dir/out"

# An image of another size; a file that is no image.
wrong=$dir/wrong.png
"$GRADUS" sample -n 4 --steps 2 --quiet --output "$wrong" >/dev/null
expect 3 "the prior needs 32 x 32" -- "$GRADUS" solve --quiet --output "$dir/out" --input "$wrong"
head -c 100 "$image" >"$dir/cut.png"
expect 3 "cut.png" -- "$GRADUS" solve --quiet --output "$dir/out" --input "$dir/cut.png"
expect 2 "exists" -- "$GRADUS" sample -n 1 --steps 2 --quiet --output "$wrong"

# Weights cut short.
cp -r "$priors/fashion" "$dir/prior"
head -c 100000 "$priors/fashion/weights.safetensors" >"$dir/prior/weights.safetensors"
expect 3 "weights.safetensors" -- "${solve[@]}" --prior "$dir/prior"

# A folder that cannot be made: below a file. Not a permission, since root has all.
expect 3 "cut.png" -- "$GRADUS" solve --steps 2 --quiet --input "$image" --output "$dir/cut.png/out"

# An existing folder stays as it is.
mkdir "$dir/mine"
echo precious >"$dir/mine/notes.txt"
expect 2 "exists" -- "$GRADUS" solve --steps 2 --quiet --input "$image" --output "$dir/mine"
[ "$(cat "$dir/mine/notes.txt")" = precious ]
[ "$(ls "$dir/mine")" = notes.txt ]

# Too little memory: the operation, what it asked for, what there was; and a size that is none.
for limit in 100K 4M 8000000 12M; do
	expect 5 ": .*[0-9]* bytes were refused with [0-9.]* MiB in use, [0-9.]* at the peak, of a limit" \
		-- env "GRADUS_MEMORY_LIMIT=$limit" "${solve[@]}"
done
expect 2 "'lots' is no size" -- env GRADUS_MEMORY_LIMIT=lots "${solve[@]}"
expect 2 "'1T' is no size" -- env GRADUS_MEMORY_LIMIT=1T "${solve[@]}"

# The system's own limit, met in the middle of a run: what was begun stays for --resume.
got=0
(
	ulimit -v 400000
	"$GRADUS" --version >/dev/null 2>&1 || exit 5 # a sanitizer needs more than that
	"${solve[@]}" --threads 1 --particles 1000 --batch 1000 2>"$dir/stderr"
	exit $?
) || got=$?
if [ "$got" != 5 ]; then
	echo "address space: exit $got:" "$(cat "$dir/stderr")" >&2
	failed=1
fi
rm -rf "$dir/out"

# A full disk, by a limit on the size of files: what was begun has no half-written file in it.
got=0
(
	trap '' XFSZ
	ulimit -f 1
	"${solve[@]}" >/dev/null 2>"$dir/stderr"
) || got=$?
if [ "$got" != 3 ] || [ "$(wc -l <"$dir/stderr")" != 1 ]; then
	echo "full disk: exit $got:" "$(cat "$dir/stderr")" >&2
	failed=1
fi
if find "$dir/out" -name '*.tmp*' | grep -q .; then
	echo "full disk: temporary files left" >&2
	failed=1
fi
rm -rf "$dir/out"

[ "$failed" = 0 ] && echo "errors: ok"
exit "$failed"
