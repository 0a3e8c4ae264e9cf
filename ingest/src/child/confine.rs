//! Confinement of a child process: it gives up every right that reading a file does not need.
//!
//! Every step is required. A child that cannot take one of them does not touch the file. The order
//! matters, because each step takes away rights that earlier steps need.

use crate::limits::Limits;
use crate::sandbox::{
    ArgumentCondition, ArgumentWidth, Comparison, FilterMode, SeccompError, SyscallFilter,
};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{Gid, Uid};
use std::path::Path;

/// The user and group `nobody`.
const NOBODY: u32 = 65_534;
/// Open files that the process which parses a file may have.
const PARSER_FILES: u64 = 16;
/// Open files that the text recognition program may have: it also opens libraries and languages.
const OCR_FILES: u64 = 64;

/// A right that could not be given up.
#[derive(Debug, thiserror::Error)]
pub enum ConfinementError {
    /// A call to the kernel failed.
    #[error("{step}: {cause}")]
    Step {
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        cause: String,
    },
    /// Landlock does not enforce its rules.
    #[error("landlock is not enforced")]
    LandlockPartial,
}

/// Turns the error of a step into a [`ConfinementError`] that names the step.
fn failed<E: std::fmt::Display>(step: &'static str) -> impl Fn(E) -> ConfinementError {
    move |cause| ConfinementError::Step {
        step,
        cause: cause.to_string(),
    }
}

/// Confines the process that parses a file. Must be called while it has one thread.
pub fn confine_parser(limits: &Limits) -> Result<(), ConfinementError> {
    drop_root()?;
    limit_resources(limits, PARSER_FILES)?;
    rustix::thread::set_no_new_privs(true).map_err(failed("no_new_privs"))?;
    deny_all_files()?;
    allow_parser_calls().map_err(failed("seccomp"))
}

/// Forbids new processes and threads. The thread that parses calls this when it runs.
pub fn forbid_processes() -> Result<(), ConfinementError> {
    set_limit(Resource::Nproc, 0, 0, "process limit")
}

/// Confines the process that becomes `program`, the text recognition. It may read the system's
/// libraries and `data`, execute only itself, and cannot connect anywhere.
pub fn confine_program(
    limits: &Limits,
    program: &Path,
    data: &Path,
) -> Result<(), ConfinementError> {
    drop_root()?;
    limit_resources(limits, OCR_FILES)?;
    rustix::thread::set_no_new_privs(true).map_err(failed("no_new_privs"))?;
    allow_program_files(program, data)?;
    allow_program_calls().map_err(failed("seccomp"))
}

/// Switches to the user `nobody` if the server runs as root.
fn drop_root() -> Result<(), ConfinementError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let user = Uid::from_raw(NOBODY);
    let group = Gid::from_raw(NOBODY);
    rustix::thread::set_thread_groups(&[]).map_err(failed("leaving root's groups"))?;
    rustix::thread::set_thread_res_gid(group, group, group)
        .map_err(failed("leaving root's group"))?;
    rustix::thread::set_thread_res_uid(user, user, user).map_err(failed("leaving root"))
}

fn limit_resources(limits: &Limits, open_files: u64) -> Result<(), ConfinementError> {
    let memory = limits.memory_bytes;
    // The signal of the soft limit tells the parent why the child died. The hard limit kills a
    // child that ignores the signal.
    let cpu = limits.cpu.as_secs().max(1);
    set_limit(Resource::As, memory, memory, "memory limit")?;
    set_limit(Resource::Cpu, cpu, cpu + 2, "processor limit")?;
    set_limit(Resource::Fsize, 0, 0, "file size limit")?;
    set_limit(Resource::Nofile, open_files, open_files, "open files limit")?;
    set_limit(Resource::Core, 0, 0, "core dump limit")
}

fn set_limit(
    resource: Resource,
    soft: u64,
    hard: u64,
    step: &'static str,
) -> Result<(), ConfinementError> {
    let limit = Rlimit {
        current: Some(soft),
        maximum: Some(hard),
    };
    setrlimit(resource, limit).map_err(failed(step))
}

/// Denies opening any file. Every right of Landlock's ABI 1 (Linux 5.13) is handled as a hard
/// requirement, and none is granted. Rights that newer kernels know in addition (truncating, TCP,
/// signals, abstract sockets) are taken away if the kernel knows them. On older kernels, seccomp
/// alone denies these; it denies them on every kernel.
fn deny_all_files() -> Result<(), ConfinementError> {
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map(|rules| rules.set_compatibility(CompatLevel::BestEffort))
        .and_then(|rules| rules.handle_access(AccessFs::from_all(ABI::V4)))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .and_then(RulesetCreated::restrict_self)
        .map_err(failed("landlock"))?;
    if status.ruleset != RulesetStatus::NotEnforced && status.no_new_privs {
        Ok(())
    } else {
        Err(ConfinementError::LandlockPartial)
    }
}

