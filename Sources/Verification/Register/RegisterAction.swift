/// One statement on one row that holds one value; the row may be absent (nil).
public struct RegisterAction: Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Hashable, Sendable {
    /// What was read; nil: no row.
    case read(Int?)
    /// Of a row that is there.
    case update(Int)
    case compareAndSet(expected: Int, new: Int)
    /// Of a row that is not there.
    case insert(Int)
    case delete
  }

  public var key: Int
  public var kind: Kind
  /// Whether the statement found what it needs; true for a read.
  public var isApplied: Bool

  public init(key: Int, _ kind: Kind, isApplied: Bool = true) {
    self.key = key
    self.kind = kind
    self.isApplied = isApplied
  }

  /// The value afterwards, or nil if this cannot be what the statement answers over `value`.
  ///
  /// `isKnown` is false for an unknown outcome: then only the effect counts, since no answer was seen.
  func apply(to value: Int?, isKnown: Bool) -> Transition? {
    let isPossible: Bool
    let after: Int?
    switch kind {
    case .read(let seen): return isKnown && seen == value ? Transition(value: value) : nil
    case .update(let new): (isPossible, after) = (value != nil, new)
    case .compareAndSet(let expected, let new): (isPossible, after) = (value == expected, new)
    case .insert(let new): (isPossible, after) = (value == nil, new)
    case .delete: (isPossible, after) = (value != nil, nil)
    }
    if !isKnown { return isPossible ? Transition(value: after) : nil }
    guard isPossible == isApplied else { return nil }
    return Transition(value: isApplied ? after : value)
  }

  struct Transition: Hashable { var value: Int? }

  public var description: String {
    let text =
      switch kind {
      case .read(let value): "read \(key) -> \(value.map(String.init) ?? "absent")"
      case .update(let value): "update \(key) to \(value)"
      case .compareAndSet(let expected, let new): "compare \(key) with \(expected) and set \(new)"
      case .insert(let value): "insert \(key) as \(value)"
      case .delete: "delete \(key)"
      }
    return isApplied ? text : text + " -> not applied"
  }
}
