/// One decoder that meets bytes from outside, and what must hold of it whatever the bytes are.
///
/// A new one is a row of `all`: a name (its corpus is `Tests/Fuzzing/Corpus/<name>`), seeds made by our own encoders, and a
/// function that takes the bytes. What must hold is said with `require`; a decoder may only throw the error its signature
/// declares, so an error of another type does not compile.
public struct FuzzTarget: Sendable {
  public let name: String
  /// Well-formed inputs to begin with.
  public let seeds: @Sendable () -> [[UInt8]]
  public let run: @Sendable ([UInt8]) -> Void

  public init(
    _ name: String, seeds: @escaping @Sendable () -> [[UInt8]] = { [] }, run: @escaping @Sendable ([UInt8]) -> Void
  ) {
    self.name = name
    self.seeds = seeds
    self.run = run
  }

  public static let all: [FuzzTarget] =
    protocolTargets + valueTargets + functionTargets + rowTargets + recordTargets + raftTargets + schemaTargets
    + messageTargets
    + nodeTargets + rangeTargets + replicationTargets + connectionTargets + textTargets + statementTargets
    + regularExpressionTargets

  /// Decoders with a mistake built in: the proof that a run can fail. Not among `all`.
  public static let planted: [FuzzTarget] = plantedTargets

  public static func named(_ name: String) -> FuzzTarget? { (all + planted).first { $0.name == name } }
}

/// Ends the process with `message` when `condition` does not hold: what libFuzzer and the replay take for a finding.
func require(
  _ condition: @autoclosure () -> Bool, _ message: @autoclosure () -> String, file: StaticString = #fileID,
  line: UInt = #line
) {
  if !condition() { fatalError("a property does not hold: \(message())", file: file, line: line) }
}
