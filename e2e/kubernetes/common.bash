# shellcheck shell=bash
# Sourced by the scripts beside it: where things are kept, and how processes are started and ended.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/flashsale/kubernetes

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

say() { echo "$*" >&2; }

# usage: the comment at the top of the running script, without its first line.
usage() { sed -n '2,/^[^#]/{/^#/!d; s/^# \{0,1\}//; p}' "$0"; }

# parse ARGUMENT...: fills the script's associative array `options` from `--name value` and
# `--name`. An option without a value is declared as `false`; `--image` may be given repeatedly.
parse() {
    local name
    while (($# > 0)); do
        case $1 in
        -h | --help) usage && exit 0 ;;
        --*) name=${1#--} ;;
        *) fail "unknown argument: $1 (see --help)" ;;
        esac
        [[ -v options[$name] ]] || fail "unknown option: $1 (see --help)"
        if [[ ${options[$name]} == false ]]; then
            # shellcheck disable=SC2004 # not an index: the name of an option
            options[$name]=true
            shift
        else
            (($# > 1)) || fail "$1 needs a value (see --help)"
            # shellcheck disable=SC2004,SC2034 # the same; read by the script that sourced this
            options[$name]+=${options[$name]:+$'\n'}$2
            shift 2
        fi
    done
}

# binaries: the directory with kube-apiserver and its companions, built first if need be.
binaries() {
    if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
        [[ -x $KUBEBUILDER_ASSETS/kube-apiserver ]] ||
            fail "KUBEBUILDER_ASSETS has no kube-apiserver: $KUBEBUILDER_ASSETS"
        echo "$KUBEBUILDER_ASSETS"
    else
        "$here/build"
    fi
}

# seconds_since NANOSECONDS: with one digit.
seconds_since() {
    awk -v since="$1" -v now="$(date +%s%N)" 'BEGIN { printf "%.1f", (now - since) / 1e9 }'
}

# is_running PID WORD: whether the process lives and its command line has the word, so that a
# number that the system gave to another process is not taken for ours.
is_running() { grep -aqs -- "$2" "/proc/$1/cmdline"; }

# end_process STATE NAME: ends what the state's pid file names, by SIGKILL after 10 s.
end_process() {
    local file=$1/pids/$2.pid pid
    [[ -s $file ]] || return 0
    pid=$(<"$file")
    if is_running "$pid" "$2"; then
        kill "$pid" 2>/dev/null || true
        for _ in {1..100}; do
            is_running "$pid" "$2" || break
            sleep 0.1
        done
        ! is_running "$pid" "$2" || kill -KILL "$pid" 2>/dev/null || true
    fi
    rm -f "$file"
}

# once NAME COMMAND...: has the command fill `$1/bin` of a working directory, keeps that `bin` as
# CACHE/NAME/bin, and prints it; does nothing but print it when it is there. Of several callers
# one works and the others wait; what an interrupted one left is thrown away.
once() {
    local name=$1 work
    shift
    if [[ ! -d $cache/$name ]]; then
        mkdir -p "$cache"
        exec {lock}>"$cache/$name.lock"
        flock --nonblock "$lock" || {
            say "waiting for another run that makes $cache/$name"
            flock "$lock"
        }
        if [[ ! -d $cache/$name ]]; then
            work=$cache/$name.unfinished
            rm -rf "$work" "$work.kept"
            mkdir -p "$work/bin" "$work.kept"
            # shellcheck disable=SC2064 # the directory of now
            trap "chmod -R u+w '$work' || true; rm -rf '$work' '$work.kept'" EXIT
            # The lock must not outlive this script in a child.
            "$@" "$work" {lock}>&-
            mv "$work/bin" "$work.kept/bin"
            mv "$work.kept" "$cache/$name"
        fi
        exec {lock}>&-
    fi
    echo "$cache/$name/bin"
}
