# shellcheck shell=bash
# Sourced by `demo`: tells what happens while it happens, a line each, with the time and its source.

# Colours only where somebody looks.
colours=false
[[ ! -t 1 || -n ${NO_COLOR:-} ]] || colours=true
declare -A shades=([$]=1 [sale]=36 [event]=32 [pod]=34 [crowd]=35 [ok]=32 [FAILED]=31)

# tell SOURCE TEXT
tell() {
    if $colours && [[ -v shades[$1] ]]; then
        # shellcheck disable=SC2059 # the colour
        printf "%(%T)T  \e[${shades[$1]}m%-6s\e[0m %s\n" -1 "$1" "$2"
    else
        printf '%(%T)T  %-6s %s\n' -1 "$1" "$2"
    fi
}

# narrate SOURCE: tells every line of the standard input.
narrate() {
    local line
    while IFS= read -r line; do
        tell "$1" "$line"
    done
}

chapter() { printf '\n== %s\n' "$1"; }

# grouped NUMBER: as people read it.
grouped() { sed -E ':again; s/^([0-9]+)([0-9]{3})/\1,\2/; t again' <<<"$1"; }

# changes COLUMNS: of lines that begin with a name, those that tell something new of it. COLUMNS
# (0 or 1) at the end do not count, such as an age.
changes() {
    local line name news
    local -A last
    while IFS= read -r line; do
        name=${line%% *} news=$line
        if (($1 == 1)); then
            read -ra news <<<"$line"
            news="${news[*]::${#news[@]}-1}"
        fi
        [[ ${last[$name]:-} != "$news" ]] || continue
        last[$name]=$news
        printf '%s\n' "$line"
    done
}

# watch NAME ARGUMENT...: `kubectl get … --watch` into a pipe of that name, which must be read.
watch() {
    local name=$1
    shift
    mkfifo "$work/$name"
    # `exec`, so that the number is kubectl's, and ending it ends no more than that.
    (exec nsenter --net="/run/netns/$node" -- kubectl --namespace "$namespace" get "$@" --watch \
        >"$work/$name" 2>/dev/null) &
    watchers+=($!)
}
watchers=()

watch_shop() {
    watch sales flashsales
    changes 1 <"$work/sales" | narrate sale &
    watch events events --field-selector involvedObject.kind=FlashSale --no-headers \
        -o custom-columns=SALE:.involvedObject.name,REASON:.reason,NOTE:.message
    changes 0 <"$work/events" | narrate event &
    local facts='{.metadata.name} {.status.containerStatuses[0].ready}'
    facts+=' {.metadata.deletionTimestamp}{"\n"}'
    watch pods pods --selector app.kubernetes.io/name=flashsale-worker -o "jsonpath=$facts"
    pod_states <"$work/pods" | changes 0 | narrate pod &
}

# pod_states: in words, what `watch_shop` asks of pods.
pod_states() {
    local name ready leaving
    while read -r name ready leaving; do
        if [[ -n $leaving || $ready == *T*Z ]]; then
            echo "$name is leaving"
        elif [[ $ready == true ]]; then
            echo "$name is ready"
        else
            echo "$name is starting"
        fi
    done
}

stop_watching() {
    ((${#watchers[@]} == 0)) || kill "${watchers[@]}" 2>/dev/null || true
    watchers=()
}
