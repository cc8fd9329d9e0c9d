# shellcheck shell=bash
# Source this file, do not run it. It installs on Debian what a script needs and does not find.
#
#   . scripts/debian.sh
#   debian_need gcc gcc libc6-dev     # a command, then the packages that contain it
#
# Some packages start a service when they are installed. scripts/need-proxies and
# scripts/with-postgres show how to prevent that.

# die prints one line and ends the script.
die() {
	printf '%s: %s\n' "${0##*/}" "$1" >&2
	exit 1
}

# as_root runs a command as root. It fails if sudo would ask for a password.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# debian_install installs packages. It updates the package lists only if the first attempt fails.
debian_install() {
	command -v apt-get >/dev/null || die "needs Debian's packages $*, but finds no apt-get: install the software by hand"
	as_root true 2>/dev/null || die "needs root to install $*: run 'apt-get install $*' as root, then try again"
	printf '%s: installing %s\n' "${0##*/}" "$*" >&2
	apt_get install "$@" >/dev/null 2>&1 && return
	{ apt_get update && apt_get install "$@"; } >&2 || die "apt-get could not install $*"
}

# debian_need installs the packages if the command is missing, and fails if it is missing then too.
debian_need() {
	local command=$1
	shift
	command -v "$command" >/dev/null && return
	debian_install "$@"
	hash -r
	command -v "$command" >/dev/null || die "installed $*, but $command is still not in PATH"
}

apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get --yes --quiet --no-install-recommends \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@" </dev/null
}
