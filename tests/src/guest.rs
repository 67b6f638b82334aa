//! A kernel that has ESP, as a process: User-mode Linux from Debian, which sees this host's files and boots in seconds.
//!
//! A test binary runs some of its tests inside: all that are marked `#[ignore]`, in one boot.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::netns::Lab;
use crate::process::Process;

/// Boot and all tests.
const LIMIT: Duration = Duration::from_secs(300);
/// Set inside.
const MARK: &str = "HANDFAST_GUEST";

/// Whether this is the guest.
pub fn inside() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Runs the ignored tests of this test binary inside. Panics with what they said unless all `count` of them pass.
#[track_caller]
pub fn run_ignored_tests(count: usize) {
    let lab = Lab::new();
    let run = lab.dir();
    let test = std::env::current_exe().unwrap_or_else(|e| panic!("where am I? {e}"));
    let binary = crate::handfast::binary();
    let command = format!(
        "export {MARK}=1 RUST_BACKTRACE=0 HANDFAST_LOG=${{HANDFAST_LOG:-debug}}\nexport HANDFAST_BINARY='{}'\n\
         exec '{}' --ignored --test-threads=1 --nocapture\n",
        binary.display(),
        test.display()
    );
    fs::write(run.join("command"), command).unwrap_or_else(|e| panic!("{}: {e}", run.display()));
    let mut guest = Process::start("the guest", &boot(run), &run.join("console"));
    let start = std::time::Instant::now();
    while guest.exited().is_none() {
        if start.elapsed() > LIMIT {
            guest.kill();
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let read = |file: &str| String::from_utf8_lossy(&fs::read(run.join(file)).unwrap_or_default()).into_owned();
    let (output, status) = (read("output"), read("status"));
    println!("{output}\nin {:?}", start.elapsed());
    let passed = format!("test result: ok. {count} passed; 0 failed");
    assert!(
        status.trim() == "0" && output.contains(&passed),
        "inside the guest: status {status:?}, wanted {passed:?}\n{output}\nits console:\n{}",
        guest.log()
    );
}

/// A process namespace of its own, so that nothing outlives it, and no network.
fn boot(run: &Path) -> Command {
    let init = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernel/init.sh");
    let mut command = Command::new("unshare");
    command.args(["--net", "--pid", "--fork", "--kill-child", "linux.uml"]);
    command.args([
        "mem=1024M",
        "root=/dev/root",
        "rootfstype=hostfs",
        "rootflags=/",
        "ro",
        "quiet",
    ]);
    command.args(["con=null", "con0=null,fd:1"]);
    command.arg(format!("init={}", init.display()));
    command.arg(format!("RUN={}", run.display()));
    command.arg(format!("uml_dir={}", run.display()));
    command
}
