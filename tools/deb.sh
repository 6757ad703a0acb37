#!/bin/sh
# Make a Debian package out of a build folder, for the Debian that runs this. Prints its path.
# usage: deb.sh BUILD [VERSION]
set -eu
build=$1
here=$(cd "$(dirname "$0")/.." && pwd)
quietly() { said=$("$@" 2>&1) || { echo "$said" >&2; exit 1; }; }
[ -f "$build/build.ninja" ] || quietly meson setup "$build" --prefix=/usr
build=$(cd "$build" && pwd)
quietly meson configure "$build" --prefix=/usr
quietly ninja -C "$build" --quiet installed
version=${2:-$(meson introspect --projectinfo "$build" | sed 's/.*"version": "\([^"]*\)".*/\1/')-1}
arch=$(dpkg --print-architecture)
maintainer="${DEBFULLNAME:-Weir} <${DEBEMAIL:-weir@localhost.localdomain}>"
date=$(sed -n "s/^version_date = '\([^']*\)'.*/\1/p" "$here/meson.build")
SOURCE_DATE_EPOCH=$(date -u -d "$date" +%s) # the same input gives the same package
export SOURCE_DATE_EPOCH

work=$build/deb
root=$work/root
rm -rf "$work"
mkdir -p "$root/DEBIAN" "$work/debian"
export DESTDIR=$root
quietly meson install -C "$build" --no-rebuild --quiet --strip
unset DESTDIR
put() { install -D -m "$1" "$here/$2" "$root/$3"; }
put 0644 package/weir.yaml etc/weir/weir.yaml
put 0644 package/weir.logrotate etc/logrotate.d/weir
doc=usr/share/doc/weir
put 0644 package/deb/copyright $doc/copyright
put 0644 package/deb/lintian-overrides usr/share/lintian/overrides/weir
put 0644 NOTICE $doc/NOTICE
put 0644 README.md $doc/README.md
put 0644 docs/guide.md $doc/guide.md
for f in "$here"/docs/reference/*.md; do
    put 0644 "docs/reference/${f##*/}" "$doc/reference/${f##*/}"
done
gzip -9nc "$here/CHANGELOG.md" >"$root/$doc/changelog.gz"
{
    printf 'weir (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n' "$version"
    printf ' -- %s  %s\n' "$maintainer" "$(LC_ALL=C date -u -d "$date" '+%a, %d %b %Y 00:00:00 +0000')"
} | gzip -9n >"$root/$doc/changelog.Debian.gz"
find "$root/usr/share/man" -name '*.[15]' -exec gzip -9n {} +

for f in conffiles templates; do put 0644 package/deb/$f DEBIAN/$f; done
for f in config postinst prerm postrm; do put 0755 package/deb/$f DEBIAN/$f; done
printf 'Source: weir\n\nPackage: weir\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O root/usr/bin/weir | sed -n 's/^shlibs:Depends=//p')
size=$(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f1)
sed -e "s|@version@|$version|" -e "s|@arch@|$arch|" -e "s|@size@|$size|" -e "s|@depends@|$depends|" \
    -e "s|@maintainer@|$maintainer|" "$here/package/deb/control.in" >"$root/DEBIAN/control"
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -type d -exec chmod 0755 {} +
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
quietly dpkg-deb --root-owner-group --build "$root" "$build/weir_${version}_$arch.deb"
echo "$build/weir_${version}_$arch.deb"
