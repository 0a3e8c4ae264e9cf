//! Applies Landlock and seccomp to the process.

use cloister_ingest::sandbox::{
    ArgumentCondition, ArgumentWidth, Comparison, FilterMode, SeccompError, SyscallFilter,
};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The files and folders that the process keeps.
#[derive(Clone, Debug, Default)]
pub struct AllowedPaths {
    /// Files and folders that may be read and run.
    pub readable: Vec<PathBuf>,
    /// Folders that may be written.
    pub writable: Vec<PathBuf>,
}

/// What the kernel enforces, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxStatus {
    /// What Landlock enforces.
    pub landlock: String,
    /// What seccomp enforces.
    pub seccomp: String,
}

impl SandboxStatus {
    /// The status if the settings switch the sandbox off.
    pub fn off() -> Self {
        let off = "off, by the setting `sandbox.mode`";
        Self {
            landlock: off.into(),
            seccomp: off.into(),
        }
    }
}

/// Why the process could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Landlock is missing or refused.
    #[error(
        "this kernel does not enforce Landlock ({0}). Cloister needs Linux 5.13 or newer with \
         `landlock` among the security modules of /sys/kernel/security/lsm; in a container, a \
         seccomp profile that allows the three landlock system calls"
    )]
    Landlock(#[from] RulesetError),
    /// A folder that the process keeps cannot be opened.
    #[error("could not open `{path}`: {cause}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The error.
        cause: landlock::PathFdError,
    },
    /// Seccomp is missing or refused.
    #[error("this kernel does not enforce seccomp ({0}). Cloister needs CONFIG_SECCOMP_FILTER")]
    Seccomp(String),
}

impl From<SeccompError> for SandboxError {
    fn from(cause: SeccompError) -> Self {
        Self::Seccomp(cause.to_string())
    }
}

/// Confines the process. Call it before any other thread is started: Landlock applies to the
/// calling thread and the threads that it starts.
pub fn confine(paths: &AllowedPaths) -> Result<SandboxStatus, SandboxError> {
    let landlock = confine_files(paths)?;
    network_filter()?.apply_to_all_threads()?;
    let seccomp = "no sockets except local ones, no connect, no io_uring, no ptrace";
    Ok(SandboxStatus {
        landlock,
        seccomp: seccomp.to_owned(),
    })
}

/// The system files that every program needs.
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
    folders
        .iter()
        .chain(&devices)
        .map(PathBuf::from)
        .filter(|path| path.exists())
        .collect()
}

/// The devices of NVIDIA GPUs.
pub fn gpu_devices() -> Vec<PathBuf> {
    let Ok(listed) = std::fs::read_dir("/dev") else {
        return Vec::new();
    };
    listed
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("nvidia"))
        .map(|entry| entry.path())
        .collect()
}

fn confine_files(paths: &AllowedPaths) -> Result<String, SandboxError> {
    let with_network = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V4))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(Ruleset::create);
    if let Ok(ruleset) = with_network {
        restrict(ruleset, paths, ABI::V4)?;
        return Ok("no files outside its folders, no TCP connections".into());
    }
    let files_alone = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        // Rights that kernels between 5.13 and 6.7 know.
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V3))?
        .create()?;
    restrict(files_alone, paths, ABI::V3)?;
    Ok("no files outside its folders; seccomp denies TCP, for which this kernel is too old".into())
}

fn restrict(
    mut ruleset: RulesetCreated,
    paths: &AllowedPaths,
    abi: ABI,
) -> Result<(), SandboxError> {
    for path in &paths.readable {
        ruleset = allow(ruleset, path, AccessFs::from_read(abi), abi)?;
    }
    for path in &paths.writable {
        // Nothing that is written can be executed.
        let access = AccessFs::from_all(abi) & !AccessFs::Execute;
        ruleset = allow(ruleset, path, access, abi)?;
    }
    // Discarded output goes to /dev/null.
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
) -> Result<RulesetCreated, SandboxError> {
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(abi)
    };
    let opened = PathFd::new(path).map_err(|cause| SandboxError::Folder {
        path: path.to_owned(),
        cause,
    })?;
    Ok(ruleset.add_rule(PathBeneath::new(opened, access))?)
}

/// Denies every call that could send data over a socket or bypass the filter.
fn network_filter() -> Result<SyscallFilter, SeccompError> {
    let local = u64::from(libc::AF_UNIX.unsigned_abs());
    SyscallFilter::new(FilterMode::Deny(libc::EACCES), DENIED)
        .with_condition(libc::SYS_socket, when(0, Comparison::Ne, local))?
        // A local datagram needs no connect to reach another program, such as a log forwarder.
        .with_condition(libc::SYS_socket, is_datagram())?
        .with_condition(libc::SYS_socketpair, is_datagram())?
        .with_condition(libc::SYS_sendto, has_fast_open(3))?
        .with_condition(libc::SYS_sendmsg, has_fast_open(2))?
        .with_condition(libc::SYS_sendmmsg, has_fast_open(3))
}

/// The socket sends datagrams. Flags are not part of the type.
fn is_datagram() -> ArgumentCondition {
    const TYPE: u64 = 0xf;
    let datagram = u64::from(libc::SOCK_DGRAM.unsigned_abs());
    when(1, Comparison::MaskedEq(TYPE), datagram)
}

/// Sending with `MSG_FASTOPEN` connects a socket.
fn has_fast_open(argument: u8) -> ArgumentCondition {
    let flag = u64::from(libc::MSG_FASTOPEN.unsigned_abs());
    when(argument, Comparison::MaskedEq(flag), flag)
}

fn when(argument: u8, comparison: Comparison, value: u64) -> ArgumentCondition {
    ArgumentCondition {
        argument,
        width: ArgumentWidth::Bits32,
        comparison,
        value,
    }
}

const DENIED: &[i64] = &[
    libc::SYS_connect,
    // io_uring opens and connects sockets without these system calls.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // The sockets of another process must not be used either.
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
