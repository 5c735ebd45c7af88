//! Checks a checkpoint against its network: every parameter present with its shape, none left over, no NaN.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use facevault_base::text::quoted;

use super::{Checkpoint, Parameter, Tensors, Unfit};

/// Maximum number of examples of each kind of problem.
const SHOWN: usize = 10;

/// Checks that a checkpoint has every parameter with its shape and finite values, and no other keys but those matching
/// `unused` (`*` matches any characters).
///
/// # Errors
/// [`Unfit`] lists all problems.
pub fn require(checkpoint: &Checkpoint, parameters: &[Parameter], unused: &[&str]) -> Result<(), Unfit> {
    let mut missing = Vec::new();
    let mut wrong = Vec::new();
    let mut not_finite = Vec::new();
    for Parameter { key, shape } in parameters {
        let Some(tensor) = checkpoint.weights.get(key) else {
            missing.push(format!("{key} {shape:?}"));
            continue;
        };
        if tensor.shape != *shape {
            wrong.push(format!("{key} is {:?}, expected {shape:?}", tensor.shape));
        } else if tensor.data.len() != shape.iter().product::<usize>() {
            wrong.push(format!("{key} is {}, expected floating point values", quoted(&tensor.dtype)));
        } else if let Some(at) = tensor.data.iter().position(|value| !value.is_finite()) {
            not_finite.push(format!("{key} has {} at index {at}", tensor.data[at]));
        }
    }
    let needed: BTreeSet<&str> = parameters.iter().map(|parameter| parameter.key.as_str()).collect();
    let unexpected = checkpoint.weights.iter().filter(|(key, _)| {
        !needed.contains(key.as_str()) && !unused.iter().any(|pattern| fits(pattern.as_bytes(), key.as_bytes()))
    });
    let unexpected = unexpected.map(|(key, tensor)| format!("{} {:?}", quoted(key), tensor.shape)).collect();
    let mut problems = String::new();
    for (title, lines) in
        [("missing", missing), ("mismatched", wrong), ("not finite", not_finite), ("unexpected", unexpected)]
    {
        describe(&mut problems, title, &lines);
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Unfit { location: checkpoint.origin.location.clone(), problems })
}

/// Strips a prefix from the keys (`module.` of `DataParallel`, `_orig_mod.` of `torch.compile`, `model.` of Lightning, or
/// several of them) if all parameters of the network are found under it and under no other. Returns the prefix.
pub fn strip_prefix(tensors: &mut Tensors, parameters: &[Parameter]) -> Option<String> {
    let first = &parameters.first()?.key;
    let holds_all =
        |prefix: &str| parameters.iter().all(|needed| tensors.contains_key(&format!("{prefix}{}", needed.key)));
    if holds_all("") {
        return None;
    }
    let prefixes = tensors.keys().filter_map(|key| key.strip_suffix(first.as_str()));
    let mut fitting = prefixes.filter(|prefix| prefix.ends_with('.') && holds_all(prefix));
    let prefix = fitting.next().filter(|_| fitting.next().is_none())?.to_owned();
    let bare = |key: String| key.strip_prefix(&prefix).map(str::to_owned).unwrap_or(key);
    *tensors = std::mem::take(tensors).into_iter().map(|(key, tensor)| (bare(key), tensor)).collect();
    Some(prefix)
}

fn describe(problems: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(problems, "\n  {title} ({}):", lines.len());
    for line in lines.iter().take(SHOWN) {
        let _ = write!(problems, "\n    {line}");
    }
    if lines.len() > SHOWN {
        let _ = write!(problems, "\n    … and {} more", lines.len() - SHOWN);
    }
}

