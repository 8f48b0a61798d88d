import EventLoop
import RocksEngine
import Verification

/// When nothing is written any more, all storage nodes of a cluster of three hold the same cells.
@EventLoopActor struct ReplicaComparison {
  static let families = ["data", "lock", "transactions"]

  let cluster: SimulatedCluster

  /// What differs between the disks; nil when nothing does.
  func difference() -> String? {
    let nodes = cluster.nodes(.storage)
    for family in Self.families {
      let contents = nodes.map { entries(of: $0, family) }
      guard let first = contents.first else { return nil }
      for (position, other) in contents.enumerated() where !same(first, other) {
        let key = firstDifference(first, other).map { String($0, radix: 16) }.joined(separator: " ")
        return "\(nodes[0].name) and \(nodes[position].name) differ in \(family): \(first.count) and \(other.count) "
          + "cells, first at \(key)"
      }
    }
    return nil
  }

  private func entries(of node: ClusterNode, _ family: String) -> [(key: [UInt8], value: [UInt8])] {
    node.disk.directories.filter { $0.hasSuffix("/rocksdb") }.flatMap { node.disk.entries(in: family, of: $0) }
  }

  private func same(_ left: [(key: [UInt8], value: [UInt8])], _ right: [(key: [UInt8], value: [UInt8])]) -> Bool {
    left.count == right.count && zip(left, right).allSatisfy { $0 == $1 }
  }

  private func firstDifference(
    _ left: [(key: [UInt8], value: [UInt8])], _ right: [(key: [UInt8], value: [UInt8])]
  ) -> [UInt8] {
    zip(left, right).first { $0 != $1 }.map { min($0.key, $1.key) { $0.lexicographicallyPrecedes($1) } }
      ?? (left.count > right.count ? left[right.count].key : right.count > left.count ? right[left.count].key : [])
  }

  private func min(_ left: [UInt8], _ right: [UInt8], _ precedes: ([UInt8], [UInt8]) -> Bool) -> [UInt8] {
    precedes(right, left) ? right : left
  }
}
