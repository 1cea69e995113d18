#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Install what Berth needs to build and to test itself, on Debian 12 and 13.
#
#   deps.sh [all|build|lab]    install what is missing; does nothing, and needs no root, when all is there
#   deps.sh kernel             the same for what `make lab-kernel` needs to build a kernel
#   deps.sh spin               the same for `make check-spin`, the model checker
#   deps.sh list               print the package names
#   deps.sh missing            print those of them that are not installed
#   deps.sh apt COMMAND...     run an APT command that also sees this release's backports (the lab fetches its kernel so)
#
# The machine's own APT configuration stays as it is. Debian 12 needs a newer QEMU: for that one package (and what
# only it needs) APT is run with a private list of sources, derived from the Debian source the machine already has.
# No kernel is ever installed: the lab unpacks one into its cache.
set -eu

build_packages="
	gcc make pkgconf libc6-dev linux-libc-dev
	libpci-dev libudev-dev libnl-3-dev libnl-route-3-dev libnl-genl-3-dev libjansson-dev libcmocka-dev
	libsqlite3-dev libsmartcols-dev libseccomp-dev liburing-dev nettle-dev
	scdoc mandoc clang clang-format libclang-rt-dev llvm python3 python3-jsonschema strace acpica-tools"
lab_packages="qemu-system-x86 python3 zstd kmod udev iproute2 pciutils e2fsprogs"
kernel_packages="gcc make libc6-dev flex bison bc libelf-dev libssl-dev xz-utils zstd kmod cpio perl"
qemu_least=8

cache=${BERTH_LAB_CACHE:-/var/cache/berth-lab}

die() {
	echo "deps: $*" >&2
	exit 1
}

# One dpkg-query for all of them: this is the whole cost when nothing is missing.
missing_of() {
	dpkg-query -W -f '${Package} ${db:Status-Status} ${Version}\n' "$@" 2>/dev/null |
		awk -v want="$*" -v least="$qemu_least" '
			$2 == "installed" { version[$1] = $3 }
			END {
				n = split(want, name)
				for (i = 1; i <= n; i++) {
					p = name[i]
					if (p in version) { # asked first: to read version[p] would put it there
						v = version[p]
						sub(/^[0-9]+:/, "", v)
						if (p != "qemu-system-x86" || v + 0 >= least)
							continue
					}
					print p
				}
			}'
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "installing packages needs root, and there is no sudo: run 'sh packaging/deps.sh' as root"
	fi
}

codename() {
	# shellcheck disable=SC1091
	(. /etc/os-release && [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}")
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive ${APT_CONFIG:+APT_CONFIG="$APT_CONFIG"} \
		apt-get -q install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >&2
}

# Where the machine takes Debian's main archive from. apt knows, whatever form its sources are written in.
debian_uri() {
	apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		awk -v codename="$1" '$1 == codename && $2 == "main" { print $3; exit }'
}

# Set APT_CONFIG to a configuration that adds backports where the release needs them, with fresh lists.
use_backports() {
	release=$(codename) || die "this is not Debian; install by hand:" $build_packages $lab_packages "(QEMU >= $qemu_least)"
	make_cache
	dir=$cache/apt
	mkdir -p "$dir/lists/partial"
	config=$dir/apt.conf
	if [ "$release" != bookworm ]; then
		echo 'APT::Sandbox::User "root";' >"$config"
		apt-cache show linux-image-amd64 >/dev/null 2>&1 || as_root apt-get -q update >&2
		export APT_CONFIG="$config"
		return
	fi

	uri=$(debian_uri "$release")
	if [ -z "$uri" ]; then # apt names only the indexes it has fetched
		as_root apt-get -q update >&2
		uri=$(debian_uri "$release")
	fi
	[ -n "$uri" ] || die "no source for Debian $release main in this machine's APT sources; add one, then run again"

	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	option=
	[ -f "$keyring" ] && option="[signed-by=$keyring] "
	{
		[ -f /etc/apt/sources.list ] && cat /etc/apt/sources.list
		echo "deb $option$uri $release-backports main"
	} >"$dir/sources.list"
	cat >"$config" <<-END
		Dir::Etc::SourceList "$dir/sources.list";
		Dir::State::Lists "$dir/lists";
		Dir::Cache::pkgcache "";
		Dir::Cache::srcpkgcache "";
		APT::Default-Release "$release-backports";
		APT::Sandbox::User "root";
	END
	export APT_CONFIG="$config"
	if [ -z "$(find "$dir/updated" -mmin -60 2>/dev/null)" ]; then
		# A source of the machine's that does not answer is not ours to complain about: the install says what it lacks.
		apt-get -q update >&2 || true
		touch "$dir/updated"
	fi
}

# The lab's cache belongs to whoever set it up.
make_cache() {
	[ -d "$cache" ] || mkdir -p "$cache" 2>/dev/null || as_root install -d -o "$(id -u)" -g "$(id -g)" "$cache"
}

install_missing() {
	missing=$(missing_of "$@")
	[ -n "$missing" ] || return 0
	codename >/dev/null || die "this is not Debian; install by hand:" $missing "(QEMU >= $qemu_least)"
	echo "deps: installing" $missing >&2

	qemu=
	plain=
	for package in $missing; do
		if [ "$package" = qemu-system-x86 ] && [ "$(codename)" = bookworm ]; then
			qemu=$package
		else
			plain="$plain $package"
		fi
	done
	if [ -n "$plain" ]; then
		as_root apt-get -q update >&2
		apt_install $plain
	fi
	if [ -n "$qemu" ]; then
		(use_backports && apt_install "$qemu")
	fi
	missing=$(missing_of "$@")
	[ -z "$missing" ] || die "still missing after the installation:" $missing
}

case ${1:-all} in
all) install_missing $build_packages $lab_packages ;;
build) install_missing $build_packages ;;
lab)
	install_missing $lab_packages
	make_cache
	;;
kernel) install_missing $kernel_packages ;;
spin) install_missing spin gcc ;;
missing) missing_of $build_packages $lab_packages ;;
list) echo $build_packages $lab_packages | tr ' ' '\n' | sort -u ;;
apt)
	shift
	use_backports
	exec "$@"
	;;
*)
	echo "usage: deps.sh [all|build|lab|kernel|spin|list|missing|apt COMMAND...]" >&2
	exit 2
	;;
esac
