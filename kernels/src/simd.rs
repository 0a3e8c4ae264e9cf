//! Run-time selection of the instruction set.

/// Compiles a function once per instruction set and calls, at run time, the version for the widest
/// vectors of this machine. Everything that the body calls must be `#[inline(always)]`.
///
/// The versions are in a module of the function's name (`plain`, `at_256`, `at_512`), where tests
/// can compare them. A function marked `[popcount]` uses its 512-bit version only on machines that
/// also count the set bits of a vector.
macro_rules! multiversion {
    (
        $(#[$doc:meta])*
        $seen:vis fn $name:ident($($arg:ident: $kind:ty),* $(,)?) $(-> $out:ty)? $body:block
    ) => {
        multiversion! {
            @versions has_avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c";
            $(#[$doc])*
            $seen fn $name($($arg: $kind),*) $(-> $out)? $body
        }
    };
    (
        [popcount]
        $(#[$doc:meta])*
        $seen:vis fn $name:ident($($arg:ident: $kind:ty),* $(,)?) $(-> $out:ty)? $body:block
    ) => {
        multiversion! {
            @versions has_avx512_popcount,
            "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,avx2,fma,f16c,popcnt";
            $(#[$doc])*
            $seen fn $name($($arg: $kind),*) $(-> $out)? $body
        }
    };
    (
        @versions $has_512:ident, $features_512:literal;
        $(#[$doc:meta])*
        $seen:vis fn $name:ident($($arg:ident: $kind:ty),*) $(-> $out:ty)? $body:block
    ) => {
        $(#[$doc])*
        $seen fn $name($($arg: $kind),*) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            {
                if $crate::simd::$has_512() {
                    #[expect(unsafe_code, reason = "calls what this machine was found to have")]
                    // SAFETY: the check found every feature that `at_512` is compiled for.
                    return unsafe { $name::at_512($($arg),*) };
                }
                if $crate::simd::has_avx2() {
                    #[expect(unsafe_code, reason = "calls what this machine was found to have")]
                    // SAFETY: the check found every feature that `at_256` is compiled for.
                    return unsafe { $name::at_256($($arg),*) };
                }
            }
            $name::plain($($arg),*)
        }

        mod $name {
            use super::*;

            // A body may need nothing of the module above.
            const _: () = {
                let _ = $name;
            };

            #[inline(always)]
            pub(super) fn plain($($arg: $kind),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = $features_512)]
            pub(super) fn at_512($($arg: $kind),*) $(-> $out)? {
                plain($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c,popcnt")]
            pub(super) fn at_256($($arg: $kind),*) $(-> $out)? {
                plain($($arg),*)
            }
        }
    };
}

/// Whether this machine has AVX-512 F, BW, DQ and VL.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

/// Whether this machine has [`has_avx512`] and counts the set bits of a vector.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx512_popcount() -> bool {
    has_avx512() && is_x86_feature_detected!("avx512vpopcntdq")
}

/// Whether this machine has AVX2 with FMA, half floats and a bit count.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("popcnt")
}
