# shellcheck shell=bash
# Sourced by scripts that unpack packages of Debian's next release on this one. They come from the
# mirror that this system uses and are checked by apt as always, but with package lists of their own
# and never installed. The script that sources this sets `downloads`, the directory for apt's files.

readonly SUITE=sid

# mirror: the address from which this system gets its own packages.
mirror() {
    # shellcheck source=/dev/null
    (. /etc/os-release && apt-get indextargets --format '$(REPO_URI)' \
        "Codename: $VERSION_CODENAME" 'Component: main' 'Created-By: Packages' | head -n 1)
}

# apt COMMAND...: with lists, archives and a (blank) record of what is installed of its own; at most
# half an hour. What it prints goes to standard error.
apt() {
    local options=(
        -o "Dir::Etc::SourceList=$downloads/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State=$downloads" -o "Dir::State::status=$downloads/status"
        -o "Dir::Cache=$downloads" -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
        -o Acquire::Retries=3
    )
    # apt's own user may not write here.
    ((EUID != 0)) || options+=(-o APT::Sandbox::User=root)
    DEBIAN_FRONTEND=noninteractive timeout 30m "$1" -qq "${options[@]}" "${@:2}" >&2
}

# Fetches the lists, once for each run of the script.
fetch_lists() {
    [[ -z ${has_lists:-} ]] || return 0
    local from keys=/usr/share/keyrings/debian-archive-keyring.gpg
    from=$(mirror)
    [[ -n $from ]] || { say "apt knows no mirror of this system's release" && return 1; }
    mkdir -p "$downloads"/{lists,archives}/partial
    : >"$downloads/status"
    [[ -e $keys ]] && keys="[signed-by=$keys] " || keys=
    echo "deb $keys$from $SUITE main" >"$downloads/sources.list"
    say "fetching the package lists of Debian $SUITE"
    apt apt-get update && has_lists=yes
}

# fetch PACKAGE...: them and all that they need into `$downloads/archives`; prints NAME_VERSION of
# each as its file's name has it.
fetch() {
    local install=(apt-get --yes --no-install-recommends install "$@")
    apt "${install[@]}" --download-only || return
    # `Inst NAME (VERSION …`, and in names of files apt writes %3a for a colon.
    apt "${install[@]}" --simulate 2>&1 |
        sed -n 's/:/%3a/g; s/^Inst \([^ ]*\) (\([^ ]*\) .*/\1_\2/p'
}
