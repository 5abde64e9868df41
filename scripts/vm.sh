#!/usr/bin/env bash
# Runs the tests on the kernel on Debian's own kernel, in a virtual machine that
# is made for them and needs neither root nor KVM:
#
#     scripts/vm.sh [PACKAGE...]      default: all packages that have TestPrivileged...
#                                     but bench and examples, which need more than such a machine has
#
#     RUN=REGEXP        only these tests (those called TestPrivileged..., and TestScript)
#     SKIP=REGEXP       but not these (the checks of the lab of a hundred pods, which
#                       take an emulated processor nine minutes and are late then)
#     KERNEL=PACKAGE    another kernel (linux-image-cloud-amd64)
#     ACCEL=kvm         not emulated, where /dev/kvm may be used
#     MINUTES=N         end the machine after so long (120); tests that hang say where a minute before
#
# The machine's memory is its only disk. It holds the kernel's modules, the
# tools that the tests use, copied from this host, and the tests, built here.
# bin/vm.log is what the tests print, bin/vm-console.log what the kernel does.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
kernel=${KERNEL:-linux-image-cloud-amd64}
minutes=${MINUTES:-120}
# Two emulated processors meet in code that the kernel changes under way, as when
# tracing of nftables begins: QEMU runs what it translated before, for ever.
accel=${ACCEL:-tcg,thread=single} cpus=1
[ "$accel" != kvm ] || cpus=$(nproc)

# What the machine is made of, besides what `make test` uses.
host_packages=(qemu-system-x86 cpio kmod)
guest_packages=(bash dash hostname coreutils findutils grep sed mawk util-linux mount procps kmod libc-bin
    iproute2 iptables nftables iputils-ping curl conntrack tcpdump netcat-openbsd jq tar gzip passwd uidmap libpam-modules)

