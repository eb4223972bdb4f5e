# shellcheck shell=bash
# Sourced by the scripts of the node: its names and places. One machine has one such node at a time.

# shellcheck source=common.bash
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

# The network namespace, the cgroup and the node are called so.
node=flashsale-node
# Where the parts in the network namespace listen.
# shellcheck disable=SC2034 # read by the script that sourced this
address=10.10.0.1
state=${FLASHSALE_NODE_STATE:-$cache/node}
socket=$state/containerd.sock

# in_network COMMAND...: inside the node's network. `ip netns exec` would hide the cgroups.
in_network() { nsenter --net="/run/netns/$node" -- "$@"; }

import_image() {
    ctr --address "$socket" --namespace k8s.io images import "$1" >/dev/null ||
        fail "could not import $1; see $state/logs/containerd.log"
}
