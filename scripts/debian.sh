# shellcheck shell=bash
# Sourced, never run: brings a bare Debian machine what a script needs and does not find.
#
#   . scripts/debian.sh
#   debian_need gcc gcc libc6-dev     # a command, then the packages that bring it
#
# What starts a service of its own on installation (nginx does) wants a guard beside its call;
# scripts/with-postgres shows one for PostgreSQL.

# die prints one line and ends the script.
die() {
	printf '%s: %s\n' "${0##*/}" "$1" >&2
	exit 1
}

# as_root runs a command as root, and fails where it would have to ask for a password.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# debian_install installs packages. The package lists are fetched only where the ones at hand do not do.
debian_install() {
	command -v apt-get >/dev/null || die "needs the software of Debian's $*, and there is no apt-get: install it by hand"
	as_root true 2>/dev/null || die "needs root to install $*: run 'apt-get install $*' as root, then try again"
	printf '%s: installing %s\n' "${0##*/}" "$*" >&2
	apt_get install "$@" >/dev/null 2>&1 && return
	{ apt_get update && apt_get install "$@"; } >&2 || die "apt-get could not install $*"
}

# debian_need installs the packages unless the command is there, and makes sure that it is afterwards.
debian_need() {
	local command=$1
	shift
	command -v "$command" >/dev/null && return
	debian_install "$@"
	hash -r
	command -v "$command" >/dev/null || die "$* installed, and still no $command in PATH"
}

apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get --yes --quiet --no-install-recommends \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@" </dev/null
}
