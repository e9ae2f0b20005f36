#!/usr/bin/env bash
# Every global symbol is ours: the shared library exports gr_* only (and no gr__*), the static one
# defines gr_* and gr__* only.
set -euo pipefail
cd "$GRADUS_BUILD"

exported=$(nm -D --defined-only libgradus.so | awk '{ print $NF }' | sed 's/@.*//' | sort -u)
# Sanitizers add tables of their own.
exported=$(grep -vE '^(__asan|__odr_asan|__ubsan|__tsan|__start|__stop)' <<<"$exported" || true)
bad=$(grep -vE '^gr_[a-z0-9]' <<<"$exported" | grep . || true)
if [ -n "$bad" ]; then
	echo "symbols: libgradus.so exports more than gr_*:" $bad >&2
	exit 1
fi

defined=$(nm --defined-only --extern-only libgradus.a 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u)
bad=$(grep -vE '^(gr_|__asan|__odr_asan|__ubsan|__tsan|__start|__stop|DW\.ref)' <<<"$defined" | grep . || true)
if [ -n "$bad" ]; then
	echo "symbols: libgradus.a defines globals outside gr_*:" $bad >&2
	exit 1
fi
echo "symbols: $(grep -c . <<<"$exported") exported, $(grep -c . <<<"$defined") global in all"
