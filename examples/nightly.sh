#!/bin/sh
# Links a file of pairs, resumes if it is started again on the same day, and reads the links back.
#
#   HUBSPOT_TOKEN_FILE=FILE nightly.sh PAIRS STATE_FOLDER
#
# FROM, TO: the object types; contacts and companies if not set.
set -eu
pairs=$1
run=$2/$(date +%Y-%m-%d)

aiohubassoc link "$pairs" --from "${FROM:-contacts}" --to "${TO:-companies}" --run "$run" \
  --skip-linked --require-rows --token-file "$HUBSPOT_TOKEN_FILE"
exec aiohubassoc verify "$run" --token-file "$HUBSPOT_TOKEN_FILE"
