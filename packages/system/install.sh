#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# install - puts stet on a system, and takes it away again. The Makefile's targets install and
# uninstall call it with PREFIX, SYSCONFDIR, LOCALSTATEDIR, DESTDIR and BIN (the built programs).
#
#   packages/system/install.sh install | uninstall
#
# A configuration that is already there is kept. Uninstall keeps a configuration that was changed,
# the data and the user.
set -eu
cd "$(dirname "$0")"

: "${PREFIX:=/usr/local}" "${DESTDIR:=}" "${BIN:=../../build}"
# A prefix of one's own holds everything; the usual ones use the system's directories.
case $PREFIX in
    /usr | /usr/local) own='' ;;
    *) own=$PREFIX ;;
esac
: "${SYSCONFDIR:=${own}/etc}" "${LOCALSTATEDIR:=${own}/var}"

bin=$PREFIX/bin
share=$PREFIX/share
confdir=$SYSCONFDIR/stet
conf=$confdir/stet.conf
statedir=$LOCALSTATEDIR/lib/stet
logdir=$LOCALSTATEDIR/log/stet

# Mode, source and place of each file. A source that ends in .in has @WORDS@ to fill in.
files() {
    for p in stet-server stet-check-aof stet-check-rdb stet-backup; do echo "755 $BIN/$p $bin/$p"; done
    echo "644 ../../redis-compat.conf $share/stet/redis-compat.conf"
    echo "644 stet.conf $share/stet/stet.conf"
    echo "644 stet-server.service.in $PREFIX/lib/systemd/system/stet-server.service"
    echo "644 stet-server@.service.in $PREFIX/lib/systemd/system/stet-server@.service"
    echo "644 stet-backup.service.in $PREFIX/lib/systemd/system/stet-backup.service"
    echo "644 stet-backup.timer $PREFIX/lib/systemd/system/stet-backup.timer"
    echo "644 sysusers.conf.in $PREFIX/lib/sysusers.d/stet.conf"
    echo "644 tmpfiles.conf.in $PREFIX/lib/tmpfiles.d/stet.conf"
    echo "644 logrotate.in $SYSCONFDIR/logrotate.d/stet-server"
    for p in stet-server stet-check-aof stet-check-rdb stet-backup; do
        echo "644 completion.bash $share/bash-completion/completions/$p"
    done
    for page in man/*.[158]; do
        echo "644 $page $share/man/man${page##*.}/${page#man/}"
    done
}

# The settings of redis-compat.conf, with the data in the state directory.
configuration() {
    sed -e "1,4d" -e "s|^dir .*|dir $statedir|" -e "s|^# supervised no|supervised auto|" \
        ../../redis-compat.conf | {
        echo "# stet configuration ($conf). Manual: stet.conf(5)."
        echo "#"
        cat
    }
}

fill() {
    sed -e "s|@BINDIR@|$bin|g" -e "s|@CONFDIR@|$confdir|g" -e "s|@STATEDIR@|$statedir|g" \
        -e "s|@LOGDIR@|$logdir|g" -e "s|@SHAREDIR@|$share/stet|g" "$1"
}

put() { # MODE SOURCE PLACE
    to=$DESTDIR$3
    mkdir -p "$(dirname "$to")"
    case $2 in
        *.in) fill "$2" >"$to.new" ;;
        stet.conf) configuration >"$to.new" ;;
        *) cat "$2" >"$to.new" ;;
    esac
    chmod "$1" "$to.new"
    mv -f "$to.new" "$to" # a program that runs is replaced, not written over
}

# Makes the user and gives the directories to it, if this is the running system.
prepare_system() {
    [ -z "$DESTDIR" ] && [ "$(id -u)" = 0 ] && command -v systemd-sysusers >/dev/null || return 0
    systemd-sysusers "$PREFIX/lib/sysusers.d/stet.conf"
    systemd-tmpfiles --create "$PREFIX/lib/tmpfiles.d/stet.conf"
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
}

install_all() {
    files | while read -r mode source place; do put "$mode" "$source" "$place"; done
    mkdir -p "$DESTDIR$statedir" "$DESTDIR$logdir" "$DESTDIR$confdir"
    if [ -e "$DESTDIR$conf" ]; then
        echo "kept: $DESTDIR$conf (the new one is $DESTDIR$share/stet/stet.conf)"
    else
        put 640 stet.conf "$conf"
    fi
    prepare_system
    echo "installed: $DESTDIR$bin/stet-server, configuration $DESTDIR$conf, data in $DESTDIR$statedir"
    echo "start by systemd: systemctl enable --now stet-server; by hand: $bin/stet-server $conf"
}

uninstall_all() {
    if cmp -s "$DESTDIR$conf" "$DESTDIR$share/stet/stet.conf"; then rm -f "$DESTDIR$conf"; fi
    files | while read -r mode source place; do rm -f "$DESTDIR$place"; done
    for d in "$share/stet" "$confdir" "$statedir" "$logdir"; do
        rmdir "$DESTDIR$d" 2>/dev/null || [ ! -d "$DESTDIR$d" ] || echo "kept: $DESTDIR$d"
    done
}

case ${1:-} in
    install) install_all ;;
    uninstall) uninstall_all ;;
    *)
        echo "Usage: $0 install | uninstall" >&2
        exit 1
        ;;
esac
