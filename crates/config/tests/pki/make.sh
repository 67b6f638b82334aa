#!/bin/sh
# Makes the certificates of the tests anew. Keys are P-256; all but old.crt is valid for a hundred years.
set -e
cd "$(dirname "$0")"
rm -rf work; mkdir work && : > work/index && echo 1000 > work/serial && echo 01 > work/crlnumber
cat > work/ca.cnf <<'C'
[ca]
default_ca = it
[it]
database = work/index
serial = work/serial
crlnumber = work/crlnumber
new_certs_dir = work
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
countryName = optional
organizationName = optional
commonName = optional
[req]
distinguished_name = dn
[dn]
C
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }
# NAME SUBJECT SAN START END
issue() {
    key "$1.key"
    openssl req -new -config work/ca.cnf -key "$1.key" -subj "$2" ${3:+-addext "subjectAltName=$3"} -out work/csr
    openssl ca -batch -config work/ca.cnf -cert ca.crt -keyfile work/ca.key -in work/csr -notext -out "$1.crt" \
        -startdate "$4" -enddate "$5" 2>/dev/null
}
key work/ca.key
openssl req -x509 -config work/ca.cnf -key work/ca.key -subj "/C=CH/O=Example/CN=Example CA" -days 36500 -out ca.crt \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
now=20260101000000Z
far=21260101000000Z
issue a.example.net "/C=CH/O=Example/CN=a" "DNS:a.example.net,email:a@example.net,IP:192.0.2.1" $now $far
issue b.example.net "/C=CH/O=Example/OU=Branches/CN=b" "DNS:b.example.net" $now $far
issue subject "/C=CH/O=Example/CN=only a subject" "" $now $far
issue old "/CN=old" "DNS:a.example.net" 20200101000000Z 20210101000000Z
issue soon "/CN=soon" "DNS:a.example.net" $now 20270120000000Z
openssl ca -gencrl -config work/ca.cnf -cert ca.crt -keyfile work/ca.key -crldays 36500 -out ca.crl 2>/dev/null
openssl ca -gencrl -config work/ca.cnf -cert ca.crt -keyfile work/ca.key -crldays 1 -out old.crl 2>/dev/null
openssl pkcs8 -topk8 -in a.example.net.key -out sealed.key -passout pass:hush
printf 'hush\n' > right.pass
printf 'husch\n' > wrong.pass
openssl pkcs12 -export -in a.example.net.crt -inkey a.example.net.key -certfile ca.crt -passout pass:hush -out a.p12
openssl pkey -in b.example.net.key -pubout -out b.pub
openssl genpkey -algorithm ED25519 -out ed25519.key 2>/dev/null
cat a.example.net.crt a.example.net.key b.example.net.crt b.example.net.key > two.pem
openssl req -new -config work/ca.cnf -key a.example.net.key -subj / -out work/csr
openssl ocsp -issuer ca.crt -cert a.example.net.crt -reqout work/request -no_nonce
openssl ocsp -index work/index -CA ca.crt -rsigner ca.crt -rkey work/ca.key -reqin work/request -respout a.ocsp \
    -ndays 36500 >/dev/null 2>&1
rm -rf work b.example.net.key
