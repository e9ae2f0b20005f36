#!/usr/bin/env bash
# Tables: shards merge to the bytes of one run, a killed run ends with them after --resume, a run's
# config.json makes them again; what does not belong together is refused and nothing is written.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
smoke=(--preset smoke --set n=3 --set steps=2 --quiet)

say() {
	echo "table: $*" >&2
	exit 1
}

# same A B: all files but timings, and what a row's own folder says of it alone
same() {
	for f in table.md table.csv table.tex table.json panel.png; do
		cmp "$1/$f" "$2/$f" || say "$f of $2 is not that of $1"
	done
	for f in "$1"/rows/*/metrics.csv; do
		cmp "$f" "$2/${f#"$1"/}" || say "$f differs"
	done
}

"$GRADUS" table dps_pixel "${smoke[@]}" --output whole >whole.md
grep -q '^| SR x4 | DPS | ' whole.md || say "no row of DPS"
for f in whole/table.{md,csv,tex,json} whole/panel.png; do
	[ -s "$f" ] || say "$f is missing"
done

for i in 1 2 3; do
	"$GRADUS" table dps_pixel "${smoke[@]}" --shard $i/3 --output shard$i
done
"$GRADUS" merge shard3 shard1 shard2 --output merged >merged.md
same whole merged

"$GRADUS" table --config whole --output again --quiet >/dev/null
same whole again
cmp whole/config.json again/config.json

# Killed at any point, resumed: the same.
for after in 0.3 0.9; do
	"$GRADUS" table dps_pixel "${smoke[@]}" --output killed >/dev/null &
	pid=$!
	sleep $after
	kill -9 $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
	"$GRADUS" table dps_pixel "${smoke[@]}" --output killed --resume >/dev/null
	same whole killed
	rm -r killed
done

# What is refused: exit code, word in the message, nothing written.
refused() {
	local code=$1 word=$2 got=0
	shift 2
	"$GRADUS" "$@" >out.txt 2>err.txt || got=$?
	[ $got -eq "$code" ] || say "$*: exit $got, expected $code"
	grep -q -- "$word" err.txt || say "$*: no '$word' in: $(cat err.txt)"
	[ ! -e none ] || say "$*: it wrote something"
}
refused 2 'did you mean dps_pixel' table dps_pixl --output none
refused 2 'whole number' table dps_pixel --set n=x --output none
refused 2 'none of its parameters' table dps_pixel --set m=1 --output none
refused 2 'preset' table dps_pixel --preset big --output none
refused 2 'shard' table dps_pixel --shard 4/3 --output none
refused 2 'not empty' table dps_pixel "${smoke[@]}" --output whole
refused 2 'given' merge shard1 shard2 --output none
refused 2 'same shard' merge shard1 shard2 shard2 --output none
refused 2 'is shard' merge whole shard1 --output none
refused 3 'config.json' merge nowhere shard1 --output none

# The plan's evaluations are those of a run; what is missing is named.
"$GRADUS" plan dps_pixel "${smoke[@]:0:6}" --untimed >plan.md
grep -q '^| SR x4 | DPS | 6 | 2 | 2 | ' plan.md || say "plan: $(grep DPS plan.md | head -1)"
"$GRADUS" plan dps_pixel --preset full --untimed >plan.md
grep -q 'needs the network ffhq-256' plan.md || say "plan: no missing prior is named"
"$GRADUS" table dps_pixel --preset full --dry-run | grep -q 'SR x4, DPS: needs the network ffhq-256; --prior ffhq-256' ||
	say "no dry run"
# A search: every combination, the best by the score; draws from a range follow the seed.
images=$GRADUS_SOURCE/experiments/priors/fashion/images
"$GRADUS" sweep --over cg=1,3 --over sigma=0.05,0.2 --solver 'mmps:cg={cg}' --operator blur_gauss \
	--input "$images" --limit 2 --steps 2 --output grid --quiet >grid.md
[ "$(grep -c '^| blur_gauss | cg=' grid.md)" = 4 ] || say "sweep: not 4 points"
grep -q '"solver": "mmps:cg=3"' grid/rows/*cg-3*/config.json || say "sweep: {cg} is not 3"
best=$(sed -n 's/^best by psnr: //p' grid.md)
top=$(sed -n 's/^| blur_gauss | \(cg=[^|]*[^ |]\) *| [*]*\([0-9.]*\).*/\2 \1/p' grid.md | sort -rn | head -1)
[ "${top#* }" = "$best" ] || say "sweep: best is '$best', the largest PSNR that of '$top'"
"$GRADUS" sweep --over scale~0.5..2 --draws 2 --seed 3 --input "$images" --limit 1 --steps 2 \
	--output draws --quiet >draws.md
grep -qE '^\| inpaint_box \| scale=(0\.[5-9]|1\.)' draws.md || say "sweep: no draw between 0.5 and 2"
refused 2 'cannot read' sweep --over scale=a --input "$images" --output none
refused 2 'no score' sweep --over scale=1 --input "$images" --output none --metric beauty

echo "table: shards, resume, config, refusals, plan"