/// The dynamic linker and the libraries, without which no program runs.
const LIBRARIES: &[&str] = &[
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/etc/ld.so.cache",
];

/// The dynamic linkers, which the kernel executes to start a program.
const LINKERS: &[&str] = &["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];

/// Allows reading the libraries and `data`, and executing `program` and nothing else.
fn allow_program_files(program: &Path, data: &Path) -> Result<(), ConfinementError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let execute = read | AccessFs::Execute;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map(|rules| rules.set_compatibility(CompatLevel::BestEffort))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .map_err(failed("landlock"))?;
    for library in LIBRARIES.iter().map(Path::new) {
        if library.exists() {
            rules = allow_path(rules, library, read)?;
        }
    }
    for linker in LINKERS.iter().map(Path::new) {
        if linker.exists() {
            rules = allow_path(rules, linker, execute)?;
        }
    }
    rules = allow_path(rules, program, execute)?;
    rules = allow_path(rules, data, read)?;
    let status = rules.restrict_self().map_err(failed("landlock"))?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(ConfinementError::LandlockPartial);
    }
    Ok(())
}

fn allow_path(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, ConfinementError> {
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(ABI::V1)
    };
    let opened = PathFd::new(path).map_err(failed("opening what the recogniser needs"))?;
    rules
        .add_rule(PathBeneath::new(opened, access))
        .map_err(failed::<RulesetError>("landlock"))
}

/// Calls of the text recognition program besides those of the parser: it is started by the dynamic
/// linker, and opens libraries and language files.
const ALLOWED_TO_PROGRAM: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_openat,
    libc::SYS_readv,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_fcntl,
    // Memory of the program and its libraries is executable.
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_set_tid_address,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_getres,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
];

fn allow_program_calls() -> Result<(), SeccompError> {
    hide_clone3()?;
    let calls = [ALLOWED_TO_PARSER, ALLOWED_TO_PROGRAM].concat();
    own_process_only(SyscallFilter::new(FilterMode::Allow(libc::EPERM), &calls))?.apply()
}

/// Allows calls that can reach other processes for the calling process alone.
fn own_process_only(filter: SyscallFilter) -> Result<SyscallFilter, SeccompError> {
    // The process id stays the same when the process becomes another program.
    let own_process = u64::from(std::process::id());
    filter
        // Threads, never processes.
        .with_condition(
            libc::SYS_clone,
            masked(0, libc::CLONE_THREAD, libc::CLONE_THREAD),
        )?
        // `abort` signals its own thread. No other process may be signalled.
        .with_condition(libc::SYS_tgkill, equal(0, own_process))?
        // Limits can be lowered, and only those of the child itself.
        .with_condition(libc::SYS_prlimit64, equal(0, 0))
}

/// Calls of a program that computes, allocates memory, and writes to pipes that are already open.
const ALLOWED_TO_PARSER: &[i64] = &[
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // The other filter answers clone3 with ENOSYS. This filter must let it through to there.
    libc::SYS_clone3,
];

fn allow_parser_calls() -> Result<(), SeccompError> {
    hide_clone3()?;
    let filter = SyscallFilter::new(FilterMode::Allow(libc::EPERM), ALLOWED_TO_PARSER)
        // Memory is never executable.
        .with_condition(libc::SYS_mmap, masked(2, libc::PROT_EXEC, 0))?
        .with_condition(libc::SYS_mprotect, masked(2, libc::PROT_EXEC, 0))?;
    own_process_only(filter)?.apply()
}

/// Makes `clone3` fail with `ENOSYS`. A filter cannot see the flags of `clone3`, and the C library
/// falls back to `clone` only if `clone3` does not exist.
fn hide_clone3() -> Result<(), SeccompError> {
    SyscallFilter::new(FilterMode::Deny(libc::ENOSYS), &[libc::SYS_clone3]).apply()
}

/// The bits of `mask` in the argument are equal to `value`.
fn masked(argument: u8, mask: i32, value: i32) -> ArgumentCondition {
    ArgumentCondition {
        argument,
        width: ArgumentWidth::Bits64,
        comparison: Comparison::MaskedEq(u64::from(mask.unsigned_abs())),
        value: u64::from(value.unsigned_abs()),
    }
}

fn equal(argument: u8, value: u64) -> ArgumentCondition {
    ArgumentCondition {
        argument,
        width: ArgumentWidth::Bits64,
        comparison: Comparison::Eq,
        value,
    }
}
