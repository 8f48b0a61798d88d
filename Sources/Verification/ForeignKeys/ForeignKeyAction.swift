/// One statement, or one short transaction, on two tables of which one refers to the other.
public enum ForeignKeyAction: Hashable, Sendable, CustomStringConvertible {
  case addParent(Int)
  case removeParent(Int)
  /// Another key for the same row.
  case moveParent(Int, to: Int)
  case addChild(Int, of: Int)
  case removeChild(Int)
  /// Rows, in one snapshot, that refer to one that is not there, though a foreign key has stood since the tables were made.
  case countOrphans(Int)
  case alter(String)

  public var description: String {
    switch self {
    case .addParent(let parent): "adds parent \(parent)"
    case .removeParent(let parent): "removes parent \(parent)"
    case .moveParent(let parent, let key): "makes parent \(parent) parent \(key)"
    case .addChild(let child, let parent): "adds child \(child) of parent \(parent)"
    case .removeChild(let child): "removes child \(child)"
    case .countOrphans(let count): "sees \(count) orphans"
    case .alter(let statement): statement
    }
  }
}

/// No snapshot shows a row that refers to one that is not there.
public struct ForeignKeyCheck: Sendable {
  public init() {}

  public func findings(_ history: History<ForeignKeyAction>) -> [Finding] {
    history.operations.compactMap { operation in
      guard operation.outcome.isOK, case .countOrphans(let count) = operation.action, count > 0 else { return nil }
      return Finding(
        "foreign keys", "\(count) rows refer to rows that are not there", operations: [operation.description])
    }
  }
}
