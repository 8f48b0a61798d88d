/// Who must come before whom (Adya 1999, section 3): nodes are transactions, and moments of real time between them.
struct DependencyGraph {
  enum Kind: UInt8, Comparable, CaseIterable {
    /// The second overwrote (appended after) the first.
    case writeWrite
    /// The second read the first's write.
    case writeRead
    /// The second overwrote what the first read.
    case readWrite
    /// The first was answered before the second began.
    case realTime

    static func < (left: Kind, right: Kind) -> Bool { left.rawValue < right.rawValue }
  }

  struct Edge: Hashable {
    var target: Int
    var kind: Kind
    /// List that shows it; -1 for real time.
    var key: Int
  }

  private(set) var edges: [[Edge]]

  init(nodeCount: Int) { edges = Array(repeating: [], count: nodeCount) }

  mutating func addNode() -> Int {
    edges.append([])
    return edges.count - 1
  }

  mutating func add(_ kind: Kind, from source: Int, to target: Int, key: Int = -1) {
    guard source != target else { return }
    let edge = Edge(target: target, kind: kind, key: key)
    if !edges[source].contains(edge) { edges[source].append(edge) }
  }

  // MARK: - Cycles

  /// Which closed walks count as cycles.
  enum Restriction: Hashable {
    case none
    /// No two read-write edges in a row: what snapshot isolation forbids (Fekete and others, TODS 2005, theorem 2.1).
    case noAdjacentReadWrites
  }

  struct Step: Hashable {
    var source: Int
    var edge: Edge
  }

  /// One shortest cycle of every strongly connected component, using edges of `kinds` only; components in the order of their first node.
  func cycles(of kinds: Set<Kind>, _ restriction: Restriction) -> [[Step]] {
    // With the restriction a state is (node, did a read-write edge lead here?): 2 × node + 1 if so.
    let states = restriction == .none ? edges.count : 2 * edges.count
    func steps(_ state: Int) -> [(next: Int, step: Step)] {
      let node = restriction == .none ? state : state / 2
      let cameByReadWrite = restriction != .none && state % 2 == 1
      return edges[node].compactMap { edge in
        guard kinds.contains(edge.kind) else { return nil }
        if restriction == .none { return (edge.target, Step(source: node, edge: edge)) }
        let isReadWrite = edge.kind == .readWrite
        guard !(isReadWrite && cameByReadWrite) else { return nil }
        return (2 * edge.target + (isReadWrite ? 1 : 0), Step(source: node, edge: edge))
      }
    }
    let component = Self.components(stateCount: states) { steps($0).map(\.next) }
    var members: [Int: [Int]] = [:]
    for state in 0..<states { members[component[state], default: []].append(state) }
    var cycles: [[Step]] = []
    for (_, inside) in members.sorted(by: { ($0.value.first ?? 0) < ($1.value.first ?? 0) }) where inside.count > 1 {
      if let cycle = shortestCycle(inside, component, steps) { cycles.append(cycle) }
    }
    return cycles
  }

  /// States a component's search for a shortest cycle starts from.
  private static let maximumStarts = 200

  private func shortestCycle(
    _ inside: [Int], _ component: [Int], _ steps: (Int) -> [(next: Int, step: Step)]
  ) -> [Step]? {
    var best: [Step]?
    for start in inside.prefix(Self.maximumStarts) {
      var cameFrom: [Int: (state: Int, step: Step)] = [:]
      var queue = [start]
      var head = 0
      search: while head < queue.count {
        let state = queue[head]
        head += 1
        for (next, step) in steps(state) where component[next] == component[start] {
          if next == start {
            var path = [step]
            var place = state
            while place != start, let previous = cameFrom[place] {
              path.append(previous.step)
              place = previous.state
            }
            if Self.weight(path) < Self.weight(best) { best = path.reversed() }
            break search
          }
          if next != start, cameFrom[next] == nil {
            cameFrom[next] = (state, step)
            queue.append(next)
          }
        }
      }
    }
    return best
  }

  /// Moments of real time count nothing; fewer transactions explain better.
  private static func weight(_ path: [Step]?) -> Int {
    guard let path else { return .max }
    return path.count { $0.edge.kind != .realTime } * 1000 + path.count
  }

  /// Tarjan's strongly connected components (SIAM J. Comput. 1972), without recursion: the component's number of every state.
  private static func components(stateCount: Int, _ neighbours: (Int) -> [Int]) -> [Int] {
    var index = Array(repeating: -1, count: stateCount)
    var low = Array(repeating: 0, count: stateCount)
    var component = Array(repeating: -1, count: stateCount)
    var stack: [Int] = []
    var counter = 0
    var components = 0
    for root in 0..<stateCount where index[root] < 0 {
      var frames: [(state: Int, next: [Int], position: Int)] = []
      func enter(_ state: Int) {
        index[state] = counter
        low[state] = counter
        counter += 1
        stack.append(state)
        frames.append((state, neighbours(state), 0))
      }
      enter(root)
      while let frame = frames.last {
        if frame.position < frame.next.count {
          frames[frames.count - 1].position += 1
          let next = frame.next[frame.position]
          if index[next] < 0 {
            enter(next)
          } else if component[next] < 0 {
            low[frame.state] = min(low[frame.state], index[next])
          }
          continue
        }
        frames.removeLast()
        if let parent = frames.last { low[parent.state] = min(low[parent.state], low[frame.state]) }
        if low[frame.state] == index[frame.state] {
          while let member = stack.popLast() {
            component[member] = components
            if member == frame.state { break }
          }
          components += 1
        }
      }
    }
    return component
  }
}
