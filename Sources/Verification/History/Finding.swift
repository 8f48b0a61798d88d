/// Something that must not be: what a checker says in a plain sentence, with the operations that show it.
public struct Finding: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Name of the check, such as "register" or "log agreement".
  public var checker: String
  public var sentence: String
  /// One line an operation, in the order that explains the sentence.
  public var operations: [String]

  public init(_ checker: String, _ sentence: String, operations: [String] = []) {
    self.checker = checker
    self.sentence = sentence
    self.operations = operations
  }

  public static func < (left: Finding, right: Finding) -> Bool {
    if left.checker != right.checker { return left.checker < right.checker }
    if left.sentence != right.sentence { return left.sentence < right.sentence }
    return left.operations.lexicographicallyPrecedes(right.operations)
  }

  public var description: String {
    (["\(checker): \(sentence)"] + operations.map { "    \($0)" }).joined(separator: "\n")
  }
}
