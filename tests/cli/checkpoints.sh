#!/usr/bin/env bash
# model info and convert: what they print, what they refuse with which exit code, in one line.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
corpus=$GRADUS_SOURCE/tests/fuzz/corpus
failed=0

# expect CODE TEXT -- COMMAND...: exit code and words; one line on stderr when it is an error.
expect() {
	local code=$1 text=$2 got=0
	shift 3
	"$@" >"$dir/stdout" 2>"$dir/stderr" || got=$?
	if [ "$got" != "$code" ] || ! grep -qF -- "$text" "$dir/stdout" "$dir/stderr" ||
		{ [ "$code" != 0 ] && { [ "$(wc -l <"$dir/stderr")" != 1 ] || [ -s "$dir/stdout" ]; }; }; then
		echo "expected exit $code and '$text', got exit $got:" "$@" >&2
		cat "$dir/stdout" "$dir/stderr" >&2
		failed=1
	fi
}

info=("$GRADUS" model info)
expect 0 "| w | F32 | [2,2] | 16 |" -- "${info[@]}" "$corpus/checkpoint/zip.pt"
expect 0 "format: PyTorch zip archive" -- "${info[@]}" "$corpus/checkpoint/zip.pt"
expect 0 "state dict at: '/state_dict'" -- "${info[@]}" "$corpus/checkpoint/small.pt"
expect 0 "| w | F16 | [2,2] | 8 |" -- "${info[@]}" "$corpus/checkpoint/small.pt"
expect 0 "| b | F32 | [2,2] | 16 |" -- "${info[@]}" "$corpus/checkpoint/legacy.pth"
expect 0 "| weight | F32 | [1,2] | 8 |" -- "${info[@]}" "$corpus/checkpoint/module.pkl"
expect 0 "format: safetensors" -- "${info[@]}" "$corpus/tensorfile/a.safetensors"
expect 0 "parameters: 6" -- "${info[@]}" "$corpus/tensorfile/a.safetensors" --brief
expect 0 "sha256: $(sha256sum "$corpus/checkpoint/zip.pt" | cut -c1-64)" -- \
	"${info[@]}" "$corpus/checkpoint/zip.pt" --check

expect 2 "no subcommand" -- "$GRADUS" model
expect 2 "did you mean info" -- "$GRADUS" model inof
expect 2 "no FILE" -- "${info[@]}"
expect 2 "did you mean --strict" -- "${info[@]}" x --stric
expect 3 "cannot open" -- "${info[@]}" "$dir/absent.pt"
expect 3 "Is a directory" -- "${info[@]}" "$dir"
expect 3 "there are no tensors at the root '/ema'" -- \
	"${info[@]}" "$corpus/checkpoint/small.pt" --root /ema
expect 3 "which is neither a tensor nor a plain container" -- \
	"${info[@]}" "$corpus/checkpoint/module.pkl" --strict
expect 3 "one.safetensors" -- "${info[@]}" "$corpus/tensorfile/index.json"
printf 'text' >"$dir/text"
expect 3 "$dir/text" -- "${info[@]}" "$dir/text"
: >"$dir/empty"
expect 3 "$dir/empty" -- "${info[@]}" "$dir/empty"
for file in zip.pt legacy.pth module.pkl; do
	for bytes in 1 10 60 200 300; do
		head -c $bytes "$corpus/checkpoint/$file" >"$dir/cut"
		expect 3 "$dir/cut" -- "${info[@]}" "$dir/cut"
	done
done
# A name that would clear the terminal.
printf '\200\2}X\4\0\0\0\33[2Jc__main__\nT\n)R.' >"$dir/escape"
expect 3 "$dir/escape" -- "${info[@]}" "$dir/escape"

out=$dir/out.safetensors
expect 0 "$out" -- "$GRADUS" convert "$corpus/checkpoint/legacy.pth" "$out"
expect 0 "| b | F32 | [2,2] | 16 |" -- "${info[@]}" "$out"
expect 2 "exists" -- "$GRADUS" convert "$corpus/checkpoint/zip.pt" "$out"
expect 0 "$out" -- "$GRADUS" convert "$corpus/checkpoint/zip.pt" "$out" --force --dtype f16
expect 0 "| w | F16 | [2,2] | 8 |" -- "${info[@]}" "$out"
expect 0 "$dir/bf16" -- "$GRADUS" convert "$out" "$dir/bf16" --dtype bf16
expect 0 "| w | BF16 | [2,2] | 8 |" -- "${info[@]}" "$dir/bf16"
expect 2 "--dtype 'f8'" -- "$GRADUS" convert "$out" "$dir/x" --dtype f8
expect 2 "IN and OUT" -- "$GRADUS" convert "$out"
expect 3 "$dir/cut" -- "$GRADUS" convert "$dir/cut" "$dir/x"
expect 3 "$dir/nowhere" -- "$GRADUS" convert "$out" "$dir/nowhere/x"
# 1e30 has no f16.
printf '\71\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}   \312\362\111\161' \
	>"$dir/large"
expect 4 "does not fit f16" -- "$GRADUS" convert "$dir/large" "$dir/x" --dtype f16
if [ -e "$dir/x" ]; then
	echo "convert left a file behind after an error" >&2
	failed=1
fi
[ "$failed" = 0 ] && echo "checkpoints: ok"
exit "$failed"
