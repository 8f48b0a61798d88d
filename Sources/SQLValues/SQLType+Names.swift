import Basics

/// From a type name and its modifiers, as they stand in a statement, to the type.
extension SQLType {
  /// The largest length of `varchar(n)` and `char(n)`.
  public static let maximumCharacters = 10_485_760
  public static let maximumNumericPrecision = 1_000

  /// The type of a name of PostgreSQL (`int4`, `integer`, `character varying`, …), lower-case as the parser leaves it.
  /// Throws 42704 for a name that is no type, 22023 for modifiers out of range, 0A000 for types that are not built yet.
  public static func named(_ name: String, modifiers: [Int] = []) throws(SQLError) -> SQLType {
    let type = try base(named: name)
    switch type {
    case .numeric: return try numeric(modifiers: modifiers)
    case .varchar: return .varchar(maximumCharacters: try length(modifiers, of: "varchar"))
    case .character:
      let length = try length(modifiers, of: "char")
      return .character(count: length ?? (name == "bpchar" ? 0 : 1))
    case .timestamp, .timestampWithTimeZone, .interval:
      guard modifiers.allSatisfy({ $0 >= 6 }) else { throw .unsupported("\(type.baseName) with fewer than six digits") }
      return type
    default:
      guard modifiers.isEmpty else {
        throw SQLError(.syntaxError, "type modifier is not allowed for type \"\(name)\"")
      }
      return type
    }
  }

  private static func base(named name: String) throws(SQLError) -> SQLType {
    switch name {
    case "bool", "boolean": return .boolean
    case "int2", "smallint": return .int2
    case "int4", "int", "integer": return .int4
    case "int8", "bigint": return .int8
    case "float4", "real": return .float4
    case "float8", "float", "double precision": return .float8
    case "numeric", "decimal", "dec": return .numeric(precision: nil, scale: nil)
    case "text", "string": return .text
    case "varchar", "character varying", "char varying": return .varchar(maximumCharacters: nil)
    case "bpchar", "character", "char": return .character(count: 0)
    case "name": return .name
    case "bytea", "bytes": return .bytea
    case "uuid": return .uuid
    case "date": return .date
    case "timestamp", "timestamp without time zone": return .timestamp
    case "timestamptz", "timestamp with time zone": return .timestampWithTimeZone
    case "interval": return .interval
    case "oid", "regclass", "regtype", "regproc", "regnamespace": return .oid
    case "unknown": return .unknown
    case "void": return .void
    case "json", "jsonb", "time", "timetz", "xml", "money", "inet", "cidr", "macaddr", "bit", "varbit", "point", "line",
      "lseg", "box", "path", "polygon", "circle", "tsvector", "tsquery", "int4range", "int8range", "numrange",
      "tsrange",
      "tstzrange", "daterange", "hstore":
      throw .unsupported("type \(name)")
    default: throw SQLError(.undefinedObject, "type \"\(name)\" does not exist")
    }
  }

  private static func numeric(modifiers: [Int]) throws(SQLError) -> SQLType {
    guard let precision = modifiers.first else { return .numeric(precision: nil, scale: nil) }
    guard modifiers.count <= 2 else { throw SQLError(.invalidParameterValue, "invalid NUMERIC type modifier") }
    guard precision >= 1, precision <= maximumNumericPrecision else {
      throw SQLError(.invalidParameterValue, "NUMERIC precision \(precision) must be between 1 and 1000")
    }
    let scale = modifiers.count == 2 ? modifiers[1] : 0
    guard scale >= -1_000, scale <= 1_000 else {
      throw SQLError(.invalidParameterValue, "NUMERIC scale \(scale) must be between -1000 and 1000")
    }
    return .numeric(precision: precision, scale: scale)
  }

  private static func length(_ modifiers: [Int], of name: String) throws(SQLError) -> Int? {
    guard let length = modifiers.first else { return nil }
    guard modifiers.count == 1 else { throw SQLError(.syntaxError, "invalid type modifier") }
    guard length >= 1 else {
      throw SQLError(.invalidParameterValue, "length for type \(name) must be at least 1")
    }
    guard length <= maximumCharacters else {
      throw SQLError(.invalidParameterValue, "length for type \(name) cannot exceed \(maximumCharacters)")
    }
    return length
  }
}