/// Whether a key matches a pattern in which `*` matches any characters.
fn fits(pattern: &[u8], key: &[u8]) -> bool {
    match pattern.split_first() {
        None => key.is_empty(),
        Some((b'*', rest)) => (0..=key.len()).any(|skipped| fits(rest, &key[skipped..])),
        Some((first, rest)) => key.split_first().is_some_and(|(byte, key)| byte == first && fits(rest, key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{Origin, Tensor};
    use facevault_base::digest::Digest;

    fn checkpoint(tensors: &[(&str, &[usize], f32)]) -> Checkpoint {
        let tensor = |shape: &[usize], value| {
            let data = vec![value; shape.iter().product()];
            Tensor { shape: shape.to_vec(), data, dtype: "F32".into() }
        };
        Checkpoint {
            weights: tensors.iter().map(|(key, shape, value)| ((*key).into(), tensor(shape, *value))).collect(),
            digest: Digest::of(b""),
            origin: Origin { source: "file".into(), location: "w.pth".into(), revision: None, bytes: 0 },
        }
    }

    fn parameter(key: &str, shape: &[usize]) -> Parameter {
        Parameter { key: key.into(), shape: shape.to_vec() }
    }

    #[test]
    fn a_matching_checkpoint_passes_with_its_unused_keys() {
        let found = checkpoint(&[("a.weight", &[2, 3], 0.5), ("logits.bias", &[9], 0.0), ("a.bn.n", &[], 1.0)]);
        require(&found, &[parameter("a.weight", &[2, 3])], &["logits.*", "*.n"]).unwrap();
        assert!(require(&found, &[parameter("a.weight", &[2, 3])], &["logits.*"]).is_err());
    }

    #[test]
    fn all_problems_are_in_one_message() {
        let mut found = checkpoint(&[("a", &[2], f32::NAN), ("b", &[3], 0.0), ("c", &[1], 0.0)]);
        found.weights.insert("d".into(), Tensor { shape: vec![2], data: vec![], dtype: "I64".into() });
        let mut needed = vec![parameter("a", &[2]), parameter("b", &[4]), parameter("d", &[2])];
        needed.extend((0..12).map(|i| parameter(&format!("e.{i}"), &[1])));
        insta::assert_snapshot!(require(&found, &needed, &[]).unwrap_err(), @r"
        w.pth does not match the network:
          missing (12):
            e.0 [1]
            e.1 [1]
            e.2 [1]
            e.3 [1]
            e.4 [1]
            e.5 [1]
            e.6 [1]
            e.7 [1]
            e.8 [1]
            e.9 [1]
            … and 2 more
          mismatched (2):
            b is [3], expected [4]
            d is I64, expected floating point values
          not finite (1):
            a has NaN at index 0
          unexpected (1):
            c [1]
        use the checkpoint of this `model`, or the `model` of this checkpoint
        ");
    }

    #[test]
    fn a_prefix_is_stripped_if_all_parameters_are_under_it_and_no_other() {
        let needed = [parameter("a.weight", &[2]), parameter("b.bias", &[1])];
        let keys = |keys: &[&str]| {
            let mut found = checkpoint(&keys.iter().map(|key| (*key, &[1][..], 0.0)).collect::<Vec<_>>());
            let prefix = strip_prefix(&mut found.weights, &needed);
            (prefix, found.weights.into_keys().collect::<Vec<_>>().join(" "))
        };
        let stripped = |prefix: &str, rest: &str| (Some(prefix.to_owned()), rest.to_owned());
        assert_eq!(keys(&["module.a.weight", "module.b.bias"]), stripped("module.", "a.weight b.bias"));
        let nested = ["module.model.a.weight", "module.model.b.bias", "module.model.head.bias", "other"];
        assert_eq!(keys(&nested), stripped("module.model.", "a.weight b.bias head.bias other"));
        for left in [
            &["a.weight", "b.bias", "model.a.weight", "model.b.bias"][..],
            &["b.bias", "module.a.weight"],
            &["student.a.weight", "student.b.bias", "teacher.a.weight", "teacher.b.bias"],
            &["xa.weight", "xb.bias"],
        ] {
            assert_eq!(keys(left), (None, left.join(" ")));
        }
    }

    #[test]
    fn stars_match_anything() {
        for (pattern, key, expected) in [
            ("logits.*", "logits.weight", true),
            ("logits.*", "logit.weight", false),
            ("*.n", "a.b.n", true),
            ("*.n", "a.b.n.c", false),
            ("a*c*e", "abcde", true),
            ("a", "ab", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), key.as_bytes()), expected, "{pattern} {key}");
        }
    }
}
