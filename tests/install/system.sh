#!/bin/sh
# SPDX-License-Identifier: ISC
# A Debian system of one's own, in which a test may install, start and break
# what it likes; read by the scripts of tests/install, run by nobody.  As root,
# with the network, and some 2 GB in TMPDIR.
#
# What apt fetches is kept in DURWARD_CACHE (/var/cache/durward-check), and
# those who share one take turns; DURWARD_MIRROR is where debootstrap fetches,
# DURWARD_ARCH for which machine (i386 runs on amd64), if not this one.

skip() {
	echo "skip: $*"
	exit 77
}

[ "$(id -u)" -eq 0 ] || skip "not root"
command -v debootstrap >/dev/null || skip "no debootstrap here"
here=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck disable=SC1091
suite=$(. /etc/os-release && [ "$ID" = debian ] && echo "$VERSION_CODENAME") ||
    skip "not on Debian"
cache=${DURWARD_CACHE:-/var/cache/durward-check}
LIMIT=1200	# seconds for one step

# In a mount and a process namespace of its own: whatever goes wrong in there,
# nothing stays mounted and no process is left when this script has ended.
if [ -z "${DURWARD_IN_NAMESPACE-}" ]; then
	DURWARD_IN_NAMESPACE=yes
	export DURWARD_IN_NAMESPACE
	exec unshare --mount --propagation private --pid --fork --kill-child \
	    --mount-proc "$0" "$@"
fi

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || {
	echo "--- another one is at work with $cache: waiting"
	flock 9
}

dir=$(mktemp -d "${TMPDIR:-/tmp}/durward-chroot.XXXXXX")
root=$dir/root

finish() {
	status=$?
	trap - EXIT INT TERM
	kill -KILL -1 2>/dev/null || :	# all in this namespace but us
	umount -R -l "$root" 2>/dev/null || :
	rm -rf --one-file-system "$dir"
	exit "$status"
}
trap finish EXIT
trap 'exit 1' INT TERM

say() {
	echo "--- $*"
}

# A command line in the system, within a limit; its output on failure.
inside() {
	timeout "$LIMIT" chroot "$root" /usr/bin/env -i HOME=/root \
	    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	    DEBIAN_FRONTEND=noninteractive LC_ALL=C sh -ec "$1" >"$dir/log" 2>&1 || {
		tail -n "${LINES_SHOWN:-200}" "$dir/log"
		echo "FAIL: $1"
		exit 1
	}
}

# The same, and it must fail.
not_inside() {
	if (inside "$1") >"$dir/said" 2>&1; then
		echo "FAIL: went well, and should not have: $1"
		exit 1
	fi
}

make_system() {
	say "a Debian $suite${DURWARD_ARCH:+ ($DURWARD_ARCH)} in $root"
	mkdir -p "$cache/base" "$cache/archives/partial"
	debootstrap --variant=minbase ${DURWARD_ARCH:+"--arch=$DURWARD_ARCH"} \
	    --cache-dir="$cache/base" "$suite" "$root" \
	    "${DURWARD_MIRROR:-http://deb.debian.org/debian}" >"$dir/log" 2>&1 || {
		tail -n 20 "$dir/log"
		exit 1
	}
	# the way to the archive is the host's
	rm -rf "$root/etc/apt"
	cp -a /etc/apt "$root/etc/apt"
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
	rm -f "$root/etc/apt/apt.conf.d/docker-clean"
	mount --rbind "$root" "$root"	# "/" in there is a mount point, as elsewhere
	mount -t proc proc "$root/proc"
	mount -t sysfs -o ro sysfs "$root/sys"
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	mkdir "$root/dev/pts" "$root/dev/shm"
	chmod 1777 "$root/dev/shm"
	for n in 'null c 1 3' 'zero c 1 5' 'full c 1 7' 'random c 1 8' 'urandom c 1 9' 'tty c 5 0'; do
		# shellcheck disable=SC2086
		set -- $n
		mknod -m 666 "$root/dev/$1" "$2" "$3" "$4"
	done
	ln -s /proc/self/fd "$root/dev/fd"
	ln -s fd/0 "$root/dev/stdin"
	ln -s fd/1 "$root/dev/stdout"
	ln -s fd/2 "$root/dev/stderr"
	ln -s pts/ptmx "$root/dev/ptmx"
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
	# there is no init system: say that this service alone may be started
	cat >"$root/usr/sbin/policy-rc.d" <<-'END'
	#!/bin/sh
	case " $* " in
	*" durward "*) exit 0 ;;
	esac
	exit 101
	END
	chmod 755 "$root/usr/sbin/policy-rc.d"
	mount --bind "$cache/archives" "$root/var/cache/apt/archives"
	inside 'apt-get -q update'
}

