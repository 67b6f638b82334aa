//! Standard output.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Writes a line to standard output. A reader that has gone (`handfast demo | head`) wants no more, which is no fault;
/// where nothing can be written (a full disk) nothing was shown, and the program fails.
pub fn line(text: impl Display) {
    self::text(format_args!("{text}\n"));
}

/// Writes text as it is; see [`line()`].
pub fn text(text: impl Display) {
    let mut out = io::stdout().lock();
    // At once, so that an error is not left for the end of the program, which would not tell.
    let written = out.write_all(text.to_string().as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        eprintln!("handfast: the output cannot be written: {error}");
        std::process::exit(1);
    }
}
