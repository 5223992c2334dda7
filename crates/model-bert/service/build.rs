//! Tells programs and tests of this crate where libtorch was when they were linked, so that they start without
//! LD_LIBRARY_PATH; an image puts it where the loader looks anyway.

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    if let Ok(folder) = std::env::var("LIBTORCH") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}/lib");
    }
}
