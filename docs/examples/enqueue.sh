#!/bin/sh
# Enqueue a job and wait for its end. Wants CELERIAC_URL, CLIENT_ID and CLIENT_SECRET;
# KIND is one of yours and ARGS its arguments as JSON: GET kinds/ lists what there is.
# KEY stands for what the job is about: the same one makes no second job.
# It ends at the first error, which it prints with what the API said about it.
set -eu

answer=$(mktemp) etag=$(mktemp)
trap 'rm -f "$answer" "$etag"' EXIT

# Not piped: a pipe would hide that the call failed.
api() {
    curl --silent --show-error --fail-with-body --max-time 60 --output "$answer" "$@" && return
    cat "$answer" >&2
    exit 1
}
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$answer"; }

api "$CELERIAC_URL/api/v1/token/" --json \
    "{\"client_id\": \"$CLIENT_ID\", \"client_secret\": \"$CLIENT_SECRET\"}"
token=$(field access)

args=${ARGS:-"{}"}
# The same key again, after a timeout say, returns the same job; with other arguments it is an error.
api "$CELERIAC_URL/api/v1/jobs/" \
    --header "Authorization: Bearer $token" \
    --header "Idempotency-Key: ${KEY:-order-1001}" \
    --json "{\"kind\": \"${KIND:-maintenance.prune}\", \"args\": $args}"
job=$(field id)

# Polling is cheap: --etag-compare asks only whether the job has changed.
while :; do
    api "$CELERIAC_URL/api/v1/jobs/$job/" --header "Authorization: Bearer $token" \
        --etag-compare "$etag" --etag-save "$etag"
    state=$(field state)
    case $state in
    succeeded | dead | cancelled) break ;;
    esac
    sleep 0.5
done
echo "$job $state"
