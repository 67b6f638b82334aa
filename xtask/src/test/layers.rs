//! Which layers there are, and which a command line asks for.

/// A layer of tests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    Tidy,
    Lint,
    Unit,
    Doc,
    Golden,
    AwsLc,
    Sim,
    Bench,
    Interop,
}

/// In the order they run.
pub const LAYERS: &[(Layer, &str)] = &[
    (Layer::Tidy, "tidy"),
    (Layer::Lint, "lint"),
    (Layer::Unit, "unit"),
    (Layer::Doc, "doc"),
    (Layer::Golden, "golden"),
    (Layer::AwsLc, "aws-lc"),
    (Layer::Sim, "sim"),
    (Layer::Bench, "bench"),
    (Layer::Interop, "interop"),
];

/// The layers to run and the filter after `--`.
pub type Parsed<'a> = (Vec<(Layer, &'static str)>, Option<&'a str>);

/// Reads the arguments of `cargo xtask test`.
pub fn parse<'a>(args: &[&'a str]) -> Result<Parsed<'a>, String> {
    let (names, filter) = match args.iter().position(|arg| *arg == "--") {
        None => (args, None),
        Some(at) => match args.get(at + 1..) {
            Some([one]) => (&args[..at], Some(*one)),
            Some([]) | None => (&args[..at], None),
            Some(_) => return Err("one filter can follow `--`".into()),
        },
    };
    if let Some(bad) = names
        .iter()
        .find(|name| !LAYERS.iter().any(|(_, known)| known == *name))
    {
        return Err(format!("there is no layer `{bad}`"));
    }
    let chosen = |layer: Layer, name: &str| {
        if !names.is_empty() {
            names.contains(&name)
        } else {
            // A name narrows tests; it says nothing to the layers that have none.
            filter.is_none() || !matches!(layer, Layer::Tidy | Layer::Lint | Layer::Doc | Layer::Bench)
        }
    };
    Ok((
        LAYERS
            .iter()
            .filter(|(layer, name)| chosen(*layer, name))
            .copied()
            .collect(),
        filter,
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(args: &[&str]) -> Vec<&'static str> {
        parse(args).unwrap().0.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn no_layer_means_all_and_some_keep_their_order() {
        assert_eq!(names(&[]).len(), LAYERS.len());
        assert_eq!(names(&["golden", "unit"]), ["unit", "golden"]);
    }

    #[test]
    fn a_filter_alone_leaves_out_what_has_no_tests_to_name() {
        assert_eq!(names(&["--", "rekey"]), ["unit", "golden", "aws-lc", "sim", "interop"]);
        assert_eq!(parse(&["sim", "--", "rekey"]).unwrap().1, Some("rekey"));
    }

    #[test]
    fn mistakes_are_told() {
        assert!(parse(&["inter"]).is_err());
        assert!(parse(&["--", "a", "b"]).is_err());
    }
}
