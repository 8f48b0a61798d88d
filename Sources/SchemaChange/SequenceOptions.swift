import Basics
import Catalog
import SQLValues

/// What `CREATE SEQUENCE`, `ALTER SEQUENCE` or an identity column says about a sequence; nil is "not said".
public struct SequenceOptions: Hashable, Sendable {
  public enum Bound: Hashable, Sendable {
    /// `NO MINVALUE`, `NO MAXVALUE`: the type's, or 1 and -1.
    case none
    case value(Int64)
  }
  public enum Restart: Hashable, Sendable {
    /// With the start value.
    case atStart
    /// `isCalled`: the next value is the one after it (`setval`).
    case value(Int64, isCalled: Bool)
  }
  public enum Owner: Hashable, Sendable {
    case none
    case column(table: ObjectName, name: String)
  }
  public var type: SQLType?
  public var increment: Int64?
  public var minimum: Bound?
  public var maximum: Bound?
  public var start: Int64?
  public var restart: Restart?
  public var cache: Int64?
  public var isCycling: Bool?
  public var owner: Owner?

  public init() {}
}

/// The sequence behind a serial or identity column; made and named with the table.
public struct ColumnGenerator: Hashable, Sendable {
  /// nil: serial.
  public var identity: IdentityKind?
  public var options: SequenceOptions

  public init(identity: IdentityKind?, options: SequenceOptions = SequenceOptions()) {
    self.identity = identity
    self.options = options
  }
}

extension SequenceDescriptor {
  /// A new sequence. Throws 22023 as PostgreSQL does.
  init(_ options: SequenceOptions, defaultType: SQLType, defaultCache: Int64) throws(SQLError) {
    self.init(cache: defaultCache)
    try apply(options, defaultType: defaultType, isNew: true)
  }

  /// With the options set; the owner is left to the caller, who knows tables (PostgreSQL's `init_params`).
  mutating func apply(
    _ options: SequenceOptions, defaultType: SQLType = .int8, isNew: Bool = false
  ) throws(SQLError) {
    func invalid(_ message: String) -> SQLError { SQLError(.invalidParameterValue, message) }
    let oldLimits = try Self.limits(of: type)
    var (resetsMinimum, resetsMaximum) = (isNew, isNew)
    if let wanted = options.type ?? (isNew ? defaultType : nil) {
      _ = try Self.limits(of: wanted)
      // A bound that was the old type's own follows the type.
      if wanted != type, minimum == oldLimits.lowerBound { resetsMinimum = true }
      if wanted != type, maximum == oldLimits.upperBound { resetsMaximum = true }
      type = wanted
    }
    let limits = try Self.limits(of: type)
    if let step = options.increment {
      guard step != 0 else { throw invalid("INCREMENT must not be zero") }
      increment = step
    }
    if let isCycling = options.isCycling { self.isCycling = isCycling }
    switch options.maximum {
    case .value(let value): maximum = value
    case .some(.none): maximum = increment > 0 ? limits.upperBound : -1
    case nil: if resetsMaximum { maximum = increment > 0 ? limits.upperBound : -1 }
    }
    guard limits.contains(maximum) else {
      throw invalid("MAXVALUE (\(maximum)) is out of range for sequence data type \(type.baseName)")
    }
    switch options.minimum {
    case .value(let value): minimum = value
    case .some(.none): minimum = increment < 0 ? limits.lowerBound : 1
    case nil: if resetsMinimum { minimum = increment < 0 ? limits.lowerBound : 1 }
    }
    guard limits.contains(minimum) else {
      throw invalid("MINVALUE (\(minimum)) is out of range for sequence data type \(type.baseName)")
    }
    guard minimum < maximum else { throw invalid("MINVALUE (\(minimum)) must be less than MAXVALUE (\(maximum))") }
    if let value = options.start { start = value } else if isNew { start = increment > 0 ? minimum : maximum }
    try requireWithin(start, "START")
    if let cache = options.cache {
      guard cache > 0 else { throw invalid("CACHE (\(cache)) must be greater than zero") }
      self.cache = cache
    }
    if isNew { initialState = SequenceState(lastValue: start, isCalled: false) }
    guard let restart = options.restart else { return }
    switch restart {
    case .atStart: initialState = SequenceState(lastValue: start, isCalled: false)
    case .value(let value, let isCalled):
      try requireWithin(value, "RESTART")
      initialState = SequenceState(lastValue: value, isCalled: isCalled)
    }
    generation &+= 1
  }

  private func requireWithin(_ value: Int64, _ name: String) throws(SQLError) {
    if value < minimum {
      throw SQLError(.invalidParameterValue, "\(name) value (\(value)) cannot be less than MINVALUE (\(minimum))")
    }
    if value > maximum {
      throw SQLError(.invalidParameterValue, "\(name) value (\(value)) cannot be greater than MAXVALUE (\(maximum))")
    }
  }

  private static func limits(of type: SQLType) throws(SQLError) -> ClosedRange<Int64> {
    switch type {
    case .int2: return Int64(Int16.min)...Int64(Int16.max)
    case .int4: return Int64(Int32.min)...Int64(Int32.max)
    case .int8: return Int64.min...Int64.max
    default: throw SQLError(.invalidParameterValue, "sequence type must be smallint, integer, or bigint")
    }
  }
}
