#!/usr/bin/env bash
# Makes a certificate authority and one certificate per party, to try mutual TLS on one machine. Not for production:
# there, SPIRE, cert-manager or your own CA issues these, and rotates them; the services notice new files by themselves.
#
#   make-certificates.sh DIRECTORY [TRUST_DOMAIN [NAME...]]
set -euo pipefail

directory=${1:?usage: make-certificates.sh DIRECTORY [TRUST_DOMAIN [NAME...]]}
trust_domain=${2:-ringfence.example}
names=("${@:3}")
if [ ${#names[@]} -eq 0 ]; then
  names=(registry identity pdp telemetry operator)
fi

umask 077
mkdir -p "$directory"
cd "$directory"

if [ ! -e ca.pem ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 \
    -subj "/CN=Ringfence trial CA" -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" \
    2>/dev/null
fi

# A party's certificate: its SPIFFE id is what the services know it by, the names are for whoever connects to it.
issue() {
  local name=$1
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$name.key" -out "$name.csr" \
    -subj "/CN=$name" 2>/dev/null
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -out "$name.pem" -days 7 2>/dev/null \
    -extfile <(printf '%s\n' \
      "subjectAltName=URI:spiffe://$trust_domain/$name,DNS:localhost,IP:127.0.0.1" \
      "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" "extendedKeyUsage=serverAuth,clientAuth")
  rm "$name.csr"
}

for name in "${names[@]}"; do
  issue "$name"
done
echo "certificates of trust domain $trust_domain are in $PWD, good for 7 days"
