"""The configuration files of a test cluster, as texts."""

import socket

from cluster.layout import NODES, SSHDS, Layout

CLUSTER_NAME = "testbed"
ACCOUNT = "proj"
DATABASE = "slurm_acct_db"
SLURM_USER = "slurm"
# Name of the variable that all daemons, ssh sessions and jobs of a cluster carry; its value is the cluster's folder.
MARK = "JW_CLUSTER_DIR"
QOSES = {
    "one": "MaxJobsPerUser=1",
    "cpu2": "MaxTRESPerUser=cpu=2",
    "wall1": "MaxWall=1",
    "sub2": "MaxSubmitJobsPerUser=2",
    "grpcpu2": "GrpTRES=cpu=2",
}
# One of these in a flavour: how jobs' processes are tracked. cgroup is what most sites have, and the only way to a
# real OUT_OF_MEMORY; it needs a writable cgroup v1 and only one such cluster on the machine.
TRACKING = {
    "plain": "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none",
    "cgroup": "ProctrackType=proctrack/cgroup\nTaskPlugin=task/cgroup",
}
TRACKING["patient"] = TRACKING["plain"]
PATIENCE_S = {"patient": 300}
"""How long a node may be silent before its jobs are lost: as at sites, for outages that last; else 10 s."""


def slurm_conf(layout: Layout) -> str:
    """Return slurm.conf.

    c4 is in no common partition: it is for tests that break a node. MinJobAge and the other times are short so that
    tests are; sites have MinJobAge=300, KillWait=30, SlurmdTimeout=300. Written for 22.05.8.
    """
    root, ports, here = layout.root, layout.ports, socket.gethostname().partition(".")[0]
    nodes = "\n".join(
        f"NodeName={node} NodeHostname={here} NodeAddr=127.0.0.1 Port={ports[node]} CPUs=4 Sockets=1 CoresPerSocket=4"
        " ThreadsPerCore=1 RealMemory=2000 State=UNKNOWN"
        for node in NODES
    )
    return f"""\
ClusterName={CLUSTER_NAME}
SlurmctldHost={here}(127.0.0.1)
SlurmctldPort={ports["slurmctld"]}
SlurmUser={SLURM_USER}
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={layout.munge_socket}
CredType=cred/munge
MpiDefault=none
{TRACKING[layout.flavor]}
ReturnToService=2
SlurmctldPidFile={root}/state/slurmctld.pid
SlurmdPidFile={root}/state/slurmd.%n.pid
SlurmdSpoolDir={root}/spool/%n
StateSaveLocation={root}/state
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd-%n.log
SlurmctldDebug=info
SlurmdDebug=info
SwitchType=switch/none
MailProg=/bin/true
Prolog={root}/hooks/prolog.sh
Epilog={root}/hooks/epilog.sh
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
# --- times
SlurmctldTimeout=10
SlurmdTimeout={PATIENCE_S.get(layout.flavor, 10)}
InactiveLimit=0
KillWait=2
MinJobAge=5
OverTimeLimit=0
CompleteWait=0
MessageTimeout=10
BatchStartTimeout=10
UnkillableStepTimeout=60
Waittime=0
# --- scheduling
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,sched_min_interval=100000,bf_interval=3,bf_window=60,batch_sched_delay=0,\
default_queue_depth=1000,bf_max_job_test=1000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PriorityType=priority/multifactor
PriorityWeightAge=0
PriorityWeightPartition=1000
JobRequeue=1
MaxArraySize=10001
MaxJobCount=20000
DefMemPerCPU=100
# --- accounting
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports["slurmdbd"]}
AccountingStoragePass={layout.munge_socket}
AccountingStorageEnforce=associations,limits,qos
AccountingStoreFlags=job_comment,job_script,job_env
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobCompType=jobcomp/none
# --- nodes and partitions
{nodes}
PartitionName=normal  Nodes=c1,c2,c3 Default=YES MaxTime=INFINITE DefaultTime=60 PriorityTier=10 PreemptMode=OFF
PartitionName=short   Nodes=c1,c2,c3 MaxTime=1 DefaultTime=1 PriorityTier=10 PreemptMode=OFF
PartitionName=preempt Nodes=c1,c2,c3 MaxTime=INFINITE DefaultTime=60 PriorityTier=1 PreemptMode=REQUEUE GraceTime=0
PartitionName=scav    Nodes=c1,c2,c3 MaxTime=INFINITE DefaultTime=60 PriorityTier=1 PreemptMode=CANCEL GraceTime=0
PartitionName=frail   Nodes=c4 MaxTime=INFINITE DefaultTime=60 PriorityTier=10 PreemptMode=OFF
PartitionName=downp   Nodes=c4 MaxTime=INFINITE DefaultTime=60 PriorityTier=10 PreemptMode=OFF State=DOWN
"""


