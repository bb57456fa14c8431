#!/bin/sh
# Enqueue a job and wait for its end; test.note stands for a kind of yours.
# Wants CELERIAC_URL, CLIENT_ID and CLIENT_SECRET.
set -eu

api() { curl --silent --show-error --fail-with-body --max-time 60 "$@"; }
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

token=$(api "$CELERIAC_URL/api/v1/token/" --json \
    "{\"client_id\": \"$CLIENT_ID\", \"client_secret\": \"$CLIENT_SECRET\"}" | field access)

# The same key again, after a timeout say, returns the same job.
job=$(api "$CELERIAC_URL/api/v1/jobs/" \
    --header "Authorization: Bearer $token" \
    --header "Idempotency-Key: ${KEY:-order-1001}" \
    --json '{"kind": "test.note", "args": {"name": "from curl"}}' | field id)

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
