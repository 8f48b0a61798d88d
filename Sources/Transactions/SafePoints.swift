import Basics

/// How far the past of a range is given up: part of its replicated state, and only ever raised.
///
/// Nothing of this stands on clocks: whoever chose the points may have been wrong about who still needs the past, and then
/// that reader or writer is refused, never answered wrongly.
public struct SafePoints: Hashable, Sendable {
  /// Reads below are refused, and so are index entries and new writes of transactions that started below. What only such a
  /// read could see may be dropped.
  public var versions: Timestamp
  /// Every lock of a transaction that started below is gone, in every range of the cluster: nobody asks for its fate any
  /// more, and its record may be dropped. At or below `versions`.
  public var records: Timestamp

  public static let zero = SafePoints(versions: .zero, records: .zero)

  public init(versions: Timestamp, records: Timestamp) {
    self.versions = versions
    self.records = min(records, versions)
  }

  /// The higher of each.
  public func raised(to other: SafePoints) -> SafePoints {
    SafePoints(versions: max(versions, other.versions), records: max(records, other.records))
  }
}
