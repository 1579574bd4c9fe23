#!/bin/bash
# The provider's API is an nginx that writes down what it is asked; the hook is the one in scripts/hooks.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "the example hook moves a cloud's address to the node that claims"

API=$LAB/api
mkdir -p "$API/tmp"
chmod -R a+rwX "$API"
cat >"$API/nginx.conf" <<END
pid $API/nginx.pid;
error_log $API/error.log;
events { }
http {
	client_body_temp_path $API/tmp;
	log_format asked '\$request_method \$uri \$http_authorization \$request_body';
	server {
		listen 10.77.0.11:8089;
		location / { access_log $API/asked asked; proxy_pass http://10.77.0.11:8088; }
	}
	server {
		listen 10.77.0.11:8088;
		location /flaky { return 503; }
		location / { return 200 "{}"; }
	}
}
END
cp "$LAB_TOP/scripts/hooks/cloud-address" "$LAB/cloud-address"
echo s3cret >"$LAB/token"
cat >"$LAB/cloud.conf" <<END
MACHINE_alpha=4711 MACHINE_beta=4712
URL=http://10.77.0.11:8089/v1/ips/99/assign
BODY='{"server":@MACHINE@}'
TOKEN_FILE=$LAB/token
END
printf '#!/bin/sh\nCLOUD_ADDRESS_CONF=%s exec %s\n' "$LAB/cloud.conf" "$LAB/cloud-address" >"$LAB/hook"
chmod +x "$LAB/hook"
LAB_NOTIFY="active = $LAB/hook"

# The nth line of what the API was asked; waited for.
asked() { sed -n "$1p" "$API/asked" 2>/dev/null; }
was_asked() { [ -n "$(asked "$1")" ]; }

lab_bg web "$API/log" nginx -p "$API" -c "$API/nginx.conf" -g 'daemon off;'
lab_until 5 lab_in web curl -sf -o /dev/null http://10.77.0.11:8088/ || lab_die "the API does not answer"
lab_pair_start
machine() { if [ "$1" = alpha ]; then echo 4711; else echo 4712; fi; }
line() { echo "POST /v1/ips/99/assign Bearer s3cret {\\x22server\\x22:$(machine "$1")}"; }

lab_until 5 was_asked 1
equal "the first claim moves it" "$(asked 1)" "$(line "$LAB_ACTIVE")"
lab_hapair "$LAB_ACTIVE" switchover >/dev/null || not_ok "switchover"
lab_until 5 was_asked 2
equal "a switchover moves it" "$(asked 2)" "$(line "$LAB_PASSIVE")"
equal "nobody else asks" "$(wc -l <"$API/asked")" 2

# The API does not answer well: bounded, and said.
lab_until 5 lab_settled || not_ok "the pair settles"
sed -i 's,/v1/ips,/flaky/ips,' "$LAB/cloud.conf"
since=$(lab_now)
lab_hapair "$LAB_PASSIVE" switchover >/dev/null || not_ok "switchover"
failed() { [ -n "$(lab_events "$LAB_ACTIVE" "$since" '.type == "hook" and .to == "failed"')" ]; }
lab_until 15 failed
equal "an API that fails is tried five times" "$(grep -c flaky "$API/asked")" 5
lab_events "$LAB_ACTIVE" "$since" '.type == "hook"' | tail -1
expect "and the event says that it failed" failed
story_end
