# shellcheck shell=bash
# Sourced by `demo`: what `--test` asserts. Several sales go on at once, so that waiting is shared.

# shellcheck source=killing.bash
source "$here/killing.bash"
# shellcheck source=rights.bash
source "$here/rights.bash"
# shellcheck source=outage.bash
source "$here/outage.bash"

passed=0
failures=()

# check WHAT COMMAND...: counts whether the command succeeds, and goes on in any case.
check() {
    local what=$1
    shift
    if "$@" >"$work/check.log" 2>&1; then
        passed=$((passed + 1))
        tell ok "$what"
    else
        failures+=("$what")
        tell FAILED "$what"
        sed 's/^/            /' "$work/check.log"
    fi
}

# is WANTED FOUND: says how they differ.
is() { diff --label wanted --label found --unified=0 <(echo "$1") <(echo "$2"); }

# more_than LEAST FOUND
more_than() { [[ -n $2 ]] && (($2 > $1)) || { echo "found: $2" && return 1; }; }

# condition SALE TYPE: its status.
condition() { k get flashsale "$1" -o "jsonpath={.status.conditions[?(@.type=='$2')].status}"; }

# sale NAME PREFIX STOCK [LINE...]: a FlashSale of four products, with further lines of its spec.
sale() {
    local name=$1 prefix=$2 stock=$3 product
    shift 3
    printf 'apiVersion: flashsale.dev/v1alpha1\nkind: FlashSale\nmetadata: {name: %s}\nspec:\n' "$name"
    (($# == 0)) || printf '  %s\n' "$@"
    echo "  products:"
    for product in 1 2 3 4; do
        echo "  - {id: $prefix-$product, name: Product $product, price: 100, stock: $stock}"
    done
}

# products_of PREFIX: as arguments of a crowd.
products_of() { printf -- '--product %s-%s ' "$1" 1 "$1" 2 "$1" 3 "$1" 4; }

# --- a sale from its schedule to its closing, by somebody who may do nothing but sell

begin_drop() {
    k create rolebinding sellers --clusterrole "$release-edit" --user alice
    opening=$(in_seconds 30)
    sale drop shoe 100 "opensAt: $opening" "closesAt: $(in_seconds 65)" \
        "worker: {prewarmSeconds: 15, scaleDownStabilizationSeconds: 5}" >"$work/drop.yaml"
    check "alice, who may only sell, puts a sale in force" \
        k --as alice apply --filename "$work/drop.yaml"
}

# Kubernetes tells the second in which the pod became ready.
workers_were_ready_before() {
    local ready
    ready=$(k get pods --selector flashsale.dev/sale=drop \
        -o 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].lastTransitionTime}')
    echo "ready: $ready, opening: $1"
    [[ -n $ready && $ready < $1 ]]
}

visit_drop() {
    check "kubectl wait --for=condition=Open ends when the sale opens" \
        k --as alice wait --for=condition=Open flashsale/drop --timeout=60s
    check "the workers were ready before the opening" workers_were_ready_before "$opening"
    check "and the operator said so" is 1 "$(told drop Prewarmed)"
    # shellcheck disable=SC2046 # several arguments
    check "every buy of 1,500 shoppers has its outcome" crowd --crowd 1500 $(products_of shoe)
    check "sold out" k wait --for=condition=SoldOut flashsale/drop --timeout=30s
}

finish_drop() {
    check "it closes by itself" k wait --for=condition=Drained flashsale/drop --timeout=60s
    check "and ends as Closed" within 20 phase_is drop Closed
    check "its phases came in order" phases_in_order
    check "it opened once" is 1 "$(told drop Opened)"
    check "it closed once" is 1 "$(told drop Closed)"
    check "no worker is left of it" within 30 workers_are drop 0
}

phase_is() { [[ $(phase "$1") == "$2" ]]; }

# While Redis does not answer in time, the phase is Pending.
phases_in_order() {
    local phases
    phases=$(sed -n 's/^drop //p' "$work/phases" | grep -v Pending | uniq | xargs)
    echo "$phases"
    [[ $phases =~ ^Scheduled\ Open\ SoldOut\ (Draining\ )?Closed$ ]]
}

# told SALE REASON: how often it was told.
told() {
    k get events --field-selector "involvedObject.name=$1,reason=$2" \
        -o 'jsonpath={range .items[*]}{.count}{"\n"}{end}' | awk '{ sum += $1 ? $1 : 1 } END { print sum + 0 }'
}

# --- workers go while jobs wait, and a sale is deleted in the middle

scale_down_and_delete() {
    local orders
    sale flood wave 5000 "worker: {maxReplicas: 4, targetQueueDepth: 100, lanesPerWorker: 1, batchSize: 20}" |
        k apply --filename -
    k wait --for=condition=Open flashsale/flood --timeout=30s
    hold_orders
    # shellcheck disable=SC2046 # several arguments
    begin_crowd flood --rate 150 --duration 30 $(products_of wave)
    check "a queue brings four workers" within 60 ready_workers_are flood 4
    k patch flashsale flood --type merge --patch '{"spec": {"worker": {"maxReplicas": 1}}}'
    check "three of them go" within 30 ready_workers_are flood 1
    check "with jobs waiting" more_than 300 "$(depth flood)"
    # In the middle of their batches.
    release_orders
    check "the crowd still buys" kill -0 "$crowd_pid"
    check "deleted in the middle, it drains and goes" k delete flashsale flood --timeout=90s
    kill -INT "$crowd_pid"
    check "every buy that was taken has its outcome" end_crowd flood
    check "nothing of it is left in Redis" is 0 "$(keys_of flood)"
    orders=$(orders_of flood)
    check "its orders are kept" more_than 300 "$orders"
    check "as many as shoppers were told" is "$(confirmed_in flood)" "$orders"
    check "its workers are gone" within 60 no_workers_of flood
}

# Nobody can settle a buy from `hold_orders` to `release_orders`, so that a queue builds up however
# fast the machine is.
hold_orders() {
    exec {session}> >(sql >"$work/session.log" 2>&1)
    echo "BEGIN; LOCK TABLE orders IN SHARE MODE;" >&"$session"
}

# By a statement: other processes may have the pipe open, too, so that its end would come late.
release_orders() {
    echo "COMMIT;" >&"$session"
    exec {session}>&-
}

ready_workers_are() {
    [[ $(k get deployment "$1-worker" -o 'jsonpath={.spec.replicas} {.status.replicas} {.status.readyReplicas}') == "$2 $2 $2" ]]
}

no_workers_of() { [[ -z $(k get pods --selector "flashsale.dev/sale=$1" -o name) ]]; }

# begin_crowd NAME ARGUMENT...: a crowd beside what follows, whose report goes to a file.
begin_crowd() {
    local name=$1
    shift
    tell '$' "flashsale load --url $gateway $* &"
    (exec nsenter --net="/run/netns/$node" -- "$binaries/flashsale" load --url "$gateway" "$@" \
        >"$work/$name.crowd" 2>&1) &
    crowd_pid=$!
}

# end_crowd NAME: whether every acknowledged buy has an outcome.
end_crowd() {
    local status=0
    wait "$crowd_pid" || status=$?
    tail -n 22 "$work/$1.crowd"
    return "$status"
}

confirmed_in() { sed -n 's/^ *confirmed  *\([0-9,]*\)$/\1/p' "$work/$1.crowd" | tr -d ,; }

# --- the release comes and goes, sales stay

upgrade() {
    chart upgrade --set gateway.replicas=3
    check "helm upgrade brings a third gateway" is 3 \
        "$(k get deployment "$release-gateway" -o 'jsonpath={.status.readyReplicas}')"
}

reinstall() {
    sale keeper mug 50 | k apply --filename -
    k wait --for=condition=Open flashsale/keeper --timeout=30s
    check "helm uninstall" in_network helm uninstall "$release" --namespace "$namespace" --wait
    check "the definition survives" k get customresourcedefinition flashsales.flashsale.dev
    check "sales survive" is Open "$(phase keeper)"
    chart install
    sale keeper mug 80 | k apply --filename -
    check "a new installation takes over: it restocks" within 30 remaining_are keeper 320
}

remaining_are() { [[ $(k get flashsale "$1" -o 'jsonpath={.status.remaining}') == "$2" ]]; }

helm_test() { in_network helm test "$release" --namespace "$namespace" --logs --timeout 2m; }

audit() { flashsale audit; }

run_checks() {
    chapter "checks"
    (exec nsenter --net="/run/netns/$node" -- kubectl --namespace "$namespace" get flashsales \
        --watch -o 'jsonpath={.metadata.name} {.status.phase}{"\n"}' >"$work/phases" 2>/dev/null) &
    watchers+=($!)
    begin_drop
    check "helm test" helm_test
    check_rights
    visit_drop
    chapter "killing"
    kill_pods
    finish_drop
    chapter "scaling down and deleting"
    scale_down_and_delete
    chapter "the release"
    reinstall
    chapter "an outage of Redis"
    redis_outage
    check "all sales go" k delete flashsales --all --timeout=60s
    check "nothing is left in Redis" is 0 "$(keys_of '*')"
    check "0 oversold, 0 lost, 0 duplicated" audit
    summary
}

summary() {
    echo
    if ((${#failures[@]} > 0)); then
        # shellcheck disable=SC2034 # read by `demo`
        holds=false
        printf 'failed: %s\n' "${failures[@]}"
    fi
    echo "$passed checks passed, ${#failures[@]} failed"
}
