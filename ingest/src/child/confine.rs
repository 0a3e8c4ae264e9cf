//! Giving up every right that reading does not need.
//!
//! Each step is required: a child that cannot take one does not touch the file. The order matters,
//! for each step takes away what an earlier one needs.

use crate::limits::Limits;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{Gid, Uid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule,
};
use std::path::Path;

/// The user and group `nobody`.
const NOBODY: u32 = 65_534;

/// A right that could not be given up.
#[derive(Debug, thiserror::Error)]
pub enum Unconfined {
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

fn step<E: std::fmt::Display>(step: &'static str) -> impl Fn(E) -> Unconfined {
    move |cause| Unconfined::Step {
        step,
        cause: cause.to_string(),
    }
}

/// Confines the whole process. Must be called while it has one thread.
pub fn confine(limits: &Limits) -> Result<(), Unconfined> {
    leave_root()?;
    limit_resources(limits, 16)?;
    rustix::thread::set_no_new_privs(true).map_err(step("no_new_privs"))?;
    close_the_filesystem()?;
    filter_calls()
}

/// Forbids new processes and threads. Called by the thread that reads, once it runs.
pub fn forbid_processes() -> Result<(), Unconfined> {
    limit(Resource::Nproc, 0, 0, "process limit")
}

/// A child of a server that runs as root still reads as nobody.
fn leave_root() -> Result<(), Unconfined> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let user = Uid::from_raw(NOBODY);
    let group = Gid::from_raw(NOBODY);
    rustix::thread::set_thread_groups(&[]).map_err(step("leaving root's groups"))?;
    rustix::thread::set_thread_res_gid(group, group, group)
        .map_err(step("leaving root's group"))?;
    rustix::thread::set_thread_res_uid(user, user, user).map_err(step("leaving root"))
}

fn limit_resources(limits: &Limits, files: u64) -> Result<(), Unconfined> {
    let memory = limits.memory_bytes;
    // The soft limit's signal tells the parent why; the hard one kills whoever ignores it.
    let cpu = limits.cpu.as_secs().max(1);
    limit(Resource::As, memory, memory, "memory limit")?;
    limit(Resource::Cpu, cpu, cpu + 2, "processor limit")?;
    limit(Resource::Fsize, 0, 0, "file size limit")?;
    limit(Resource::Nofile, files, files, "open files limit")?;
    limit(Resource::Core, 0, 0, "core dump limit")
}

fn limit(what: Resource, soft: u64, hard: u64, name: &'static str) -> Result<(), Unconfined> {
    let wanted = Rlimit {
        current: Some(soft),
        maximum: Some(hard),
    };
    setrlimit(what, wanted).map_err(step(name))
}

/// No file can be opened: every right of ABI 1 (Linux 5.13) is handled, as a hard requirement, and
/// none is granted. What newer kernels know beside it (truncating, TCP, signals, abstract sockets) is
/// taken away where they know it; on others seccomp alone denies it, and it denies it everywhere.
fn close_the_filesystem() -> Result<(), Unconfined> {
    let failed = step::<landlock::RulesetError>("landlock");
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map(|rules| rules.set_compatibility(CompatLevel::BestEffort))
        .and_then(|rules| rules.handle_access(AccessFs::from_all(ABI::V4)))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(failed)?;
    if status.ruleset != RulesetStatus::NotEnforced && status.no_new_privs {
        Ok(())
    } else {
        Err(Unconfined::LandlockPartial)
    }
}

/// Confines the process that becomes `program`: it may read the system's libraries and `data`, run
/// nothing but itself, and reach nobody.
pub fn confine_program(limits: &Limits, program: &Path, data: &Path) -> Result<(), Unconfined> {
    leave_root()?;
    limit_resources(limits, 64)?;
    rustix::thread::set_no_new_privs(true).map_err(step("no_new_privs"))?;
    leave_the_system_files(program, data)?;
    deny_calls()
}

/// The dynamic linker and the libraries, without which no program runs.
const LIBRARIES: &[&str] = &[
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/etc/ld.so.cache",
];