# What is under version control, or what a tarball holds.
copy_source() {
	mkdir -p "$root/src/durward"
	if git -C "$here" rev-parse --git-dir >/dev/null 2>&1; then
		git -C "$here" ls-files -z --cached |
		    tar -C "$here" --null -T - -cf - | tar -C "$root/src/durward" -xf -
	else
		tar -C "$here" -cf - . | tar -C "$root/src/durward" -xf -
	fi
	chown -R 0:0 "$root/src"
}

# What a build needs, in the system.
install_build_packages() {
	inside "apt-get -q -y --no-install-recommends install build-essential \
	    autoconf autoconf-archive automake pkgconf libconfuse-dev libcrypt-dev \
	    libseccomp-dev libssl-dev libxxhash-dev"
}

# A configuration whose one server is called $1, on ports that nobody else has:
# the system has no network of its own.
PORT=23443 WEB=23080
configuration() {
	cat <<-END
	log = "file:/var/log/durward.log"
	listener "https" { bind = {"127.0.0.1:$PORT"} protocol = "tls" }
	listener "http" { bind = {"127.0.0.1:$WEB"} protocol = "http" }
	cluster "one" { service "ingress" {
		listeners = {"https", "http"} hosts = {"*.example.org"}
		servers = {"$1=127.0.0.1:9"} check { type = "none" }
	} }
	END
}

# Start to restart, through the init script $1, with the configuration $2.
life() {
	init=$1
	inside "$init configtest && $init start && $init status"
	inside "durwardctl ping && durwardctl status | grep -q first"
	# a request that no route matches is answered, and logged
	inside "exec 3<>/dev/null; bash -c 'exec 3<>/dev/tcp/127.0.0.1/$WEB
	    printf \"GET / HTTP/1.0\\r\\nHost: x.example.net\\r\\n\\r\\n\" >&3; grep -q \" 404 \" <&3'"
	configuration second >"$root$2"
	inside "$init reload && durwardctl status | grep -q second"
	echo 'colour = "red"' >>"$root$2"
	not_inside "$init restart"
	not_inside "$init reload"
	inside "$init status && durwardctl status | grep -q second"
	configuration third >"$root$2"
	inside "$init restart && durwardctl status | grep -q third"
}

# The command line $1 puts another master in place of the one that runs; the old
# one leaves, and no client was refused meanwhile.
replaced_by() {
	inside "cat /run/durward.pid >/run/old.pid
	    (while test -e /run/old.pid; do
		bash -c '</dev/tcp/127.0.0.1/$PORT' 2>/dev/null || echo no >>/run/refused
		sleep 0.01; done) & load=\$!
	    $1
	    n=0; while cmp -s /run/durward.pid /run/old.pid; do
		n=\$((n + 1)); test \$n -lt 300; sleep 0.1; done
	    n=0; while test -e /proc/\$(cat /run/old.pid); do
		n=\$((n + 1)); test \$n -lt 300; sleep 0.1; done
	    rm /run/old.pid; wait \$load; test ! -e /run/refused"
}
