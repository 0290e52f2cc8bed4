# The first process of a guest, once its root is mounted; run by busybox.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
b=/bin/busybox
for word in $($b cat /proc/cmdline); do
    case $word in bed.*=*)
        key=${word%%=*}
        eval "bed_${key#bed.}=\${word#*=}"
        ;;
    esac
done

$b mkdir -p /dev/pts /dev/shm
$b mount -t devpts devpts /dev/pts
for place in /dev/shm /run /tmp; do $b mount -t tmpfs -o mode=1777 tmpfs $place; done
$b mkdir -p /run/rpcbind /run/rpc_pipefs /mnt/spool
[ -e /dev/fd ] || $b ln -s /proc/self/fd /dev/fd
IFS=,
for folder in $bed_shown; do
    $b mkdir -p "$folder"
    $b mount -t hostfs none "$folder" -o "ro,$folder"
done
unset IFS
$b mkdir -p "$bed_shared"
$b mount -t hostfs none "$bed_shared" -o "$bed_shared"

$b hostname "$bed_name"
echo "$bed_name" > /etc/hostname
{
    echo "127.0.0.1 localhost"
    echo "10.9.0.1 server"
    for i in 1 2 3 4 5 6 7 8 9; do echo "10.9.0.1$i c$i"; done
} > /etc/hosts
$b ip link set lo up
$b ip addr add "10.9.0.$bed_number/24" dev vec0
$b ip link set vec0 up
$b ip addr add "10.9.1.$bed_number/24" dev vec1
$b ip link set vec1 up

modprobe -a sunrpc lockd nfs nfsv3 nfsv4
$b mount -t rpc_pipefs rpc /run/rpc_pipefs
# What locks and recovery need to know outlives a power loss, as on a real machine.
if [ "$bed_role" = server ]; then
    $b mkdir -p /srv
    $b mount -t ext4 -o noatime /dev/ubda /srv
    $b mkdir -p /srv/export /srv/state
    $b chmod 1777 /srv/export
    for name in sm sm.bak v4recovery nfsdcld rpc_pipefs; do $b mkdir -p /srv/state/$name; done
    $b touch /srv/state/etab /srv/state/rmtab
    $b mount --bind /srv/state /var/lib/nfs
else
    $b mkdir -p /var/lib/nfs
    $b mount -t hostfs none /var/lib/nfs -o "$bed_state"
    $b mkdir -p /var/lib/nfs/sm /var/lib/nfs/sm.bak /var/lib/nfs/rpc_pipefs
fi
$b mkdir -p /var/lib/nfs/rpc_pipefs
$b mount --bind /run/rpc_pipefs /var/lib/nfs/rpc_pipefs
grep -q ^_rpc: /etc/passwd || echo "_rpc:x:987:65534::/run/rpcbind:/usr/sbin/nologin" >> /etc/passwd
grep -q ^statd: /etc/passwd || echo "statd:x:988:65534::/var/lib/nfs:/usr/sbin/nologin" >> /etc/passwd
$b chown 987 /run/rpcbind
rpcbind -w
tries=0
while [ $tries -lt 50 ] && ! rpcinfo -T local >/dev/null 2>&1; do
    tries=$((tries + 1))
    $b usleep 20000
done
[ "$bed_role" = server ] && modprobe nfsd && $b mount -t nfsd nfsd /proc/fs/nfsd
$b sysctl -qw fs.nfs.nlm_tcpport=4045 fs.nfs.nlm_udpport=4045 2>/dev/null
echo "$bed_grace_s" > /proc/sys/fs/nfs/nlm_grace_period 2>/dev/null
rpc.statd --no-notify -p 4046 -o 4047
sm-notify -m 1 &
if [ "$bed_role" = server ]; then
    echo "/srv/export *(rw,sync,no_subtree_check,no_root_squash,insecure,fsid=0)" > /etc/exports
    echo "$bed_grace_s" > /proc/fs/nfsd/nfsv4leasetime
    echo "$bed_grace_s" > /proc/fs/nfsd/nfsv4gracetime
    nfsdcld -p /run/rpc_pipefs || nfsdcld
    exportfs -ra
    rpc.nfsd 8
    rpc.mountd -p 4048
fi

# A client tells an exclusive creation that it repeats from another's by {clock ticks, pid}: two hosts that booted
# in the same tick and count the same pids would both succeed. Real hosts seldom do; so these use up some pids.
echo "rc: $bed_name is ready $($b cut -d' ' -f1 /proc/uptime) s after its boot"
while :; do
    "$bed_python" -S -E /bed/agent.py 7777 "$bed_skipped_pids" &
    wait $!
    bed_skipped_pids=0
    echo "rc: the agent has ended; again"
    $b sleep 1
done
