#!/usr/bin/env bash
# Signs in, asks a question, and prints the quotes of the answer.
#
#   CLOISTER_PASSWORD=… examples/ask.sh https://127.0.0.1:8443 data/tls/ca.pem NAME "question"
#
# Needs curl and jq. The certificate is the appliance's own CA, in its data folder.
set -euo pipefail

if [ $# -ne 4 ] || [ -z "${CLOISTER_PASSWORD:-}" ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
url=$1 ca=$2 name=$3 question=$4

cookies=$(mktemp)
trap 'rm -f "$cookies"' EXIT
call() { # method, path, JSON body
    curl --silent --show-error --fail-with-body --cacert "$ca" --cookie "$cookies" --cookie-jar "$cookies" \
        --request "$1" --header 'content-type: application/json' --data "$3" "$url/api/v1$2"
}

jq -n --arg name "$name" --arg password "$CLOISTER_PASSWORD" '{$name, $password}' |
    call POST /session @- >/dev/null

# The answer is a stream of server-sent events, each with JSON in its `data` field.
jq -n --arg question "$question" '{$question}' |
    call POST /answers @- |
    sed -n 's/^data: \{0,1\}//p' |
    jq -r '
        if .event == "quote" then "[\(.number)] \(.text)\n    \(.title), page \(.page)"
        elif .event == "refusal" then .reason
        elif .event == "sentence" then "    model: \(.text)"
        elif .event == "error" then "error: \(.title)"
        else empty end'

call DELETE /session '' >/dev/null
