#!/usr/bin/env bash
# Copies one exported version into the cluster's model volume:
#     deploy/kubernetes/push_model.sh saved_models/frl_dgt/1
# The servers look for new versions every second, so the copy goes to a hidden folder and is renamed
# when it is complete. An existing version is never overwritten: export a new number.
set -euo pipefail

fail() { echo "error: $*" >&2; exit 2; }

[ $# -eq 1 ] || fail "usage: $0 saved_models/frl_dgt/<version>"
[ -f "$1/saved_model.pb" ] || fail "$1 holds no saved_model.pb: give the version folder that me_keras.export wrote"
folder=$(cd "$1" && pwd)
version=$(basename "$folder")
[[ $version =~ ^(0|[1-9][0-9]*)$ ]] || fail "$1: the folder's name must be the version, a number"

kube() { kubectl --namespace "${NAMESPACE:-frl-dgt}" "$@"; }

receive='
set -eu
base=$1 version=$2 incoming=$1/.incoming-$2
[ ! -e "$base/$version" ] || { echo "error: version $version is there already: export a new one" >&2; exit 2; }
rm -rf "$incoming"; mkdir -p "$incoming"
tar -xf - -C "$incoming"
chmod -R a+rX "$incoming"
mv -T "$incoming" "$base/$version"
'

# A writer that another push left, ended or still ending, would make `apply` change nothing, or fail.
kube delete pod model-writer --ignore-not-found --wait --timeout=120s >/dev/null
trap 'kube delete pod model-writer --ignore-not-found --wait=false >/dev/null' EXIT
kube apply -f "$(dirname "$0")/model-writer.yaml"
kube wait --for=condition=Ready pod/model-writer --timeout=180s
tar -C "$folder" -cf - . | kube exec -i model-writer -- bash -c "$receive" receive /models/frl_dgt "$version"
echo "version $version is in place"
