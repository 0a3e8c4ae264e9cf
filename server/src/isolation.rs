//! The process denies itself the network and most of the disk, before it serves.
//!
//! Landlock (kernel 5.13 and newer) leaves it the folders it works in, and from 6.7 on no TCP
//! connection either. Landlock does not know UDP, raw sockets or an already opened socket, so
//! seccomp denies every new socket that is not local and every connect. What is in force is
//! tried out by `cloister doctor`, not only read from the kernel's word.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What of the disk is left.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Files and folders that may be read and run.
    pub readable: Vec<PathBuf>,
    /// Folders that may be written.
    pub writable: Vec<PathBuf>,
}

/// What the kernel enforces from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// What Landlock enforces.
    pub landlock: String,
    /// What seccomp enforces.
    pub seccomp: String,
}

impl InForce {
    /// What holds where the settings switch confinement off.
    pub fn off() -> Self {
        let off = || "off, by the setting isolation.confinement".to_owned();
        Self {
            landlock: off(),
            seccomp: off(),
        }
    }
}

/// Why the process could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// Landlock is missing or refused.
    #[error(
        "this kernel does not enforce Landlock ({0}). Cloister needs Linux 5.13 or newer with \
         `landlock` among the security modules of /sys/kernel/security/lsm; in a container, a \
         seccomp profile that allows the three landlock system calls"
    )]
    Landlock(#[from] RulesetError),
    /// A folder that must stay reachable cannot be opened.
    #[error("`{path}` cannot be opened: {cause}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        cause: landlock::PathFdError,
    },
    /// Seccomp is missing or refused.
    #[error("this kernel does not enforce seccomp ({0}). Cloister needs CONFIG_SECCOMP_FILTER")]
    Seccomp(String),
}

impl From<seccompiler::BackendError> for IsolationError {
    fn from(cause: seccompiler::BackendError) -> Self {
        Self::Seccomp(cause.to_string())
    }
}

/// Confines the whole process. Call it before any other thread is started: Landlock binds the
/// calling thread and those that it starts.
pub fn confine(reach: &Reach) -> Result<InForce, IsolationError> {
    let landlock = confine_files(reach)?;
    seccompiler::apply_filter_all_threads(&network_filter()?)
        .map_err(|cause| IsolationError::Seccomp(cause.to_string()))?;
    let seccomp = "no sockets but local ones, no connecting, no io_uring, no tracing";
    Ok(InForce {
        landlock,
        seccomp: seccomp.to_owned(),
    })
}

/// The program's and the system's own files, without which nothing can be run.
pub fn system_files() -> Vec<PathBuf> {
    let folders = [
        "/usr",
        "/lib",
        "/lib64",
        "/bin",
        "/etc/ld.so.cache",
        "/proc",
        "/sys/devices",
    ];
    let devices = ["/dev/null", "/dev/urandom", "/dev/zero"];
    let present = folders.iter().chain(&devices).map(PathBuf::from);
    present.filter(|path| path.exists()).collect()
}

/// An NVIDIA GPU's devices, where there are any.
pub fn gpu_devices() -> Vec<PathBuf> {
    let Ok(listed) = std::fs::read_dir("/dev") else {
        return Vec::new();
    };
    let paths = listed.filter_map(Result::ok).map(|entry| entry.path());
    let is_gpu = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("nvidia"))
    };
    paths.filter(is_gpu).collect()
}

fn confine_files(reach: &Reach) -> Result<String, IsolationError> {
    let with_network = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V4))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(Ruleset::create);
    if let Ok(ruleset) = with_network {
        restrict(ruleset, reach, ABI::V4)?;
        return Ok("files outside its folders, and TCP, are out of reach".into());
    }
    let files_alone = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .create()?;
    restrict(files_alone, reach, ABI::V1)?;
    Ok(
        "files outside its folders are out of reach; for TCP this kernel is too old, seccomp \
        denies it"
            .into(),
    )
}

fn restrict(mut ruleset: RulesetCreated, reach: &Reach, abi: ABI) -> Result<(), IsolationError> {
    for path in &reach.readable {
        ruleset = allow(ruleset, path, AccessFs::from_read(abi), abi)?;
    }
    for path in &reach.writable {
        ruleset = allow(ruleset, path, AccessFs::from_all(abi), abi)?;
    }
    // Output that nobody reads goes to /dev/null, which must be writable for that.
    ruleset = allow(
        ruleset,
        Path::new("/dev/null"),
        AccessFs::from_file(abi),
        abi,
    )?;
    ruleset.restrict_self()?;
    Ok(())
}

fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: landlock::BitFlags<AccessFs>,
    abi: ABI,
) -> Result<RulesetCreated, IsolationError> {
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(abi)
    };
    let opened = PathFd::new(path).map_err(|cause| IsolationError::Folder {
        path: path.to_owned(),
        cause,
    })?;
    Ok(ruleset.add_rule(PathBeneath::new(opened, access))?)
}

/// Everything by which data could leave over a socket, or the filter be got around.
fn network_filter() -> Result<BpfProgram, IsolationError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in DENIED {
        rules.insert(*call, Vec::new());
    }
    let local = u64::from(libc::AF_UNIX.unsigned_abs());
    rules.insert(libc::SYS_socket, vec![when(0, SeccompCmpOp::Ne, local)?]);
    // A socket that is open already could be connected anew by sending with MSG_FASTOPEN.
    let fast = u64::from(libc::MSG_FASTOPEN.unsigned_abs());
    for (call, flags) in [
        (libc::SYS_sendto, 3),
        (libc::SYS_sendmsg, 2),
        (libc::SYS_sendmmsg, 3),
    ] {
        rules.insert(call, vec![when(flags, SeccompCmpOp::MaskedEq(fast), fast)?]);
    }
    let denied = SeccompAction::Errno(libc::EACCES.unsigned_abs());
    let machine = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, denied, machine)?.try_into()?)
}

fn when(argument: u8, comparison: SeccompCmpOp, value: u64) -> Result<SeccompRule, IsolationError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, comparison, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

const DENIED: &[i64] = &[
    libc::SYS_connect,
    // io_uring can open and connect sockets behind the filter's back.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Another process's sockets are not to be borrowed either.
    libc::SYS_pidfd_getfd,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
];
