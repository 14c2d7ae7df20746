#!/usr/bin/env bash
# interop: fast
# python: sdks
# limit: 240
#
# The simulators against the official SDKs of the vendors they stand for.
set -euo pipefail
cd "$(dirname "$0")"

# They run until their standard input closes: as long as this script does.
coproc SIMULATORS { exec "$(dirname "$AGENTPHONE_BIN")/examples/simulators"; }
read -r -t 20 urls <&"${SIMULATORS[0]}"
url() { "$INTEROP_PYTHON" -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$urls" "$1"; }

status=0
for sdk in anthropic assemblyai cartesia deepgram deepgram_speak elevenlabs flux gladia openai responses scribe soniox speechmatics transcription vosk; do
    echo "-- $sdk"
    "$INTEROP_PYTHON" "sdk_$sdk.py" "$(url "${sdk%%_*}")" || status=1
done
exit "$status"
