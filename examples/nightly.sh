#!/bin/sh
# Links a file of pairs and reads the links back. A second start on the same day resumes the run.
#
#   HUBSPOT_TOKEN_FILE=FILE nightly.sh PAIRS STATE_FOLDER
#
# Optional variables FROM and TO: the object types; default: contacts and companies.
# "exec" lets signals reach the command, so that it can finish its calls in flight.
set -eu
exec aiohubassoc link "$1" --from "${FROM:-contacts}" --to "${TO:-companies}" \
  --run "$2/$(date +%Y-%m-%d)" --skip-linked --verify --require-rows \
  --token-file "$HUBSPOT_TOKEN_FILE"
