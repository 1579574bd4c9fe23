#!/bin/bash
# The first check comes before the first request: a server that is down from the beginning never costs one.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a server that is down when the pair starts costs no request"

lab_web_start 1
lab_web_start 2
lab_echo_start
lab_config >"$LAB/hapair.conf"
lab_load_start "http:$LAB_VIP:80@200"
lab_start alpha
lab_start beta
lab_until 10 lab_in client curl -sf -m 1 -o /dev/null "http://$LAB_VIP/" || not_ok "the VIP answers"
lab_tell load begin started
sleep 1.5
window=$(lab_ask load)
lab_wait_settled
lab_roles
equal "no request failed of $(field "$window" .streams.http.requests)" "$(field "$window" .streams.http.failed)" 0
web3() { lab_status "$LAB_ACTIVE" ".pools[] | select(.name == \"web\") | .servers[] | select(.name == \"web3\") | $1"; }
equal "it is down" "$(web3 .state)" down
equal "and got nothing" "$(web3 .total)" 0
lab_web_start 3
lab_until 5 eval '[ "$(web3 .state)" = up ]' || not_ok "it is up once it is there"
sleep 0.5
expect "and gets its share" test "$(web3 .total)" -gt 0
story_end
