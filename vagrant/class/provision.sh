#!/usr/bin/env bash
# Makes a machine one for a class: provision.sh COUNT [LAB]. Each student is a user,
# student-01 and so on, and has a lab of their own, without root, which is up and
# verified when this is over. It can be repeated: labs are repaired, users stay.
#
# First passwords are in /root/students.txt, for root only. Nobody sees the labs,
# processes or files of another.
set -euo pipefail
count=${1:?usage: provision.sh COUNT [LAB]} lab=${2:-two-node}
here=$(cd "$(dirname "$0")" && pwd)
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
[[ $count =~ ^[1-9][0-9]?$ ]] || { echo "provision.sh: $count is no number of students from 1 to 99" >&2; exit 2; }
"$here/../provision.sh" -

list=/root/students.txt
touch "$list"
chmod 600 "$list"
shell=$(command -v bash)
for ((i = 1; i <= count; i++)); do
    printf -v user 'student-%02d' "$i"
    if ! getent passwd "$user" >/dev/null; then
        # useradd gives each a range of subordinate users, with which labs have
        # several users.
        useradd --create-home --shell "$shell" "$user"
        password=$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
        if command -v chpasswd >/dev/null; then echo "$user:$password" | chpasswd; fi
        echo "$user $password" >>"$list"
    fi
    chmod 700 "/home/$user"
    # Labs live as long as the machine, not as the student's session.
    if command -v loginctl >/dev/null && [ -d /run/systemd/system ]; then loginctl enable-linger "$user"; fi
done

# One student who fills their lab with processes is stopped before others notice.
if [ -d /run/systemd/system ]; then
    mkdir -p /etc/systemd/system/user-.slice.d
    printf '[Slice]\nTasksMax=2000\nMemoryMax=1G\n' >/etc/systemd/system/user-.slice.d/60-netlab-class.conf
    systemctl daemon-reload
fi

# The neighbour table is one for all students: who fills it, fills it for all.
mkdir -p /etc/sysctl.d
for family in ipv4 ipv6; do
    printf 'net.%s.neigh.default.gc_thresh%s\n' $family '2 = 32768' $family '3 = 65536'
done >/etc/sysctl.d/60-netlab-class.conf
while read -r name _ value; do
    # Without the right to change them, as in a container, they stay.
    sysctl -qw "$name=$value" 2>/dev/null || echo "$name stays as it is"
done </etc/sysctl.d/60-netlab-class.conf

# as USER CMD...: what a student does who has just logged in.
as() {
    local user=$1 uid
    shift
    uid=$(id -u "$user")
    runuser -u "$user" -- env -i HOME="/home/$user" USER="$user" PATH="$PATH" LANG=C.UTF-8 \
        ${XDG:+XDG_RUNTIME_DIR="/run/user/$uid"} "$@"
}
failed=0
for ((i = 1; i <= count; i++)); do
    printf -v user 'student-%02d' "$i"
    XDG='' out=$(mktemp)
    [ ! -d "/run/user/$(id -u "$user")" ] || XDG=yes
    if (cd "/home/$user" && { as "$user" netlab up "$lab" -q && as "$user" netlab verify "$lab" --wait 30s; } >"$out" 2>&1); then
        echo "$user: $(tail -n 1 "$out")"
    else
        failed=$((failed + 1))
        echo "$user: lab $lab is not well"
        cat "$out"
    fi
    rm -f "$out"
done
echo "$((count - failed)) of $count students have a verified lab; passwords are in $list"
[ "$failed" = 0 ]
