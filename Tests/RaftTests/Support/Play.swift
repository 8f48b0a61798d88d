import Basics

@testable import Raft

/// Runs a scenario file: lines with `>` are directions, what follows each is what must happen, and `#` begins a remark.
///
///     > nodes 3 [1000]           begins, with so many replicas [that fall silent after so many milliseconds]
///     > nodes 3 quorum           the same, and rounds of reads ask no more followers than they need
///     > timeout 1                time passes until replica 1 campaigns (the others' timers are held back)
///     > tick 150                 so many milliseconds pass everywhere
///     > deliver                  messages travel and disks sync until all is quiet
///     > deliver 1 2              the messages from 1 to 2 travel, nothing else happens
///     > drop 1 2                 they are lost
///     > cut 1 2 / heal           the link between two replicas; all links
///     > propose 1 text           also: sync 1, read 1, compact 1 keep, crash 1 [writes that survive], start 1
///     > transfer 1 2             also: add 1 4, learn 1 4, remove 1 3, lost 2 leader, reachable 1 2 no
///     > snapshot                 the host sends the oldest snapshot that is wanted
///     > status                   one line for each replica
struct Play {
  private var group: SimulatedGroup?
  private var told: [NodeID: String] = [:]
  private var lines: [String] = []

  /// The text with the lines that really followed each direction.
  static func perform(_ text: String) -> String {
    var play = Play()
    var result: [String] = []
    var isRemarkBlock = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
      if line.hasPrefix("#") || (line.isEmpty && isRemarkBlock) {
        if !isRemarkBlock, let last = result.last, !last.isEmpty { result.append("") }
        result.append(line)
        isRemarkBlock = true
      } else if line.hasPrefix("> ") {
        if let last = result.last, !last.isEmpty, !last.hasPrefix("#") { result.append("") }
        result.append(line)
        result += play.follow(line.dropFirst(2).split(separator: " ").map(String.init))
        isRemarkBlock = false
      } else {
        isRemarkBlock = false
      }
    }
    return result.joined(separator: "\n") + "\n"
  }

  private mutating func follow(_ words: [String]) -> [String] {
    lines = []
    let verb = words.first ?? ""
    let numbers = words.dropFirst().compactMap { UInt64($0) }
    let nodes = numbers.map { NodeID($0) }
    if verb == "nodes" {
      var options = RaftOptions()
      options.quiesceAfterMilliseconds = numbers.count > 1 ? numbers[1] : nil
      options.asksQuorumForReads = words.last == "quorum"
      group = SimulatedGroup(nodes: Int(numbers[0]), seed: 1, options: options)
    } else if verb == "status" {
      lines = group?.summary.split(separator: ";").map { $0.trimmingPrefix(" ").description } ?? []
    } else if verb == "deliver" {
      deliver(nodes)
    } else if verb == "tick" {
      group?.advance(milliseconds: numbers[0])
    } else if !act(verb, nodes, numbers, words) {
      lines.append("no such direction")
    }
    report()
    return lines
  }

  private mutating func act(_ verb: String, _ nodes: [NodeID], _ numbers: [UInt64], _ words: [String]) -> Bool {
    switch verb {
    case "timeout": timeOut(nodes[0])
    case "drop": group?.network.removeAll { $0.from == nodes[0] && $0.to == nodes[1] }
    case "cut": group?.cutLinks.formUnion([nodes, nodes.reversed()])
    case "heal": group?.cutLinks.removeAll()
    case "sync": group?.sync(nodes[0])
    case "read": group?.read(nodes[0])
    case "start": group?.start(nodes[0])
    case "crash": group?.crash(nodes[0], survivors: Int(numbers.count > 1 ? numbers[1] : 0))
    case "compact": group?.compact(nodes[0], keeping: Int(numbers[1]))
    case "snapshot": group?.transferSnapshot()
    case "propose":
      with(nodes[0]) { core, now throws(ProposalRefusal) in
        _ = try core.propose(Array(words[2].utf8), now: now)
      }
    case "transfer":
      with(nodes[0]) { core, now throws(ProposalRefusal) in try core.transferLeadership(to: nodes[1], now: now) }
    case "add": change(nodes[0], .addVoter(nodes[1]))
    case "learn": change(nodes[0], .addLearner(nodes[1]))
    case "remove": change(nodes[0], .remove(nodes[1]))
    case "lost": with(nodes[0]) { core, now in core.leaderLost(nodes[1], now: now) }
    case "reachable":
      with(nodes[0]) { core, now in core.setReachable(nodes[1], words.last != "no", now: now) }
    default: return false
    }
    return true
  }

  private mutating func change(_ node: NodeID, _ change: MembershipChange) {
    if case .addVoter(let new) = change { join(new) }
    if case .addLearner(let new) = change { join(new) }
    with(node) { core, now throws(ProposalRefusal) in _ = try core.propose(change, now: now) }
  }

  /// A replica without data that learns its members from the log.
  private mutating func join(_ node: NodeID) {
    guard group?.disks[node] == nil, let members = group?.disks.first?.value.durable.truncated.membership else {
      return
    }
    group?.disks[node] = SimulatedDisk(members: members)
    group?.start(node)
  }

  private mutating func with(
    _ node: NodeID, _ body: (inout RaftCore, MonotonicTime) throws(ProposalRefusal) -> Void
  ) {
    var refusal: ProposalRefusal?
    group?.with(node) { core, now in
      do throws(ProposalRefusal) { try body(&core, now) } catch { refusal = error }
    }
    if let refusal { lines.append("refused: \(refusal)") }
    group?.drain(node)
  }

  /// Only this replica notices that time passes.
  private mutating func timeOut(_ node: NodeID) {
    group?.with(node) { core, now in core.tick(now.advanced(byMilliseconds: 60_000)) }
    group?.drain(node)
  }

  // MARK: - Messages

  private mutating func deliver(_ link: [NodeID]) {
    if link.count == 2 {
      let chosen = group?.network.filter { $0.from == link[0] && $0.to == link[1] } ?? []
      group?.network.removeAll { $0.from == link[0] && $0.to == link[1] }
      for message in chosen { step(message) }
      return
    }
    for _ in 0..<1000 {
      if let message = group?.network.first {
        group?.network.removeFirst()
        step(message)
      } else if let busy = group?.running.first(where: { group?.disks[$0]?.pending.isEmpty == false }) {
        group?.sync(busy)
      } else {
        return
      }
    }
    lines.append("the network does not come to rest")
  }

  private mutating func step(_ message: Message) {
    let isLost = group?.cutLinks.contains([message.from, message.to]) == true || group?.cores[message.to] == nil
    lines.append("  \(describe(message))\(isLost ? " (lost)" : "")")
    if !isLost { group?.step(message) }
  }

  private func describe(_ message: Message) -> String {
    "\(message.from)→\(message.to) term \(message.term) \(describe(message.body))"
  }

  private func describe(_ body: Message.Body) -> String {
    switch body {
    case .preVoteRequest(let request): "pre-vote? log ends at \(request.lastIndex)/\(request.lastTerm)"
    case .preVoteResponse(let isGranted): isGranted ? "pre-vote granted" : "pre-vote refused"
    case .voteRequest(let request):
      "vote? log ends at \(request.lastIndex)/\(request.lastTerm)\(request.isTransfer ? ", transfer" : "")"
    case .voteResponse(let isGranted): isGranted ? "vote granted" : "vote refused"
    case .append(let append):
      "append after \(append.previousIndex)/\(append.previousTerm): [\(describe(append.entries))] commit \(append.commitIndex)"
    case .appendAccepted(let matchIndex): "accepted up to \(matchIndex)"
    case .appendRejected(let rejection):
      "rejected after \(rejection.rejectedIndex), try \(rejection.hintIndex)/\(rejection.hintTerm)"
    case .heartbeat(let commitIndex, let readRound): "heartbeat commit \(commitIndex) round \(readRound)"
    case .heartbeatResponse(let readRound): "heartbeat answered, round \(readRound)"
    case .snapshot(let state): "snapshot of \(state.index)/\(state.term)"
    case .timeoutNow: "campaign now"
    case .quiesce(let lastIndex, let lastTerm): "be silent, log ends at \(lastIndex)/\(lastTerm)"
    }
  }

  private func describe(_ entries: [Entry]) -> String {
    entries.map { entry in
      switch entry.kind {
      case .normal: "\(entry.index)/\(entry.term) \(String(decoding: entry.payload, as: UTF8.self))"
      case .noOp: "\(entry.index)/\(entry.term) no-op"
      case .configuration: "\(entry.index)/\(entry.term) members"
      }
    }.joined(separator: ", ")
  }

  // MARK: - What changed

  /// Tells changes of role, and of what is applied; the checkers' problems too.
  private mutating func report() {
    guard let group else { return }
    for node in group.nodes {
      let text: String
      if let core = group.cores[node] {
        text =
          "\(node) \(core.role) term \(core.term), log \(core.lastIndex), applied \(core.appliedIndex)"
          + (core.isQuiesced ? ", silent" : "")
      } else {
        text = "\(node) down"
      }
      if told[node] != text {
        told[node] = text
        lines.append(text)
      }
    }
    for read in group.confirmedReads.sorted() { lines.append("read \(read) confirmed") }
    self.group?.confirmedReads = []
    for problem in group.problems { lines.append("PROBLEM: \(problem)") }
  }
}
