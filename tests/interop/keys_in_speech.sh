#!/usr/bin/env bash
# interop: slow
# apt: asterisk-core-sounds-es-wav asterisk-core-sounds-fr-wav asterisk-core-sounds-it-wav
# limit: 1200
# No key is heard in more than an hour of people speaking (talk-off): the prompts of a PBX in three languages.
set -euo pipefail
cd "$(dirname "$0")/../.."
AGENTPHONE_SPEECH=/usr/share/asterisk/sounds \
    cargo test --quiet --no-default-features --test keys -- --ignored --nocapture no_key_is_heard_in_other_recordings