def slurmdbd_conf(layout: Layout) -> str:
    """Return slurmdbd.conf; Slurm wants it readable by its own user alone."""
    return f"""\
AuthType=auth/munge
AuthInfo=socket={layout.munge_socket}
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={layout.ports["slurmdbd"]}
SlurmUser={SLURM_USER}
LogFile={layout.root}/log/slurmdbd.log
PidFile={layout.root}/state/slurmdbd.pid
DebugLevel=info
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={layout.ports["mariadbd"]}
StorageUser=slurm
StoragePass=slurm
StorageLoc={DATABASE}
CommitDelay=1
CommunicationParameters=NoInAddrAny
"""


def cgroup_conf() -> str:
    """Return cgroup.conf; read by the cgroup flavour alone."""
    return """\
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
CgroupAutomount=no
ConstrainRAMSpace=yes
ConstrainCores=no
ConstrainSwapSpace=no
"""


def my_cnf(layout: Layout) -> str:
    """Return MariaDB's configuration: small, and without care for a power cut."""
    return f"""\
[mariadbd]
datadir={layout.root}/mysql
socket={layout.database_socket}
pid-file={layout.root}/state/mariadbd.pid
bind-address=127.0.0.1
port={layout.ports["mariadbd"]}
user={SLURM_USER}
skip-name-resolve
skip-log-bin
innodb_buffer_pool_size=32M
innodb_log_file_size=8M
innodb_autoextend_increment=1
innodb_lock_wait_timeout=900
innodb_flush_log_at_trx_commit=0
innodb_fast_shutdown=1
"""


def sshd_config(layout: Layout, name: str) -> str:
    """Return the configuration of one of the sshd.

    SetEnv gives every session the cluster's own slurm.conf, programs and home, so that several clusters share the
    users of the machine. MaxSessions (10) and MaxStartups (10:30:100) stay as OpenSSH ships them, on purpose.
    """
    root = layout.root
    common = f'"{MARK}={root}" "SLURM_CONF={layout.slurm_conf}" "PATH={layout.programs}"'
    # Only the first SetEnv that applies counts (sshd_config(5)), so each user's has all the words.
    per_user = "\n".join(f'Match User {user}\n  SetEnv {common} "HOME={layout.home(user)}"' for user in layout.users)
    if layout.release:  # OpenSSH 8.4 takes no SetEnv within a Match; such a cluster's passwd has the homes
        per_user = f"SetEnv {common}"
    return f"""\
Port {layout.ports[name]}
ListenAddress 127.0.0.1
HostKey {root}/ssh/host_{name}
PidFile none
PermitRootLogin no
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
# The keys lie below a folder that may be anybody's (/tmp, a checkout).
StrictModes no
AuthorizedKeysFile {root}/ssh/authorized_keys/%u
AllowUsers {" ".join(layout.users)}
# The default, sntrup761, costs 150 ms of CPU for each connection;
# and its older name, the only one that paramiko knows.
KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org
X11Forwarding no
PrintMotd no
PrintLastLog no
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
{per_user}
"""


def ssh_config(layout: Layout) -> str:
    """Return the client's configuration: cluster-a, cluster-a-USER, cluster-b, cluster-b-USER, cluster-a-via-b."""
    first = layout.users[0]
    blocks = [
        _host(layout, f"cluster-{name}-{user}" + (f" cluster-{name}" if user == first else ""), name, user)
        for name in SSHDS
        for user in layout.users
    ]
    jump = _host(layout, "cluster-a-via-b", "a", first) + "  ProxyJump cluster-b\n"
    return "\n".join([*blocks, jump])


def _host(layout: Layout, names: str, sshd: str, user: str) -> str:
    return f"""\
Host {names}
  HostName 127.0.0.1
  Port {layout.ports[sshd]}
  User {user}
  IdentityFile {layout.root}/ssh/id_{user}
  IdentitiesOnly yes
  UserKnownHostsFile {layout.root}/ssh/known_hosts
  StrictHostKeyChecking yes
  BatchMode yes
"""
