/// Where a cast may happen without being written out (PostgreSQL 15, `CREATE CAST`).
public enum CastContext: Int, Hashable, Comparable, Sendable {
  /// Anywhere in an expression.
  case implicit = 0
  /// When a value is stored in a column.
  case assignment = 1
  /// Only by `CAST` or `::`.
  case explicit = 2

  public static func < (left: CastContext, right: CastContext) -> Bool { left.rawValue < right.rawValue }
}

/// Groups of types between which overload resolution prefers (PostgreSQL 15, table 53.65).
public enum TypeCategory: Hashable, Sendable {
  case boolean, numeric, string, dateTime, timeSpan, userDefined, array, unknown, pseudo
}

extension SQLType {
  public var category: TypeCategory {
    switch self {
    case .boolean: .boolean
    case .int2, .int4, .int8, .float4, .float8, .numeric, .oid: .numeric
    case .text, .varchar, .character, .name: .string
    case .date, .timestamp, .timestampWithTimeZone: .dateTime
    case .interval: .timeSpan
    case .bytea, .uuid, .enumerated: .userDefined
    case .unknown: .unknown
    case .void: .pseudo
    case .system(let type): type.isObjectIdentifier ? .numeric : type.elementType != nil ? .array : .userDefined
    }
  }

  /// The type its category falls back to when several would do.
  public var isPreferred: Bool {
    switch self {
    case .boolean, .float8, .oid, .text, .timestampWithTimeZone, .interval: true
    default: false
    }
  }

  public var isEnumerated: Bool { if case .enumerated = self { true } else { false } }

  public var isInteger: Bool {
    switch self {
    case .int2, .int4, .int8: true
    default: false
    }
  }

  /// The least explicit context in which a value of this type becomes `target`; nil if it never does.
  public func castContext(to target: SQLType) -> CastContext? {
    if isSameType(as: target) { return .implicit }
    switch (self, target) {
    case (.void, _), (_, .void): return nil
    case (.unknown, _): return .implicit
    case (_, .unknown): return nil
    case (.int2, .int4), (.int2, .int8), (.int4, .int8): return .implicit
    case (.int8, .int4), (.int8, .int2), (.int4, .int2): return .assignment
    case (.int2, .float4), (.int2, .float8), (.int2, .numeric), (.int4, .float4), (.int4, .float8), (.int4, .numeric),
      (.int8, .float4), (.int8, .float8), (.int8, .numeric), (.float4, .float8), (.numeric, .float4),
      (.numeric, .float8):
      return .implicit
    case (.float8, .float4), (.float4, .numeric), (.float8, .numeric): return .assignment
    case (.float4, .int2), (.float4, .int4), (.float4, .int8), (.float8, .int2), (.float8, .int4), (.float8, .int8),
      (.numeric, .int2), (.numeric, .int4), (.numeric, .int8):
      return .assignment
    case (.int2, .oid), (.int4, .oid), (.int8, .oid): return .implicit
    case (.oid, .int4), (.oid, .int8): return .assignment
    case (.int4, .boolean), (.boolean, .int4): return .explicit
    case (.date, .timestamp), (.date, .timestampWithTimeZone), (.timestamp, .timestampWithTimeZone): return .implicit
    case (.timestamp, .date), (.timestampWithTimeZone, .date), (.timestampWithTimeZone, .timestamp): return .assignment
    case (.name, .varchar), (.name, .character): return .assignment
    case (.system(let type), .oid) where type.isObjectIdentifier: return .implicit
    case (.oid, .system(let type)), (.int2, .system(let type)), (.int4, .system(let type)), (.int8, .system(let type)):
      return type.isObjectIdentifier ? .assignment : nil
    case (.system(let type), .int4), (.system(let type), .int8):
      return type.isObjectIdentifier ? .assignment : nil
    case (.system(let from), .system(let to)):
      if from.elementType == nil || to.elementType == nil { return nil }
      return from.isVector || (from == .varcharArray && to == .textArray) ? .implicit : .explicit
    case _ where category == .string && target.category == .string: return .implicit
    // Conversion through the text form.
    case _ where target.category == .string: return .assignment
    case _ where category == .string: return .explicit
    default: return nil
    }
  }

  public func isCastable(to target: SQLType, in context: CastContext) -> Bool {
    guard let needed = castContext(to: target) else { return false }
    return needed <= context
  }
}
