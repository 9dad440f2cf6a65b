#!/bin/bash
# A machine of its own for one job: a throw-away copy of this one's files (overlay in memory), its own host name, processes,
# shared memory and loopback network. Started by sandbox.py as: unshare ... bash enter.sh FOLDER PYTHON CARGO_HOME RUSTUP_HOME VENV
set -eu
out=$1 python=$2 cargo=$3 rustup=$4 venv=$5
here=$(dirname "$(readlink -f "$0")")
mount --make-rprivate /
top=$out/machine
mkdir -p "$top"
mount -t tmpfs -o size=4g tmpfs "$top"
mkdir "$top/up" "$top/work" "$top/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$top/up,workdir=$top/work" "$top/root"
root=$top/root
mkdir -p "$root/out" "$root/opt" "$root/srv"
mount --bind "$out" "$root/out"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o size=64m,mode=1777 tmpfs "$root/dev/shm"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o size=16k,mode=755 tmpfs "$root/srv"
mkdir "$root/srv/job"
for folder in "$root"/*/; do
    case $(basename "$folder") in
    bin | boot | dev | etc | lib | lib64 | out | proc | root | run | sbin | srv | sys | usr | var) ;;
    *) mount -t tmpfs -o size=2g,mode=755 tmpfs "$folder" ;; # home, opt, tmp, and whatever else is this machine's own
    esac
done
chmod 1777 "$root/tmp"
give() { # a folder of this machine, seen at another path
    [ -d "$1" ] || return 0
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
}
give "$python" /opt/python/3.11
give "$cargo" /opt/rust/cargo
give "$rustup" /opt/rust/rustup
give "$venv" /opt/venvs/train
give "$here" /srv/job
hostname c1
ip link set lo up
exec chroot "$root" /opt/python/3.11/bin/python3 /srv/job/inside.py
