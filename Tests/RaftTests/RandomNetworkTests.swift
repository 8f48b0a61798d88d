import Basics
import Testing

@testable import Raft

/// Random loss, duplication, reordering, partitions, crashes that lose what was not synced, compaction, transfers and
/// changes of members; the checkers of `SimulatedGroup` look at every step.
@Suite struct RandomNetworkTests {
  @Test(arguments: 0..<200) func staysSafeAndRecovers(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var options = RaftOptions()
    options.maximumInflightAppends = 4
    options.maximumAppendBytes = 200
    options.quiesceAfterMilliseconds = 400
    options.asksQuorumForReads = seed.isMultiple(of: 2)
    var group = SimulatedGroup(nodes: seed.isMultiple(of: 3) ? 5 : 3, seed: seed, options: options)
    for step in 0..<3000 {
      disturb(&group, &random)
      if step.isMultiple(of: 50) { group.checkLogs() }
      if !group.problems.isEmpty { break }
    }
    #expect(group.problems == [])
    recover(&group)
    #expect(group.problems == [])
    #expect(group.lastCommitted > 0)
  }

  private func disturb(_ group: inout SimulatedGroup, _ random: inout SeededGenerator) {
    let node = group.nodes.randomElement(using: &random) ?? NodeID(1)
    switch Int.random(in: 0..<1000, using: &random) {
    case 0..<450:
      guard !group.network.isEmpty else { return group.advance(milliseconds: 30) }
      // Mostly in order.
      let isInOrder = Int.random(in: 0..<10, using: &random) < 8
      group.deliver(at: isInOrder ? 0 : group.network.indices.randomElement(using: &random) ?? 0)
    case 450..<10000: group.sync(node, Int.random(in: 1...3, using: &random))
    case 600..<720: group.advance(milliseconds: UInt64.random(in: 1...120, using: &random))
    case 720..<850: group.propose(group.currentLeader ?? node)
    case 850..<880: group.read(group.currentLeader ?? node)
    case 880..<905: if !group.network.isEmpty { group.network.removeFirst() }
    case 905..<920: if let message = group.network.randomElement(using: &random) { group.network.append(message) }
    case 920..<930:
      let survivors = Int.random(in: 0...(group.disks[node]?.pending.count ?? 0), using: &random)
      group.crash(node, survivors: survivors)
    case 930..<950: group.start(node)
    case 950..<958:
      let other = group.nodes.randomElement(using: &random) ?? node
      group.cutLinks.formUnion([[node, other], [other, node]])
    case 958..<970: group.cutLinks.removeAll()
    case 970..<980: group.compact(node, keeping: Int.random(in: 0...5, using: &random))
    case 980..<988: group.transferSnapshot()
    case 988..<991:
      group.with(group.currentLeader ?? node) { core, now in try? core.transferLeadership(to: node, now: now) }
    case 991..<994: changeMembers(&group, node)
    case 994..<997: group.with(group.nodes.randomElement(using: &random) ?? node) { $0.leaderLost(node, now: $1) }
    default:
      let isReachable = Bool.random(using: &random)
      group.with(node) { $0.setReachable(NodeID(1), isReachable, now: $1) }
    }
  }

  private func changeMembers(_ group: inout SimulatedGroup, _ node: NodeID) {
    guard let leader = group.currentLeader, leader != node, let core = group.cores[leader] else { return }
    let change: MembershipChange = core.membership.isVoter(node) ? .remove(node) : .addVoter(node)
    group.with(leader) { core, now in _ = try? core.propose(change, now: now) }
    group.drain(leader)
  }

  /// With everybody there and no more trouble, a leader emerges and commits on all members.
  private func recover(_ group: inout SimulatedGroup) {
    group.cutLinks.removeAll()
    for node in group.nodes { group.start(node) }
    var proposed: LogIndex?
    for _ in 0..<400 {
      group.advance(milliseconds: 50)
      group.settle()
      if proposed == nil, let leader = group.currentLeader { proposed = group.propose(leader) }
      if let index = proposed, let leader = group.currentLeader, let core = group.cores[leader],
        core.commitIndex >= index
      {
        let isEverywhere = core.membership.voters.allSatisfy { (group.cores[$0]?.appliedIndex ?? 0) >= index }
        if isEverywhere { return }
      }
    }
    group.problems.append("no progress after the trouble ended: \(group.summary)")
  }
}
