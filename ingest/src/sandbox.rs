//! Building and installing seccomp filters, for this crate's children and for the appliance itself.
//!
//! A [`SyscallFilter`] is a list of system calls, each with an optional condition on its arguments,
//! and what happens to the calls on and off the list. It says nothing about files: Landlock does.

pub use seccompiler::{Error as SeccompError, SeccompCmpOp as Comparison};

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCondition, SeccompFilter,
    SeccompRule,
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
        SeccompFilter::new(self.rules, unlisted, listed, architecture)?.try_into()
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

fn fail_with(errno: i32) -> SeccompAction {
    SeccompAction::Errno(errno.unsigned_abs())
}
