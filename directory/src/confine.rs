//! The confinement of the connector.
//!
//! What the kernel enforces: no file, no program, no process, no socket except TCP, no listening,
//! and with Landlock ABI 4 (Linux 6.7) no TCP connection to another port. No kernel can limit the
//! address of a connection in this way: seccomp does not see it, and Landlock knows ports only. The
//! connector itself connects to the addresses that it resolved before, and to no other. A packet
//! filter of the machine (`deploy/`) can enforce the address, too.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr,
    RulesetCreatedAttr,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{Gid, Uid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;

/// The user and group `nobody`.
const NOBODY: u32 = 65_534;
/// Open files: a connection for each question that is in progress, and the event loop.
const MAX_FILES: u64 = 64;
/// Memory, which a directory that sends too much cannot exceed.
const MAX_MEMORY_BYTES: u64 = 1 << 30;
/// The part of a socket's type that is not a flag.
const SOCKET_TYPE: u64 = 0xf;

/// Gives up everything except TCP connections to `port`. Returns what the kernel enforces.
pub fn confine(port: u16) -> Result<String, String> {
    drop_root().map_err(|cause| format!("leaving root: {cause}"))?;
    limit_resources().map_err(|cause| format!("resource limits: {cause}"))?;
    // Passwords pass through the memory of this process.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|cause| format!("core dumps: {cause}"))?;
    rustix::thread::set_no_new_privs(true).map_err(|cause| format!("no_new_privs: {cause}"))?;
    let status = restrict_with_landlock(port)?;
    allow_calls().map_err(|cause| format!("seccomp: {cause}"))?;
    Ok(status)
}

/// Switches to the user `nobody` if the appliance runs as root.
fn drop_root() -> rustix::io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)
}

fn limit_resources() -> rustix::io::Result<()> {
    for (resource, value) in [
        (Resource::Nofile, MAX_FILES),
        (Resource::As, MAX_MEMORY_BYTES),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit {
            current: Some(value),
            maximum: Some(value),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

fn restrict_with_landlock(port: u16) -> Result<String, String> {
    let with_network = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V4))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(Ruleset::create);
    if let Ok(rules) = with_network {
        rules
            .add_rule(NetPort::new(port, AccessNet::ConnectTcp))
            .and_then(landlock::RulesetCreated::restrict_self)
            .map_err(|cause| format!("landlock: {cause}"))?;
        return Ok(format!("no files, TCP connections to port {port} only"));
    }
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|cause| format!("landlock: {cause}"))?;
    Ok("no files; this kernel is too old to limit the port of TCP connections".into())
}

/// Allows the calls that the connector needs, which are those of an event loop and of TCP. All others
/// fail, also those of the x32 ABI, whose numbers are not in the list.
fn allow_calls() -> Result<(), seccompiler::Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_socket, tcp_sockets()?);
    // With an address, sending would connect.
    let no_address = condition(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_sendto, vec![SeccompRule::new(vec![no_address])?]);
    let arch = std::env::consts::ARCH.try_into()?;
    let denied = SeccompAction::Errno(libc::EACCES.unsigned_abs());
    let filter = SeccompFilter::new(rules, denied, SeccompAction::Allow, arch)?;
    let program: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program)
}

/// Streams over IPv4 or IPv6, whose protocol is TCP.
fn tcp_sockets() -> Result<Vec<SeccompRule>, seccompiler::Error> {
    const STREAM: SeccompCmpOp = SeccompCmpOp::MaskedEq(SOCKET_TYPE);
    let mut rules = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        for protocol in [0, libc::IPPROTO_TCP] {
            let bits = SeccompCmpArgLen::Dword;
            rules.push(SeccompRule::new(vec![
                condition(0, bits.clone(), SeccompCmpOp::Eq, family)?,
                condition(1, bits.clone(), STREAM, libc::SOCK_STREAM)?,
                condition(2, bits, SeccompCmpOp::Eq, protocol)?,
            ])?);
        }
    }
    Ok(rules)
}

/// What the connector must not be able to do, and whether it is refused.
pub fn attempts(port: u16) -> Vec<(&'static str, bool)> {
    let other_port = SocketAddr::from((Ipv4Addr::LOCALHOST, port ^ 1));
    let denied = |result: io::Result<()>| {
        result.is_err_and(|cause| cause.kind() == io::ErrorKind::PermissionDenied)
    };
    vec![
        (
            "a connection to another port",
            denied(TcpStream::connect(other_port).map(drop)),
        ),
        (
            "a datagram, as a name lookup sends it",
            denied(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop)),
        ),
        (
            "a server of its own",
            denied(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(drop)),
        ),
        ("a local socket", denied(UnixStream::pair().map(drop))),
        (
            "a file",
            denied(std::fs::File::open("/etc/passwd").map(drop)),
        ),
    ]
}

fn condition(
    argument: u8,
    length: SeccompCmpArgLen,
    operator: SeccompCmpOp,
    value: i32,
) -> Result<SeccompCondition, seccompiler::Error> {
    let value = u64::from(value.unsigned_abs());
    Ok(SeccompCondition::new(argument, length, operator, value)?)
}

const ALLOWED: &[i64] = &[
    libc::SYS_connect,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_recvfrom,
    libc::SYS_shutdown,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];
