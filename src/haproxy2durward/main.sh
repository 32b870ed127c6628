#!/bin/sh
# SPDX-License-Identifier: ISC
#
# haproxy2durward haproxy.cfg >durward.conf
#
# Reads an HAProxy configuration and writes one for durward that does the same.
# What cannot be carried over becomes a comment that says so where it stood,
# and the exit status is then 1.  See haproxy2durward(1).
#
# One pass reads: each proxy (frontend, backend, listen) keeps its settings in
# set[proxy, key], over those of the defaults section that it follows.  Then
# rules become pairs of frontend and backend with their host patterns, these
# become services, and services that differ in nothing but the port are one.
#
# The awk program is made of the files beside main.sh, and stands between single
# quotes: none of them has one.

usage="usage: haproxy2durward [haproxy.cfg]"
case ${1-} in
-h | --help)
	echo "$usage"
	exit 0 ;;
-)	;;
-*)
	echo "$usage" >&2
	exit 2 ;;
esac
if [ $# -gt 1 ]; then
	echo "$usage" >&2
	exit 2
fi
if [ $# -eq 1 ] && [ "$1" != - ] && ! [ -f "$1" ] || ! [ -r "${1:-/dev/stdin}" ] && [ "${1:--}" != - ]; then
	echo "haproxy2durward: $1: cannot be read" >&2
	exit 2
fi

# bytes are bytes, whatever the language
LC_ALL=C
export LC_ALL
exec awk -v file="${1:--}" '
@PARTS@
' <"${1:-/dev/stdin}"
