/// How PostgreSQL names and numbers the types: `pg_type`, `format_type`, the modifiers of `CREATE TABLE`.
extension SQLType {
  /// Row of `pg_type`.
  public var oid: UInt32 {
    switch self {
    case .boolean: 16
    case .bytea: 17
    case .name: 19
    case .int8: 20
    case .int2: 21
    case .int4: 23
    case .text: 25
    case .oid: 26
    case .float4: 700
    case .float8: 701
    case .unknown: 705
    case .character: 1042
    case .varchar: 1043
    case .date: 1082
    case .timestamp: 1114
    case .timestampWithTimeZone: 1184
    case .interval: 1186
    case .numeric: 1700
    case .void: 2278
    case .uuid: 2950
    case .system(let type): type.oid
    case .enumerated(let type): type.oid
    }
  }

  /// Bytes of a value, −1 for variable length, −2 for null-terminated (`pg_type.typlen`).
  public var size: Int16 {
    switch self {
    case .boolean: 1
    case .int2: 2
    case .int4, .float4, .date, .oid, .void, .enumerated: 4
    case .int8, .float8, .timestamp, .timestampWithTimeZone: 8
    case .uuid, .interval: 16
    case .name: 64
    case .unknown: -2
    case .system(let type): type.isObjectIdentifier ? 4 : -1
    case .numeric, .text, .varchar, .character, .bytea: -1
    }
  }

  /// The modifier as a row description carries it; −1 for none.
  public var typeModifier: Int32 {
    switch self {
    case .numeric(let precision?, let scale):
      Int32(truncatingIfNeeded: ((precision << 16) | ((scale ?? 0) & 0x7ff)) + 4)
    case .varchar(let maximum?): Int32(clamping: maximum) &+ 4
    case .character(let count) where count > 0: Int32(clamping: count) &+ 4
    default: -1
    }
  }

  /// nil for an oid that names none of the types here.
  public init?(oid: UInt32, typeModifier: Int32 = -1) {
    let modifier = typeModifier >= 4 ? Int(typeModifier) - 4 : nil
    switch oid {
    case 16: self = .boolean
    case 17: self = .bytea
    case 19: self = .name
    case 20: self = .int8
    case 21: self = .int2
    case 23: self = .int4
    case 25: self = .text
    case 26: self = .oid
    case 700: self = .float4
    case 701: self = .float8
    case 705: self = .unknown
    case 1042: self = .character(count: modifier ?? 0)
    case 1043: self = .varchar(maximumCharacters: modifier)
    case 1082: self = .date
    case 1114: self = .timestamp
    case 1184: self = .timestampWithTimeZone
    case 1186: self = .interval
    case 1700:
      guard let modifier else {
        self = .numeric(precision: nil, scale: nil)
        return
      }
      let scale = modifier & 0x7ff
      self = .numeric(precision: modifier >> 16 & 0xffff, scale: scale > 1_023 ? scale - 2_048 : scale)
    case 2278: self = .void
    case 2950: self = .uuid
    default:
      guard let type = SystemType.allCases.first(where: { $0.oid == oid }) else { return nil }
      self = .system(type)
    }
  }

  /// `pg_type.typname`.
  public var internalName: String {
    switch self {
    case .boolean: "bool"
    case .int2: "int2"
    case .int4: "int4"
    case .int8: "int8"
    case .float4: "float4"
    case .float8: "float8"
    case .numeric: "numeric"
    case .text: "text"
    case .varchar: "varchar"
    case .character: "bpchar"
    case .name: "name"
    case .bytea: "bytea"
    case .uuid: "uuid"
    case .date: "date"
    case .timestamp: "timestamp"
    case .timestampWithTimeZone: "timestamptz"
    case .interval: "interval"
    case .oid: "oid"
    case .unknown: "unknown"
    case .void: "void"
    case .system(let type): type.internalName
    case .enumerated(let type): type.name
    }
  }

  /// The same type without its modifiers.
  public var withoutModifier: SQLType {
    switch self {
    case .numeric: .numeric(precision: nil, scale: nil)
    case .varchar: .varchar(maximumCharacters: nil)
    case .character: .character(count: 0)
    default: self
    }
  }

  /// The same type, modifiers aside.
  public func isSameType(as other: SQLType) -> Bool { oid == other.oid }
}

extension SQLType: CustomStringConvertible {
  /// As `format_type` prints it, with modifiers.
  public var description: String {
    switch self {
    case .numeric(let precision?, let scale): "numeric(\(precision),\(scale ?? 0))"
    case .varchar(let maximum?): "character varying(\(maximum))"
    case .character(let count) where count > 0: "character(\(count))"
    default: baseName
    }
  }

  /// As PostgreSQL's messages name the type, without modifiers.
  public var baseName: String {
    switch self {
    case .boolean: "boolean"
    case .int2: "smallint"
    case .int4: "integer"
    case .int8: "bigint"
    case .float4: "real"
    case .float8: "double precision"
    case .varchar: "character varying"
    case .character: "character"
    case .timestamp: "timestamp without time zone"
    case .timestampWithTimeZone: "timestamp with time zone"
    case .system(let type): type.name
    default: internalName
    }
  }
}

extension SQLType {
  /// Whether values of the type have the same index key bytes as equal values of the column's type.
  public func isEncodedLike(_ column: SQLType) -> Bool {
    if isSameType(as: column) { return true }
    switch (self, column) {
    case (.int2, .int4), (.int2, .int8), (.int4, .int2), (.int4, .int8), (.int8, .int2), (.int8, .int4): return true
    case (.text, .varchar), (.varchar, .text), (.text, .name), (.name, .text), (.varchar, .name), (.name, .varchar):
      return true
    default: return false
    }
  }
}
