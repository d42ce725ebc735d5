#!/bin/sh
# Certificates for the broker, the gateway and the nodes, where nobody issues them for you:
#
#   ./certificates.sh broker.plant.example gw-1 edge-pond edge-welding
#
# The first name, or address, is the one by which the broker is reached; each other is a user of `acl`.
# They come into certs/: the broker needs ca.pem, server.pem and server.key, whose reader must be the user that Mosquitto
# runs as; a gateway or a node needs ca.pem and its own two files. A second run adds to the first.
# Who has ca.key can make itself anybody here: keep it on none of these machines.
set -eu
umask 077
broker=$1
shift
mkdir -p certs
cd certs

if [ ! -e ca.pem ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
        -subj "/CN=fengsui authority" -keyout ca.key -out ca.pem
fi

# Issues NAME.pem and NAME.key with the common name $2 and the extensions $3.
issue() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -subj "/CN=$2" -keyout "$1.key" -out "$1.csr"
    printf '%s\n' "$3" >"$1.ext"
    openssl x509 -req -days 1095 -in "$1.csr" -extfile "$1.ext" \
        -CA ca.pem -CAkey ca.key -CAcreateserial -out "$1.pem"
    rm "$1.csr" "$1.ext"
}

case $broker in
*[!0-9.]*) reached=DNS ;;
*) reached=IP ;;
esac
issue server "$broker" "extendedKeyUsage = serverAuth
subjectAltName = $reached:$broker"
for user in "$@"; do
    issue "$user" "$user" "extendedKeyUsage = clientAuth"
done
chmod 644 ./*.pem
