//! Memory use of this process.

/// The peak resident memory, in MB. 0 if the kernel does not report it.
pub fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes: Option<u64> = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.unwrap_or_default() / 1024
}
