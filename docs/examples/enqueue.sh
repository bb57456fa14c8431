#!/bin/sh
# Enqueue a job and wait for its end. Wants CELERIAC_URL, CLIENT_ID and CLIENT_SECRET;
# KIND is one of yours and ARGS its arguments as JSON: GET kinds/ lists what there is.
# KEY stands for what the job is about: the same one makes no second job.
set -eu

api() { curl --silent --show-error --fail-with-body --max-time 60 "$@"; }
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

token=$(api "$CELERIAC_URL/api/v1/token/" --json \
    "{\"client_id\": \"$CLIENT_ID\", \"client_secret\": \"$CLIENT_SECRET\"}" | field access)

args=${ARGS:-"{}"}
# The same key again, after a timeout say, returns the same job.
job=$(api "$CELERIAC_URL/api/v1/jobs/" \
    --header "Authorization: Bearer $token" \
    --header "Idempotency-Key: ${KEY:-order-1001}" \
    --json "{\"kind\": \"${KIND:-maintenance.prune}\", \"args\": $args}" | field id)

# Polling is cheap: --etag-compare asks only whether the job has changed.
etag=$(mktemp) answer=$(mktemp)
trap 'rm -f "$etag" "$answer"' EXIT
while :; do
    api "$CELERIAC_URL/api/v1/jobs/$job/" --header "Authorization: Bearer $token" \
        --etag-compare "$etag" --etag-save "$etag" --output "$answer"
    state=$(field state <"$answer")
    case $state in
    succeeded | dead | cancelled) break ;;
    esac
    sleep 0.5
done
echo "$job $state"
