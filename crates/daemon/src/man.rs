//! The man page, made from the command line's own description so that it cannot differ from it.

use std::io;

use clap::Command;
use clap_mangen::Man;

/// Writes handfast(1): one page with every command that people use.
pub fn render(mut command: Command, out: &mut dyn io::Write) -> io::Result<()> {
    // Gives subcommands their full names ("handfast up") in their synopses.
    command.build();
    let page = Man::new(command.clone());
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    writeln!(out, ".SH COMMANDS")?;
    for sub in command
        .get_subcommands()
        .filter(|s| !s.is_hide_set() && s.get_name() != "help")
    {
        subcommand(sub, out)?;
        for nested in sub.get_subcommands().filter(|s| s.get_name() != "help") {
            subcommand(nested, out)?;
        }
    }
    page.render_extra_section(out)
}

fn subcommand(command: &Command, out: &mut dyn io::Write) -> io::Result<()> {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let page = Man::new(command.clone());
    let (mut synopsis, mut options) = (vec![], vec![]);
    page.render_synopsis_section(&mut synopsis)?;
    page.render_options_section(&mut options)?;
    // "pki ca", not "ca".
    let name = command.get_bin_name().unwrap_or(command.get_name());
    writeln!(out, ".SS {}", name.trim_start_matches("handfast "))?;
    out.write_all(&without_heading(&synopsis))?;
    let end = if about.ends_with('?') { "" } else { "." };
    writeln!(out, ".PP\n{about}{end}")?;
    out.write_all(&without_heading(&options))
}

/// A section's body: what follows its heading.
fn without_heading(section: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(section);
    let kept = text.lines().filter(|line| !line.starts_with(".SH"));
    kept.flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}
