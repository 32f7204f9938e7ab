//! Who may stand on the stack several times, or so high that it counts: the functions that count their depth.

use std::collections::HashMap;

use super::survey::Survey;

/// What functions may take up of the stack that don't count their depth, one below the other, in bytes as estimated.
const UNCOUNTED: u64 = 512 << 10;

/// Of every function with a body: does it count its depth? Each that may come to call itself does. Where a chain of
/// others would be too tall, whoever calls anything does.
pub(super) fn counted(survey: &Survey) -> Vec<bool> {
    let graph = graph(survey);
    let mut walk = Walk::new(&graph);
    (0..graph.len()).for_each(|node| walk.from(node));
    let tall = walk.heights.iter().any(|height| *height > UNCOUNTED);
    let bodies = survey.imported as usize..survey.functions.len();
    bodies.map(|function| walk.cyclic[function] || tall && !graph[function].callees.is_empty()).collect()
}

struct Node {
    callees: Vec<usize>,
    frame: u32,
}

/// The functions, then for each type one node that stands for all functions that an indirect call may mean by it.
fn graph(survey: &Survey) -> Vec<Node> {
    let functions = survey.functions.len();
    let mut same = HashMap::new();
    let types: Vec<usize> =
        survey.types.iter().enumerate().map(|(index, ty)| *same.entry(ty).or_insert(index)).collect();
    let indirect = |ty: u32| functions + types[ty as usize];

    let imported = (0..survey.imported).map(|_| Node { callees: Vec::new(), frame: 0 });
    let defined = survey.bodies.iter().map(|body| {
        let direct = body.direct.iter().map(|function| *function as usize);
        let callees = direct.chain(body.indirect.iter().map(|ty| indirect(*ty))).collect();
        Node { callees, frame: body.frame }
    });
    let by_type = types.iter().map(|_| Node { callees: Vec::new(), frame: 0 });
    let mut graph: Vec<Node> = imported.chain(defined).chain(by_type).collect();
    for function in &survey.referenced {
        let node = indirect(survey.functions[*function as usize]);
        graph[node].callees.push(*function as usize);
    }
    graph
}

/// Tarjan's: finds the cycles, callees before their callers.
struct Walk<'g> {
    graph: &'g [Node],
    /// When a node was met, from 1; 0: not yet.
    met: Vec<usize>,
    /// The earliest open node that it is known to reach.
    reaches: Vec<usize>,
    /// What was met and may belong to a cycle with what is met next.
    open: Vec<usize>,
    is_open: Vec<bool>,
    count: usize,
    cyclic: Vec<bool>,
    /// What stands on the stack at most from a node on, cycles aside: they are counted.
    heights: Vec<u64>,
}

impl<'g> Walk<'g> {
    fn new(graph: &'g [Node]) -> Walk<'g> {
        let nodes = graph.len();
        Walk {
            graph,
            met: vec![0; nodes],
            reaches: vec![0; nodes],
            open: Vec::new(),
            is_open: vec![false; nodes],
            count: 0,
            cyclic: vec![false; nodes],
            heights: vec![0; nodes],
        }
    }

    /// With a stack of its own: a chain of calls can be as long as a module.
    fn from(&mut self, start: usize) {
        if self.met[start] > 0 {
            return;
        }
        self.meet(start);
        let mut path = vec![(start, 0)];
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            if let Some(&callee) = self.graph[node].callees.get(*next) {
                *next += 1;
                if self.met[callee] == 0 {
                    self.meet(callee);
                    path.push((callee, 0));
                } else if self.is_open[callee] {
                    self.reaches[node] = self.reaches[node].min(self.met[callee]);
                }
                continue;
            }
            path.pop();
            if let Some((caller, _)) = path.last() {
                self.reaches[*caller] = self.reaches[*caller].min(self.reaches[node]);
            }
            if self.reaches[node] == self.met[node] {
                self.close(node);
            }
        }
    }

    fn meet(&mut self, node: usize) {
        self.count += 1;
        self.met[node] = self.count;
        self.reaches[node] = self.count;
        self.open.push(node);
        self.is_open[node] = true;
    }

    /// `first` and all that was met after it and is still open call each other.
    fn close(&mut self, first: usize) {
        let at = self.open.iter().rposition(|node| *node == first).expect("it was opened when it was met");
        let members = self.open.split_off(at);
        let cyclic = members.len() > 1 || self.graph[first].callees.contains(&first);
        let callees = members.iter().flat_map(|member| &self.graph[*member].callees);
        let below = callees.map(|callee| self.heights[*callee]).max().unwrap_or(0);
        for member in members {
            self.is_open[member] = false;
            self.cyclic[member] = cyclic;
            self.heights[member] = below + if cyclic { 0 } else { u64::from(self.graph[member].frame) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(callees: &[&[usize]]) -> (Vec<bool>, Vec<u64>) {
        let graph: Vec<Node> =
            callees.iter().map(|callees| Node { callees: callees.to_vec(), frame: 10 }).collect();
        let mut walk = Walk::new(&graph);
        (0..graph.len()).for_each(|node| walk.from(node));
        (walk.cyclic, walk.heights)
    }

    #[test]
    fn a_chain_has_no_cycle_and_the_height_of_all() {
        assert_eq!(walked(&[&[1, 2], &[2], &[]]), (vec![false; 3], vec![30, 20, 10]));
    }

    #[test]
    fn a_cycle_is_found_from_wherever_it_is_entered() {
        // 0 calls a cycle of 1, 2 and 3, which calls 4; 5 calls itself and nobody.
        let (cyclic, heights) = walked(&[&[1], &[2], &[3, 4], &[1], &[], &[5]]);
        assert_eq!(cyclic, [false, true, true, true, false, true]);
        assert_eq!(heights, [20, 10, 10, 10, 10, 0]);
    }

    #[test]
    fn two_cycles_that_share_a_function_are_one() {
        assert_eq!(walked(&[&[1], &[0, 2], &[1]]).0, [true; 3]);
    }

    #[test]
    fn a_call_back_to_what_is_closed_makes_no_cycle() {
        assert_eq!(walked(&[&[1], &[], &[0, 1]]).0, [false; 3]);
    }

    #[test]
    fn a_chain_as_long_as_a_module_is_walked() {
        const LONG: usize = 200_000;
        let chain: Vec<Vec<usize>> = (1..=LONG).map(|next| vec![next % LONG]).collect();
        let chain: Vec<&[usize]> = chain.iter().map(Vec::as_slice).collect();
        assert!(walked(&chain).0.into_iter().all(|cyclic| cyclic));
    }
}
