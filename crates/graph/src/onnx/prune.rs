//! Leaves what the output needs, and what is left gets new numbers.

use crate::graph::Graph;

pub(super) fn prune(graph: &mut Graph) {
    let mut needed = vec![false; graph.values.len()];
    needed[graph.output] = true;
    let kept: Vec<bool> = {
        let mut kept: Vec<bool> = (graph.nodes.iter().rev())
            .map(|node| {
                if needed[node.output] {
                    node.inputs.iter().for_each(|value| needed[*value] = true);
                }
                needed[node.output]
            })
            .collect();
        kept.reverse();
        kept
    };
    needed[graph.input] = true;
    let mut kept = kept.into_iter();
    graph.nodes.retain(|_| kept.next() == Some(true));
    let places: Vec<usize> = needed
        .iter()
        .scan(0, |next, needed| {
            let place = *next;
            *next += usize::from(*needed);
            Some(place)
        })
        .collect();
    let mut needed = needed.into_iter();
    graph.values.retain(|_| needed.next() == Some(true));
    for node in &mut graph.nodes {
        node.inputs.iter_mut().for_each(|value| *value = places[*value]);
        node.output = places[node.output];
    }
    graph.input = places[graph.input];
    graph.output = places[graph.output];
}
