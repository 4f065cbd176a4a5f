# SPDX-License-Identifier: BSD-3-Clause
# Completion for stet-server, stet-check-aof, stet-check-rdb and stet-backup. The names of parameters are those
# of the installed redis-compat.conf.

_stet_parameters() {
    local file
    for file in "${STET_CONF_REFERENCE:-}" /usr/share/stet/redis-compat.conf /usr/local/share/stet/redis-compat.conf \
        "$(dirname "$(command -v stet-server 2>/dev/null)" 2>/dev/null)/../share/stet/redis-compat.conf"; do
        [ -n "$file" ] && [ -r "$file" ] || continue
        sed -nE 's/^(# )?([a-z]+(-[a-z0-9]+)*) ("[^"]*"|[^ ]+)( [^ ]+){0,3}$/--\2/p' "$file"
        return
    done
}

_stet() {
    local word=${COMP_WORDS[COMP_CWORD]} words=
    case ${COMP_WORDS[0]##*/} in
        stet-check-aof) words='--fix --json --salvage= --truncate-to-timestamp= --yes --help --usage --version' ;;
        stet-check-rdb) words='--json --salvage= --help --usage --version' ;;
        stet-backup)
            words='--json --dir= --config= --to= --host= --port= --socket= --user= --tls --cacert= --cacertdir= --cert= --key= --sni= --insecure --copy-to= --keep= --help --usage --version'
            [[ $COMP_CWORD != 1 || $word == -* ]] || {
                mapfile -t COMPREPLY < <(compgen -W 'list verify copy restore take' -- "$word")
                return
            }
            ;;
        *) [[ $word == -* ]] && words="--help --version --check-config --dry-run $(_stet_parameters)" ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -o filenames -F _stet stet-server stet-check-aof stet-check-rdb stet-backup
