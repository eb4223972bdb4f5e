# shellcheck shell=bash
# Sourced by `checks.bash`: kills pods by SIGKILL in the middle of a sale.

readonly kills=5
# From the last renewal of a leader that was killed to the first of another: the lease's 15 s, and
# one look of 2 s.
readonly takeover_seconds=17

# processes_of POD: the ids of our programs in it, as this machine counts them.
processes_of() {
    local uid pid
    uid=$(k get pod "$1" -o 'jsonpath={.metadata.uid}')
    while read -r pid; do
        # The pause process holds the pod's namespaces; its death is another matter.
        if grep -aq '^/flashsale' "/proc/$pid/cmdline" 2>/dev/null; then
            echo "$pid"
        fi
    done < <(find /sys/fs/cgroup -path "*/$node/*/pod$uid/*" -name cgroup.procs -exec cat {} + | sort -u)
}

# kill_pod POD
kill_pod() {
    local pids
    mapfile -t pids < <(processes_of "$1")
    ((${#pids[@]} > 0)) || fail "$1 has no process to kill"
    kill -KILL "${pids[@]}"
    tell kill "-9 $1"
}

# pods COMPONENT: whether each is ready, how often it was restarted, its name; the freshest first.
# Of the workers, those of the sale with the crowd.
pods() {
    local facts='{.status.containerStatuses[0].ready} {.status.containerStatuses[0].restartCount}'
    local selector=app.kubernetes.io/name=flashsale-$1
    [[ $1 != worker ]] || selector+=,flashsale.dev/sale=rush
    k get pods --selector "$selector" \
        -o "jsonpath={range .items[*]}$facts {.metadata.name}{'\n'}{end}" | sort -k2n
}

freshest_of() { pods "$1" | awk '$1 == "true" && !found { print $3; found = 1 }'; }
is_there() { [[ -n $(freshest_of "$1") ]]; }
restarts_are() { [[ $(pods "$1" | awk '{ sum += $2 } END { print sum }') == "$2" ]]; }

# kill_one COMPONENT: one that is ready, for which it waits while those killed before come back.
kill_one() {
    within 60 is_there "$1" || fail "no $1 came back within 60 s"
    kill_pod "$(freshest_of "$1")"
}

leader() { k get lease "$release-operator" -o 'jsonpath={.spec.holderIdentity}'; }
another_leads() { [[ $(leader) != "$1" ]]; }
two_operators() { [[ $(pods operator | grep -c ^true) == 2 ]]; }

# kill_round: a worker, a gateway, and the operator that leads.
kill_round() {
    local leader began
    kill_one worker
    kill_one gateway
    within 60 two_operators || fail "there is no operator that could take over"
    leader=$(leader)
    began=$(date +%s%N)
    # An identity is the pod's name and something random.
    kill_pod "${leader%_*}"
    check "another operator leads within $takeover_seconds s" \
        within "$takeover_seconds" another_leads "$leader"
    tell test "it took $(seconds_since "$began") s"
}

kill_pods() {
    local component
    sale rush ride 5000 "worker: {minReplicas: 2, maxReplicas: 2, lanesPerWorker: 2}" |
        k apply --filename -
    k wait --for=condition=Open flashsale/rush --timeout=30s
    # shellcheck disable=SC2046 # several arguments
    begin_crowd rush --rate 30 --duration 300 $(products_of ride)
    upgrade
    for ((round = 1; round <= kills; round++)); do
        kill_round
    done
    for component in worker gateway operator; do
        check "$component: killed $kills times, came back $kills times" \
            within 60 restarts_are "$component" "$kills"
    done
    check "the crowd is still at it" kill -0 "$crowd_pid"
    # As Ctrl-C: nobody new comes, and what was taken is waited for.
    kill -INT "$crowd_pid"
    check "every buy that was taken has its outcome" end_crowd rush
    k patch flashsale rush --type merge --patch "{\"spec\": {\"closesAt\": \"$(in_seconds 2)\"}}"
    check "it closes when told to" k wait --for=condition=Drained flashsale/rush --timeout=60s
    check "it opened once" is 1 "$(told rush Opened)"
    check "it closed once" is 1 "$(told rush Closed)"
    check "0 oversold, 0 lost, 0 duplicated" audit
}
