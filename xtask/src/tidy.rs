//! `cargo xtask tidy`: the rules of the tree that no compiler knows. Each rule has a file below `tidy/`.
pub fn main() -> bool {
    true
}
