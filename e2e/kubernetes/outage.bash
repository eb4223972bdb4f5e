# shellcheck shell=bash
# Sourced by `checks.bash`: Redis does not answer for a minute, and the gateways stay in their Service.

readonly outage_seconds=60
# From Redis's return to the first buy that is taken.
readonly recovery_seconds=2

# redis_gets SIGNAL
redis_gets() { pkill "-$1" --full "^redis-server $address:6379"; }

# endpoints: how many gateways the Service leads to.
endpoints() {
    k get endpoints "$release-gateway" -o 'jsonpath={.subsets[*].addresses[*].ip}' | wc -w
}

# request ARGUMENT...: status and type of an answer through the Service.
request() {
    in_network curl --silent --output /dev/null --max-time 3 --write-out '%{http_code} %{content_type}' "$@"
}

buy() {
    request "$gateway/buy" --header 'Content-Type: application/json' \
        --header "Idempotency-Key: outage-$1" --data "{\"productId\": \"mug-1\", \"userId\": \"outage-$1\"}"
}

# outage_is_told GATEWAYS: a look at everything that shoppers ask for.
outage_is_told() {
    is "$1" "$(endpoints)" &&
        is 200 "$(request --header 'Accept: text/html' "$gateway/" | cut -d' ' -f1)" &&
        is 200 "$(request "$gateway/sales" | cut -d' ' -f1)" &&
        is "503 application/problem+json" "$(buy "$SECONDS")"
}

outage_is_told_throughout() {
    local gateways=$1 end=$((SECONDS + outage_seconds))
    while ((SECONDS < end)); do
        outage_is_told "$gateways" || return 1
        sleep 1
    done
}

buys_pass() { [[ $(buy late) == 200* ]]; }

# redis_outage: with the sale `keeper` open.
redis_outage() {
    local gateways
    gateways=$(endpoints)
    check "gateways are in the Service" more_than 0 "$gateways"
    redis_gets STOP
    # What was sent before may still be answered.
    within 5 outage_is_told "$gateways" || true
    check "for $outage_seconds s without Redis all gateways stay, serve page and sales, and refuse buys" \
        outage_is_told_throughout "$gateways"
    redis_gets CONT
    check "$recovery_seconds s later buys pass again" within "$recovery_seconds" buys_pass
}
