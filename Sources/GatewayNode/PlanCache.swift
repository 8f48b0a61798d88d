import Basics
import EventLoop
import SQLSyntax
import SQLValues

/// Statements by text and declared parameter types, shared by the sessions of a gateway.
///
/// Two generations: what is used moves to the young one; when that is full, the old one is forgotten. So a lookup costs
/// one or two hash probes and no list upkeep.
@EventLoopActor final class PlanCache {
  struct Key: Hashable {
    let text: String
    let types: [UInt32]
    // What names and session functions in the plan stand for.
    let database: DatabaseID
    let user: String
    let searchPath: String
  }

  /// Entries in each generation.
  static let generationEntries = 2048
  /// Bytes of text in each generation; a plan can take a hundred times its text.
  static let generationTextBytes = 1 << 20
  /// Longer texts are not kept (bytes).
  static let maximumTextBytes = 16 << 10

  private var young: [Key: PreparedStatement] = [:]
  private var old: [Key: PreparedStatement] = [:]
  private var youngTextBytes = 0
  private(set) var hits = 0
  private(set) var misses = 0

  func find(_ key: Key) -> PreparedStatement? {
    if let found = young[key] {
      hits += 1
      return found
    }
    if let found = old.removeValue(forKey: key) {
      hits += 1
      insert(key, found)
      return found
    }
    misses += 1
    return nil
  }

  func insert(_ key: Key, _ statement: PreparedStatement) {
    let textBytes = key.text.utf8.count
    guard textBytes <= Self.maximumTextBytes else { return }
    statement.isShared = true
    if young.count >= Self.generationEntries || youngTextBytes + textBytes > Self.generationTextBytes {
      old = young
      young = [:]
      youngTextBytes = 0
    }
    if young.updateValue(statement, forKey: key) == nil { youngTextBytes += textBytes }
  }
}