fn leave_the_system_files(program: &Path, data: &Path) -> Result<(), Unconfined> {
    let failed = step::<landlock::RulesetError>("landlock");
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let rule = |path: &Path, access: landlock::BitFlags<AccessFs>| {
        let of_file = AccessFs::from_file(ABI::V1);
        let access = if path.is_dir() {
            access
        } else {
            access & of_file
        };
        PathFd::new(path).map(|opened| PathBeneath::new(opened, access))
    };
    let absent = step::<landlock::PathFdError>("opening what the recogniser needs");
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map(|rules| rules.set_compatibility(CompatLevel::BestEffort))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .map_err(&failed)?;
    let run = read | AccessFs::Execute;
    let libraries = LIBRARIES.iter().map(Path::new);
    let present = libraries
        .filter(|path| path.exists())
        .map(|path| (path, run));
    for (path, access) in present.chain([(program, run), (data, read)]) {
        let rule = rule(path, access).map_err(&absent)?;
        rules = rules.add_rule(rule).map_err(&failed)?;
    }
    let status = rules.restrict_self().map_err(&failed)?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(Unconfined::LandlockPartial);
    }
    Ok(())
}

/// What a program that only computes has no business with: sockets, new processes, other
/// processes, the system's settings.
const DENIED: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_io_uring_setup,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
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
    libc::SYS_memfd_create,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
];

fn deny_calls() -> Result<(), Unconfined> {
    let failed = step::<seccompiler::Error>("seccomp");
    apply(vec![(libc::SYS_clone3, vec![])], Without).map_err(&failed)?;
    let mut rules: Rules = DENIED.iter().map(|call| (*call, vec![])).collect();
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let fork = one(0, Op::MaskedEq(thread), 0).map_err(step("seccomp"))?;
    rules.push((libc::SYS_clone, fork));
    #[cfg(target_arch = "x86_64")]
    rules.extend([(libc::SYS_fork, vec![]), (libc::SYS_vfork, vec![])]);
    apply(rules, Refusing).map_err(&failed)
}

fn filter_calls() -> Result<(), Unconfined> {
    let failed = step::<seccompiler::Error>("seccomp");
    // The C library asks for `clone3`, whose flags a filter cannot see, and falls back to `clone`
    // only when it is told that the call does not exist.
    apply(vec![(libc::SYS_clone3, vec![])], Without).map_err(&failed)?;
    apply(allowed().map_err(step("seccomp"))?, Only).map_err(&failed)
}

use Shape::{Only, Refusing, Without};

#[derive(Clone, Copy)]
enum Shape {
    /// Everything but these calls, which do not exist.
    Without,
    /// Everything but these calls, which are refused.
    Refusing,
    /// Nothing but these calls.
    Only,
}

type Rules = Vec<(i64, Vec<SeccompRule>)>;

fn apply(rules: Rules, shape: Shape) -> Result<(), seccompiler::Error> {
    let errno = |code: i32| SeccompAction::Errno(code.unsigned_abs());
    let (otherwise, matched) = match shape {
        Without => (SeccompAction::Allow, errno(libc::ENOSYS)),
        Refusing => (SeccompAction::Allow, errno(libc::EPERM)),
        Only => (errno(libc::EPERM), SeccompAction::Allow),
    };
    let arch = std::env::consts::ARCH
        .try_into()
        .map_err(seccompiler::Error::Backend)?;
    let filter = SeccompFilter::new(rules.into_iter().collect(), otherwise, matched, arch)
        .map_err(seccompiler::Error::Backend)?;
    let program: BpfProgram = filter.try_into().map_err(seccompiler::Error::Backend)?;
    seccompiler::apply_filter(&program)
}

/// What a program needs that computes, allocates and writes to pipes that are open already.
const PLAIN: &[i64] = &[
    libc::SYS_read,
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
    // A later call to clone3 must reach the other filter's answer; this one may not forbid it.
    libc::SYS_clone3,
];

fn allowed() -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = PLAIN.iter().map(|call| (*call, vec![])).collect();
    let own_pid = u64::from(std::process::id());
    let not_executable = |call: i64| -> Result<_, seccompiler::BackendError> {
        let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
        Ok((call, one(2, Op::MaskedEq(executable), 0)?))
    };
    rules.push(not_executable(libc::SYS_mmap)?);
    rules.push(not_executable(libc::SYS_mprotect)?);
    // Threads, never processes.
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    rules.push((libc::SYS_clone, one(0, Op::MaskedEq(thread), thread)?));
    // `abort` signals its own thread; no other process may be signalled.
    rules.push((libc::SYS_tgkill, one(0, Op::Eq, own_pid)?));
    // Limits can be lowered, and only the child's own.
    rules.push((libc::SYS_prlimit64, one(0, Op::Eq, 0)?));
    Ok(rules)
}

fn one(argument: u8, op: Op, value: u64) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let condition = SeccompCondition::new(argument, Len::Qword, op, value)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}
