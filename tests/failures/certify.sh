#!/bin/bash
# Make a server's certificate in the folder: certify.sh NAME FOLDER [DAYS] [trusted]. With `trusted` its maker is put among those
# that the machine trusts. DAYS may be negative: expired.
set -eu
name=$1 folder=$2 days=${3:-30}
mkdir -p "$folder"
cd "$folder"
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 3650 -subj "/O=Example CA/CN=Example Root" 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout "$name.key" -out "$name.csr" -subj "/CN=$name" 2>/dev/null
printf 'subjectAltName=DNS:%s\n' "$name" > ext
[ "$days" -gt 0 ] && set -- -days "$days" || set -- -not_before 20200101000000Z -not_after 20200201000000Z
if [ "$1" = -days ]; then
    openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -extfile ext -out "$name.crt" "$@" 2>/dev/null
else # openssl 3.0 knows no -not_after here: its older command does
    mkdir -p demo && : > demo/index.txt && echo 01 > demo/serial
    printf '[ca]\ndefault_ca=d\n[d]\ndir=demo\ndatabase=demo/index.txt\nserial=demo/serial\nnew_certs_dir=demo\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' > demo/conf
    openssl ca -batch -config demo/conf -cert ca.crt -keyfile ca.key -in "$name.csr" -out "$name.crt" -extfile ext -startdate 20200101000000Z -enddate 20200201000000Z -notext 2>/dev/null
fi
chmod 644 ./*
if [ "${TRUSTED:-}" = yes ]; then
    cp ca.crt /usr/local/share/ca-certificates/example.crt
    update-ca-certificates >/dev/null 2>&1
fi
