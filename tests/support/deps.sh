#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# deps.sh demo|test: installs the Debian packages that are missing, as root or through sudo.
# Names carry no versions, so that the distribution's own are taken.  Nothing to do costs one dpkg-query.
set -eu

demo=(gcc g++ make libc6-dev pkgconf librdkafka-dev libjansson-dev libpq-dev libsqlite3-dev zlib1g-dev libzstd-dev
	libmimalloc-dev)
test=(clang faketime libcriterion-dev postgresql pgbouncer sqlite3 default-jre-headless maven openssl
	libcurl4-openssl-dev python3 patch strace spin kcat doxygen help2man man-db groff)

case "${1:-}" in
demo) wanted=("${demo[@]}") ;;
test) wanted=("${demo[@]}" "${test[@]}") ;;
*) echo "usage: deps.sh demo|test" >&2; exit 2 ;;
esac

missing=()
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null || true)
for package in "${wanted[@]}"; do
	grep -qx "$package installed" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "needs root or sudo to install: ${missing[*]}" >&2; exit 1; }
	as_root=(sudo)
fi
echo "installing: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >"$log" 2>&1 ||
		{ cat "$log" >&2; exit 1; }
}
apt update
apt install --no-install-recommends "${missing[@]}"
