import Basics

/// What a gateway plans with: the catalog as of one timestamp.
public typealias CatalogView = CatalogState

/// The catalogs of a window of time: what a transaction that reads at `R` needs is the newest entry with an effective
/// timestamp ≤ `R` (Architecture.md, "One order").
public struct CatalogHistory: Sendable {
  /// Catalogs kept at most, whatever their age.
  public static let maximumCatalogs = 10_000

  /// Ascending; never empty. The first stands for its timestamp and everything after it, up to the second.
  private var catalogs: [CatalogState]
  /// Reads below it are refused: that part of the history has been forgotten.
  public private(set) var oldestTimestamp: Timestamp
  private let retentionMilliseconds: UInt64

  /// A history that starts at `catalog`, and reaches back to its effective timestamp only.
  public init(startingWith catalog: CatalogState = CatalogState(), retentionMilliseconds: UInt64 = 3_600_000) {
    catalogs = [catalog]
    oldestTimestamp = catalog.timestamp
    self.retentionMilliseconds = retentionMilliseconds
  }

  public var latest: CatalogState { catalogs[catalogs.count - 1] }
  public var schemaIndex: SchemaIndex { catalogs[catalogs.count - 1].schemaIndex }
  /// The newest entry's effective timestamp.
  public var newestTimestamp: Timestamp { catalogs[catalogs.count - 1].timestamp }

  /// The catalog that a transaction reading at `timestamp` uses. The caller has applied every entry up to the schema index
  /// that the oracle named with the timestamp. Throws 22023 when the history does not reach back that far.
  public func catalog(asOf timestamp: Timestamp) throws(SQLError) -> CatalogView {
    if timestamp >= latest.timestamp { return latest }
    guard timestamp >= oldestTimestamp else {
      throw SQLError(
        .invalidParameterValue, "timestamp \(timestamp) is before the oldest schema kept, \(oldestTimestamp)",
        hint: "Read at a more recent time.")
    }
    // The last catalog whose timestamp is ≤ the wanted one.
    var low = 0
    var high = catalogs.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if catalogs[middle].timestamp <= timestamp { low = middle } else { high = middle }
    }
    return catalogs[low]
  }

  /// Adds the catalog after `entry`; an entry already applied is ignored, so a watch may start again from an older index.
  public mutating func apply(_ entry: SchemaEntry) throws(CatalogError) {
    if entry.index <= schemaIndex { return }
    var next = latest
    try next.apply(entry)
    catalogs.append(next)
    forgetOldCatalogs(now: next.timestamp)
  }

  /// Starts again from a checkpoint that is ahead of this history. The entries between are unknown, so nothing before
  /// the checkpoint can be answered any more.
  public mutating func reset(to catalog: CatalogState) {
    guard catalog.schemaIndex > schemaIndex else { return }
    catalogs = [catalog]
    oldestTimestamp = catalog.timestamp
  }

  private mutating func forgetOldCatalogs(now: Timestamp) {
    let nowMilliseconds = now.physicalMilliseconds
    let horizon = Timestamp(
      physicalMilliseconds: nowMilliseconds > retentionMilliseconds ? nowMilliseconds - retentionMilliseconds : 0)
    var superseded = 0
    while superseded + 1 < catalogs.count,
      catalogs[superseded + 1].timestamp <= horizon || catalogs.count - superseded > Self.maximumCatalogs
    {
      superseded += 1
    }
    // In steps, because removing from the front moves the rest.
    let isOverLimit = catalogs.count > Self.maximumCatalogs
    guard superseded >= 256 || (isOverLimit && superseded > 0) || superseded * 2 > catalogs.count else { return }
    catalogs.removeFirst(superseded)
    oldestTimestamp = max(oldestTimestamp, catalogs[0].timestamp)
  }
}
