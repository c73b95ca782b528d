#!/bin/sh
# Links a file of pairs and reads the links back. Started again on the same day, it resumes.
#
#   HUBSPOT_TOKEN_FILE=FILE nightly.sh PAIRS STATE_FOLDER
#
# FROM, TO: the object types; contacts and companies if not set.
# "exec": signals reach the command, which then ends in good time.
set -eu
exec aiohubassoc link "$1" --from "${FROM:-contacts}" --to "${TO:-companies}" \
  --run "$2/$(date +%Y-%m-%d)" --skip-linked --verify --require-rows \
  --token-file "$HUBSPOT_TOKEN_FILE"
