# shellcheck shell=bash
# Sourced by `checks.bash`: who may do what, as the API server says.

# listed SCOPE...: the committed list of the operator's rights in these scopes, in the words of
# `kubectl auth can-i --list`.
listed() {
    local scope
    for scope in "$@"; do
        sed -n "s/^$scope: //p" "$root/e2e/tests/chart/operator-rights.txt"
    done | sed -E 's/^([^ ]+) ([^:]+): (.*)$/\2|\1|\3/' | awk -F '|' '{
            names = ""
            if (match($1, /\[.*\]/)) { names = substr($1, RSTART + 1, RLENGTH - 2); sub(/\[.*/, "", $1) }
            slash = index($1, "/")
            plural = slash ? substr($1, 1, slash - 1) : $1
            rest = slash ? substr($1, slash) : ""
            group = $2 == "core" ? "" : "." $2
            right = plural group rest " [] [" names "]"
            # What several rules allow of one resource is one line.
            before = (right in verbs) ? verbs[right] " " : ""
            verbs[right] = before $3
        }
        END { for (right in verbs) print right " [" verbs[right] "]" }' | sort
}

# rights_of ACCOUNT NAMESPACE: what a service account of the shop may do there.
rights_of() {
    in_network kubectl auth can-i --list --no-headers --namespace "$2" \
        --as "system:serviceaccount:$namespace:$1" | tr -s ' ' | sed 's/ $//' | sort
}

# granted NAMESPACE: what the operator may do there that not every account may.
granted() {
    comm -23 <(rights_of "$release-operator" "$1") <(rights_of default "$1")
}

# may_not USER VERB RESOURCE [ARGUMENT...]: asked for, and tried.
may_not() {
    local user=$1 answer
    shift
    answer=$(k auth can-i "$@" --as "$user" 2>/dev/null) || true
    is no "$answer"
}

is_forbidden() {
    ! k "$@" >"$work/refused" 2>&1 || { echo "it was allowed" && return 1; }
    grep -i forbidden "$work/refused"
}

check_rights() {
    check "in its namespace the operator may do what is listed, and no more" \
        is "$(listed everywhere "its namespace")" "$(granted "$namespace")"
    check "and elsewhere, too" is "$(listed everywhere)" "$(granted default)"
    check "alice cannot read the stores' addresses" \
        is_forbidden --as alice get secret "$release-database"
    check "alice cannot scale workers by hand" \
        is_forbidden --as alice scale deployment "$release-gateway" --replicas 0
    check "alice cannot change a Deployment" may_not alice patch deployments
    check "alice cannot start pods" may_not alice create pods
    check "alice cannot sell in another namespace" may_not alice create flashsales --namespace default
    check "alice cannot change a status" may_not alice patch flashsales --subresource status
}
