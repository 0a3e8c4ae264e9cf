//! The interface is embedded, so a new build of it means a new build of this program.

fn main() {
    println!("cargo:rerun-if-changed=../web/dist");
}
