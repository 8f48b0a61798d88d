/// One statement on a sequence, or on the table that is numbered by one.
public struct SequenceAction: Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Hashable, Sendable {
    /// A number was taken.
    case take(Int)
    /// A row got its number from the column's sequence.
    case insert(row: Int, number: Int)
    /// From here on only larger numbers come (`setval`).
    case jump(to: Int)
    /// Changes the sequence, but not which numbers may come.
    case alter(String)
  }

  public var sequence: String
  public var kind: Kind

  public init(_ sequence: String, _ kind: Kind) {
    self.sequence = sequence
    self.kind = kind
  }

  public var description: String {
    switch kind {
    case .take(let number): "\(sequence): takes \(number)"
    case .insert(let row, let number): "\(sequence): inserts row \(row) as \(number)"
    case .jump(let number): "\(sequence): goes on behind \(number)"
    case .alter(let statement): "\(sequence): \(statement)"
    }
  }
}
