#!/usr/bin/env bash
# A container as a pod has one, without an engine: this machine's root, read-only, with what is mounted into it, and an
# ordinary user without any privilege. Run by `unshare --mount`; everything goes when the process ends.
#   pod.sh SCRATCH BINARY UID VOLUMES -- ENVIRONMENT... -- ARGUMENTS...
# VOLUMES is a folder: what is in VOLUMES/ro and VOLUMES/rw stands under /weir.
#   pod.sh --probe SCRATCH   can this machine do that?
# With PLAIN set nothing is mounted: the same user, and folders in the place of volumes. For machines that let nobody mount.
set -euo pipefail
if [ "$1" = --probe ]; then
  mount -t tmpfs pod "$2"
  mkdir "$2/upper" "$2/work" "$2/root"
  mount -t overlay pod -o "lowerdir=/,upperdir=$2/upper,workdir=$2/work" "$2/root"
  mount --bind "$2/upper" "$2/root/tmp"
  mount --rbind /proc "$2/root/proc"
  exec mount -o remount,ro "$2/root"
fi
scratch=$1 binary=$2 user=$3 volumes=$4
shift 4
[ "$1" = -- ] && shift
environment=()
while [ "$1" != -- ]; do environment+=("$1"); shift; done
shift

if [ -n "${PLAIN:-}" ]; then
  mkdir "$scratch/weir"
  chmod 755 "$scratch" "$scratch/weir"
  ln -s "$volumes"/ro/* "$volumes"/rw/* "$scratch/weir/"
  privileges=(--no-new-privs)
  if [ "$(id -u)" = 0 ]; then
    privileges+=(--reuid "$user" --regid "$user" --clear-groups --bounding-set=-all --inh-caps=-all)
  fi
  exec setpriv "${privileges[@]}" env -i --chdir="$scratch/weir" "${environment[@]//\/weir\//$scratch/weir/}" "$binary" "$@"
fi

mount -t tmpfs pod "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
root=$scratch/root
mount -t overlay pod -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
mkdir -p "$root/weir" "$root/usr/local/bin"
touch "$root/usr/local/bin/weir"
for volume in "$volumes"/ro/* "$volumes"/rw/*; do mkdir -p "$root/weir/${volume##*/}"; done
mount --bind "$binary" "$root/usr/local/bin/weir"
for volume in "$volumes"/ro/*; do
  mount --bind "$volume" "$root/weir/${volume##*/}"
  mount -o remount,bind,ro "$root/weir/${volume##*/}"
done
for volume in "$volumes"/rw/*; do mount --bind "$volume" "$root/weir/${volume##*/}"; done
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -o remount,ro "$root"

# Who is root here only by a user namespace is an ordinary user outside of it, whatever he is called.
identity=()
if [ "$(awk '{print $3}' /proc/self/uid_map)" != 1 ]; then
  identity=(--reuid "$user" --regid "$user" --clear-groups)
fi
exec chroot "$root" setpriv "${identity[@]}" --no-new-privs --bounding-set=-all --inh-caps=-all \
  env -i --chdir=/weir "${environment[@]}" /usr/local/bin/weir "$@"