say() { printf '== %s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

[ "$(uname -m)" = x86_64 ] || fail "the virtual machine is made for x86_64 only"
APT_CONFIG=$PWD/scripts/vm/apt.conf scripts/deps.sh "${host_packages[@]}" "${guest_packages[@]}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p bin/vm

say "kernel"
# The package is one that depends on the kernel of the day.
image=$(apt-cache depends "$kernel" | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p')
[ -n "$image" ] || fail "apt knows no $kernel: it is Debian's; on another distribution set KERNEL"
version=$(apt-cache show --no-all-versions "$image" | sed -n 's/^Version: //p')
archive=bin/vm/${image}_${version/:/%3a}_amd64.deb
if [ ! -s "$archive" ]; then
    (cd bin/vm && apt-get -qq -o APT::Sandbox::User=root download "$image") ||
        fail "could not download $image: run apt-get update, then try again"
fi
dpkg-deb --fsys-tarfile "$archive" |
    tar -x -C "$work" --exclude='*/drivers/net/ethernet' --exclude='*/drivers/[!n]*' --exclude='*/kernel/fs' --exclude='System.map*'
release=$(ls "$work/lib/modules")
echo "$release"

say "tests"
if [ $# = 0 ]; then
    # shellcheck disable=SC2046 # one word each
    set -- $(grep -rl --include='*_test.go' '^func TestPrivileged' --exclude-dir=examples --exclude-dir=vagrant --exclude-dir=bench . | xargs -n 1 dirname | sort -u)
fi
root=$work/root
mkdir -p "$root"/{dev,proc,sys,run,tmp,root,etc,tests,var,usr/{bin,sbin,lib,lib64}}
for d in bin sbin lib lib64; do ln -s "usr/$d" "$root/$d"; done
for pkg in "$@"; do
    mkdir -p "$root/tests/$pkg"
    (cd "$pkg" && CGO_ENABLED=0 $go test -c -ldflags '-s -w' -o "$root/tests/$pkg/test" .)
    [ ! -d "$pkg/testdata" ] || cp -a "$pkg/testdata" "$root/tests/$pkg"
    echo "$pkg" >>"$root/tests/packages"
done
# Tests look at files of other packages, too.
for f in labs/*.yaml provision/*.go; do install -D -m 644 "$f" "$root/tests/$f"; done
echo "${RUN:-^Test(Privileged|Script)}" >"$root/tests/run"
echo "${SKIP:-^TestPrivilegedShippedLabs$/^big$}" >"$root/tests/skip"
echo "$minutes" >"$root/tests/minutes"
CGO_ENABLED=0 $go build -trimpath -ldflags '-s -w' -o "$root/tests/netlab" ./cmd/netlab

say "machine"
# Reads names of files and copies what is there of them.
copy() {
    sort -u | sed 's|^/||' | while IFS= read -r f; do
        if [ -e "/$f" ] || [ -L "/$f" ]; then printf '%s\n' "$f"; fi
    done | tar -c -C / --no-recursion -T - | tar -x -C "$root" --keep-directory-symlink
}
{
    dpkg -L "${guest_packages[@]}" | grep -vE '^/usr/share/|^/(\.|usr(/[a-z0-9]+)?|[a-z0-9]+)$'
    find /usr/bin /usr/sbin -lname '/etc/alternatives/*'
    find /etc/alternatives /etc/iproute2 /etc/pam.d /etc/skel /etc/default/useradd \
        /etc/{protocols,services,ethertypes,nsswitch.conf,passwd,group,login.defs,shells} 2>/dev/null || true
} >"$work/files"
copy <"$work/files"
# Shared libraries, of the programs and of their plug-ins.
find "$root/usr" -type f \( -perm -100 -o -name '*.so*' \) -printf '/usr/%P\n' | { xargs ldd 2>/dev/null || true; } |
    grep -oE '/[^ :]+\.so[^ :]*' | sort -u | while IFS= read -r f; do echo "$f"; readlink -f "$f"; done | copy
# What is in the folder that Vagrant shares.
mkdir -p "$root/opt/netlab/bin"
cp -a vagrant go.mod "$root/opt/netlab"
ln -s /tests/netlab "$root/opt/netlab/bin/netlab"
mv "$work/lib/modules" "$root/lib/modules"
depmod -b "$root" "$release" 2>&1 | grep -v 'modules.builtin.modinfo' || true
install -m 755 scripts/vm/init "$root/init"
install -m 755 scripts/vm/go "$root/usr/bin/go"
(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$work/initrd"
du -sh "$work/initrd" | cut -f1

say "run, for $minutes minutes at most"
began=$SECONDS
: >bin/vm.log
tail -f --pid=$$ -s 5 bin/vm.log 2>/dev/null | grep --line-buffered -E '^(== |ok |FAIL )' &
shown=$!
# Mitigations would only make the emulation slow.
timeout --foreground -k 10 "${minutes}m" qemu-system-x86_64 -machine q35 -accel "$accel" -cpu max \
    -smp "$cpus" -m 3G -nodefaults -no-reboot -display none -monitor none \
    -kernel "$work/boot/vmlinuz-$release" -initrd "$work/initrd" -append 'console=ttyS0 panic=-1 mitigations=off' \
    -serial file:bin/vm-console.log -serial file:bin/vm.log </dev/null || true
sleep 0.2
kill "$shown" 2>/dev/null || true

log=$work/log
tr -d '\r' <bin/vm.log >"$log"
status=$(sed -n 's/^the tests are over: //p' "$log")
if [ "$status" != 0 ]; then
    echo "== output of what failed"
    grep -vE '^\s*(=== |--- (PASS|SKIP))|^PASS$' "$log" | tail -n 300
    tail -n 20 bin/vm-console.log
fi
passed=$(grep -cE '^\s*--- PASS' "$log" || true)
failed=$(grep -cE '^\s*--- FAIL' "$log" || true)
skipped=$(grep -cE '^\s*--- SKIP' "$log" || true)
if [ "$skipped" != 0 ]; then
    echo "== skipped"
    grep -A1 -E '^\s*--- SKIP' "$log" | grep -v '^--$' || true
fi
[ -n "$status" ] || echo "the machine ended before the tests did"
echo "$passed passed, $failed failed, $skipped skipped in $((SECONDS - began)) s on Linux $release"
[ "$status" = 0 ]
