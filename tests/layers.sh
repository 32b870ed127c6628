#!/bin/sh
# SPDX-License-Identifier: ISC
#
# The layers hold.
#
#   main > daemon > proxy > report > state > wire > base
#
# An include points down this list, or stays in its layer; wire includes wire
# alone.  And wire is pure: what libwire.a needs from outside is on the short
# list below, so that a call to the log, to malloc or to open is an error here.

src=${DURWARD_SRCDIR:-.}/src
lib=${1-libwire.a}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
bad=0

complain() {
	echo "$*"
	bad=$((bad + 1))
}

rank() {
	case $1 in
	base)	echo 1 ;;
	wire)	echo 2 ;;
	state)	echo 3 ;;
	report)	echo 4 ;;
	proxy)	echo 5 ;;
	daemon)	echo 6 ;;
	main)	echo 7 ;;
	*)	echo 0 ;;
	esac
}

# "FILE LINE LAYER HEADER" for each include of a project header.  Which layer
# a file is in, its folder says; durwardctl stands on its own.
list_includes() {
	(cd "$src" && find . -name '*.[ch]' | sort | while read -r file; do
		file=${file#./}
		case $file in
		main.c)	layer=main ;;
		*/*)	layer=${file%%/*} ;;
		*)	layer=alone ;;
		esac
		awk -v at="$file" -v layer="$layer" -F'"' '
		    /^[ \t]*#[ \t]*include[ \t]*"/ { print at, FNR, layer, $2 }' "$file"
	done)
}

judge_include() {	# FILE LINE LAYER HEADER
	[ "$4" = config.h ] && return
	to=$(rank "${4%%/*}")
	if [ ! -e "$src/$4" ] || [ "$to" -eq 0 ]; then
		complain "src/$1:$2: \"$4\" is no header of ours by its path from src"
	elif [ "$3" = alone ]; then
		complain "src/$1:$2: this program stands on its own, yet includes \"$4\""
	elif [ "$(rank "$3")" -eq 0 ]; then
		complain "src/$1: no layer is called $3"
	elif [ "$to" -gt "$(rank "$3")" ]; then
		complain "src/$1:$2: $3 includes \"$4\", which is above it"
	elif [ "$3" = wire ] && [ "${4%%/*}" != wire ]; then
		complain "src/$1:$2: wire includes \"$4\", and may include wire alone"
	fi
}

# Never round either: tsort names what includes itself in the end.
find_loops() {
	while read -r file _ _ header; do
		case $file in
		*.h) [ "$header" = config.h ] || echo "$file $header" ;;
		esac
	done <"$work/includes" | { tsort >/dev/null; } 2>&1
}

# What libwire.a needs and does not have.  The compiler's own helpers
# (stack protector, fortify, sanitizers, coverage, 64 bit arithmetic) are no
# calls that anybody wrote.
list_needs() {
	nm "$lib" 2>/dev/null | awk '
		NF == 2 && ($1 == "U" || $1 == "w")	{ needs[$2] = 1 }
		NF == 3					{ has[$3] = 1 }
		END { for (s in needs) if (!(s in has)) print s }' | sort |
	    sed -e 's/^__isoc99_//; s/^__\(.*\)_chk$/\1/' |
	    grep -v -E -e '^__(asan|ubsan|sanitizer|gcov|llvm|lsan)_' \
		-e '^__stack_chk_' -e '^_GLOBAL_OFFSET_TABLE_$' \
		-e '^__u?(div|mod)[dt]i[34]$' -e '^__x86\.'
}

may_need() {
	case $1 in
	memchr | memcmp | bcmp | memcpy | memmove | memset) ;;
	strchr | strcmp | strlen | strncmp) ;;
	inet_ntop | inet_pton) ;;
	snprintf) ;;	# into a buffer that is there
	*) return 1 ;;
	esac
}

list_includes >"$work/includes"
includes=$(wc -l <"$work/includes")
[ "$includes" -gt 100 ] || complain "$includes includes seen: too few to be true"
while read -r file line layer header; do
	judge_include "$file" "$line" "$layer" "$header"
done <"$work/includes"
loops=$(find_loops)
[ -z "$loops" ] || complain "headers that include each other: $loops"

if command -v nm >/dev/null 2>&1; then
	list_needs >"$work/needs"
	[ -s "$work/needs" ] || complain "$lib: nothing seen of what it needs"
	while read -r symbol; do
		may_need "$symbol" ||
		    complain "$lib: wire is pure, yet it calls $symbol"
	done <"$work/needs"
else
	complain "no nm here, which comes with the compiler"
fi

echo "$includes includes, $(wc -l <"$work/needs") symbols from outside, $bad wrong"
[ "$bad" -eq 0 ]
