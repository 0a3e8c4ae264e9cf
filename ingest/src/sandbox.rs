//! Building and installing seccomp filters, for this crate's children and for the appliance itself.
//!
//! A [`SyscallFilter`] is a list of system calls, each with an optional condition on its arguments,
//! and what happens to the calls on and off the list. It says nothing about files: Landlock does.

pub use seccompiler::{Error as SeccompError, SeccompCmpOp as Comparison};

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};
use std::collections::BTreeMap;

/// What a filter does with the calls on its list. All other calls are treated the opposite way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterMode {
    /// Only the listed calls are allowed. Every other call fails with this `errno`.
    Allow(i32),
    /// The listed calls fail with this `errno`. Every other call is allowed.
    Deny(i32),
}

/// How many bits of an argument a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentWidth {
    /// The lower 32 bits, for `int` and `unsigned int`.
    Bits32,
    /// All 64 bits, for pointers, sizes and `unsigned long`.
    Bits64,
}

/// A condition on one argument of a system call.
#[derive(Clone, Debug)]
pub struct ArgumentCondition {
    /// The argument's index, counted from 0.
    pub argument: u8,
    /// How many of its bits are compared.
    pub width: ArgumentWidth,
    /// How it is compared.
    pub comparison: Comparison,
    /// What it is compared with.
    pub value: u64,
}

/// A seccomp filter under construction.
#[derive(Debug)]
pub struct SyscallFilter {
    mode: FilterMode,
    rules: BTreeMap<i64, Vec<SeccompRule>>,
}

impl SyscallFilter {
    /// A filter that lists these calls, whatever their arguments are.
    pub fn new(mode: FilterMode, calls: &[i64]) -> Self {
        Self {
            mode,
            rules: calls.iter().map(|call| (*call, Vec::new())).collect(),
        }
    }

    /// Lists `call` for the case that the condition holds.
    pub fn with_condition(
        mut self,
        call: i64,
        condition: ArgumentCondition,
    ) -> Result<Self, SeccompError> {
        let ArgumentCondition {
            argument,
            width,
            comparison,
            value,
        } = condition;
        let width = match width {
            ArgumentWidth::Bits32 => SeccompCmpArgLen::Dword,
            ArgumentWidth::Bits64 => SeccompCmpArgLen::Qword,
        };
        let condition = SeccompCondition::new(argument, width, comparison, value)?;
        let rule = SeccompRule::new(vec![condition])?;
        self.rules.entry(call).or_default().push(rule);
        Ok(self)
    }

    /// Compiles the filter for this machine's architecture.
    fn compile(self) -> Result<BpfProgram, BackendError> {
        let (unlisted, listed) = match self.mode {
            FilterMode::Allow(errno) => (fail_with(errno), SeccompAction::Allow),
            FilterMode::Deny(errno) => (SeccompAction::Allow, fail_with(errno)),
        };
        let architecture = std::env::consts::ARCH.try_into()?;
        let filter: BpfProgram =
            SeccompFilter::new(self.rules, unlisted, listed, architecture)?.try_into()?;
        let mut program = refuse_x32(self.mode);
        program.extend(filter);
        Ok(program)
    }

    /// Installs the filter for the calling thread and the threads that it starts.
    pub fn apply(self) -> Result<(), SeccompError> {
        seccompiler::apply_filter(&self.compile()?)
    }

    /// Installs the filter for every thread of the process.
    pub fn apply_to_all_threads(self) -> Result<(), SeccompError> {
        seccompiler::apply_filter_all_threads(&self.compile()?)
    }
}

/// Fails all calls of the x32 ABI, which has other numbers for the same calls. The architecture that
/// the filter checks is the same for both. Empty on machines without x32.
fn refuse_x32(mode: FilterMode) -> BpfProgram {
    /// The bit that the numbers of x32 calls have (`__X32_SYSCALL_BIT`).
    const X32: u32 = 0x4000_0000;
    if !cfg!(target_arch = "x86_64") {
        return BpfProgram::new();
    }
    let (FilterMode::Allow(errno) | FilterMode::Deny(errno)) = mode;
    let step = |code: u32, jt, jf, k| sock_filter {
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt,
        jf,
        k,
    };
    vec![
        // The number is the first field of `seccomp_data`.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
        step(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | errno.unsigned_abs(),
        ),
    ]
}

fn fail_with(errno: i32) -> SeccompAction {
    SeccompAction::Errno(errno.unsigned_abs())
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// The error number of `getpid` by its number in the x32 ABI.
    fn x32_getpid() -> Option<i32> {
        const X32: i64 = 0x4000_0000;
        // SAFETY: `getpid` has no arguments and no effects.
        #[expect(unsafe_code, reason = "no safe function makes an x32 call")]
        let result = unsafe { libc::syscall(X32 | libc::SYS_getpid) };
        (result < 0)
            .then(std::io::Error::last_os_error)
            .and_then(|cause| cause.raw_os_error())
    }

    #[test]
    fn x32_calls_are_refused() {
        // The filter holds for this thread alone.
        let refused = std::thread::spawn(|| {
            SyscallFilter::new(FilterMode::Deny(libc::EACCES), &[libc::SYS_ptrace])
                .apply()
                .unwrap();
            (x32_getpid(), std::fs::metadata("/").is_ok())
        });
        assert_eq!(refused.join().unwrap(), (Some(libc::EACCES), true));
    }
}
