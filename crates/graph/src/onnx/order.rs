//! What the embedding needs, in an order in which everything is there before it is read.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::error::{OnnxError, quoted};
use super::{called, proto};

/// One thing to do.
pub(super) enum Step<'a> {
    /// A tensor of the file.
    Tensor(&'a str),
    /// What nobody computes.
    Input(&'a str),
    /// A node, by its place.
    Node(usize),
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Waiting,
    Done,
}

/// What `output` needs.
pub(super) fn steps<'a>(
    nodes: &'a [proto::Node],
    initialisers: &'a HashMap<String, &Bytes>,
    output: &'a str,
) -> Result<Vec<Step<'a>>, OnnxError> {
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if makers.insert(name, at).is_some() || initialisers.contains_key(name) {
                return Err(OnnxError::Graph(format!("the value `{}` is made twice", quoted(name))));
            }
        }
    }
    let mut steps = Vec::new();
    let mut there: HashSet<&str> = HashSet::new();
    // Values to make; a node is seen again, as `Err`, when what it reads is there.
    let mut stack: Vec<Result<&str, usize>> = vec![Ok(output)];
    let mut states: Vec<Option<State>> = vec![None; nodes.len()];
    while let Some(next) = stack.pop() {
        match next {
            Err(at) => {
                states[at] = Some(State::Done);
                steps.push(Step::Node(at));
            }
            Ok(name) => match makers.get(name) {
                Some(at) => match states[*at] {
                    Some(State::Done) => {}
                    Some(State::Waiting) => {
                        let node = called(&nodes[*at]);
                        return Err(OnnxError::Graph(format!("node `{node}` waits for itself")));
                    }
                    None => {
                        states[*at] = Some(State::Waiting);
                        stack.push(Err(*at));
                        stack.extend(
                            nodes[*at].inputs.iter().rev().filter(|name| !name.is_empty()).map(|name| Ok(&**name)),
                        );
                    }
                },
                None => {
                    if there.insert(name) {
                        let is_tensor = initialisers.contains_key(name);
                        steps.push(if is_tensor { Step::Tensor(name) } else { Step::Input(name) });
                    }
                }
            },
        }
    }
    Ok(steps)
}
