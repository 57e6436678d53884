#!/usr/bin/env bash
# Install, on Debian or Ubuntu, the programs and libraries that the interoperability tests speak to. Safe to repeat.
#   libgl1 libxrender1 libxt6 libxext6 libsm6   what the slicer-core wheel (VTK) links to
#   dcmtk                                       dcmdump, dcmmkdir: readers other than pydicom
#   unzip                                       bundles must unpack with everybody's tools
#   strace                                      fault injection in the tests of the store
set -euo pipefail

packages=(libgl1 libxrender1 libxt6 libxext6 libsm6 dcmtk strace unzip)
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
