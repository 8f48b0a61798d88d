import Basics
import Wire

/// How far storage nodes may give up the past of their ranges, as the metadata leader sees it.
public struct SafePointAdvice: Hashable, Sendable {
  public var versions: Timestamp
  public var records: Timestamp
  /// Tables whose ranges keep everything from here on.
  public var holds: [TableID: Timestamp]

  public init(versions: Timestamp, records: Timestamp, holds: [TableID: Timestamp] = [:]) {
    self.versions = versions
    self.records = records
    self.holds = holds
  }

  init(_ response: RenewResponse) {
    versions = Timestamp(rawValue: response.versionSafePoint)
    records = Timestamp(rawValue: response.recordSafePoint)
    holds = [:]
    for hold in response.safePointHolds {
      let table = TableID(hold.tableID)
      holds[table] = min(holds[table] ?? .max, Timestamp(rawValue: hold.timestamp))
    }
  }
}
