# shellcheck shell=bash
# Sourced by `demo`: a shop on the node, that is the chart with its stores, sales, and crowds.

root=$(cd "$here/../.." && pwd)
# The release and its namespace.
readonly release=flashsale namespace=shop

# k ARGUMENT...: kubectl in the shop's namespace.
k() { in_network kubectl --namespace "$namespace" "$@"; }

# flashsale ARGUMENT...: the tool, beside the pods.
flashsale() { in_network "$binaries/flashsale" "$@"; }

# typed COMMAND...: shows a command as people would type it, and runs it in the node's network.
typed() {
    tell '$' "$*"
    in_network "$@"
}

# The addresses go through a file, since everybody may read a process's arguments.
write_values() {
    (umask 077 && cat >"$work/values.yaml") <<END_OF_FILE
image: {repository: docker.io/local/flashsale, tag: test}
database: {url: "$FLASHSALE_DATABASE_URL"}
redis: {url: "$FLASHSALE_REDIS_URL"}
# Simulated shoppers are strangers, who all come from one address.
auth: {mode: "off"}
gateway:
  service: {sessionAffinity: None}
  # There is one small node for everything.
  resources: {requests: {cpu: 200m, memory: 64Mi}}
END_OF_FILE
}

# chart install|upgrade [ARGUMENT...]: by helm, until every pod is ready.
chart() {
    local action=$1
    shift
    tell '$' "helm $action $release charts/flashsale --namespace $namespace --values values.yaml $*"
    in_network helm "$action" "$release" "$root/charts/flashsale" --namespace "$namespace" \
        --create-namespace --values "$work/values.yaml" --wait --timeout 3m "$@" \
        >"$work/helm.log" 2>&1 || fail "helm $action failed:"$'\n'"$(<"$work/helm.log")"
    gateway=http://$(k get service "$release-gateway" -o 'jsonpath={.spec.clusterIP}')
}

# in_seconds SECONDS: that instant, as a FlashSale writes it.
in_seconds() { date --utc --date "+$1 seconds" +%Y-%m-%dT%H:%M:%SZ; }

# crowd ARGUMENT...: sends shoppers to the gateway's Service, and tells how they fare.
crowd() {
    tell '$' "flashsale load --url $gateway $*"
    flashsale load --url "$gateway" "$@" 2>&1 | narrate crowd
}

# phase SALE, workers SALE (that are asked for), depth SALE (of the queue): what there is now.
phase() { k get flashsale "$1" -o 'jsonpath={.status.phase}'; }
workers() { k get deployment "$1-worker" --ignore-not-found -o 'jsonpath={.spec.replicas}'; }
depth() { k get flashsale "$1" -o 'jsonpath={.status.queueDepth}'; }

# keys_of SALE: how many keys Redis has of a sale, but for the time of its withdrawal, which goes by
# itself.
keys_of() {
    local password=${FLASHSALE_REDIS_URL#redis://:}
    REDISCLI_AUTH=${password%@*} in_network redis-cli -h "$address" \
        --scan --pattern "fs:{$namespace.$1}*" | sed '/:withdrawn$/d' | wc -l
}

# sql: PostgreSQL's client, which reads statements.
sql() {
    local password=${FLASHSALE_DATABASE_URL#postgres://*:}
    PGPASSWORD=${password%%@*} in_network psql --host "$address" --username flashsale --no-psqlrc flashsale
}

# orders_of SALE: how many units the ledger has sold in it.
orders_of() {
    flashsale audit --sale "$namespace.$1" | sed -n 's/.* left + \([0-9,]*\) ordered.*/\1/p' | tr -d ,
}

# within SECONDS COMMAND...: whether it succeeds in that time.
within() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
}
