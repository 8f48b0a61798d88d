/// Types of the catalog's tables and functions: no column of a table that somebody creates has one.
///
/// Object identifiers hold integers, all others their text form.
public enum SystemType: UInt8, Hashable, Sendable, CaseIterable {
  // Object identifiers that are shown as names.
  case regclass = 1
  case regtype, regproc, regprocedure, regnamespace, regrole

  case json = 20
  case nodeTree

  // Arrays of one dimension.
  case booleanArray = 40
  case int2Array, int4Array, int8Array, float8Array, numericArray, textArray, varcharArray, nameArray, oidArray
  case uuidArray, accessArray
  /// Numbers with blanks between; their positions count from 0.
  case int2Vector, oidVector

  public var oid: UInt32 {
    switch self {
    case .regclass: 2205
    case .regtype: 2206
    case .regproc: 24
    case .regprocedure: 2202
    case .regnamespace: 4089
    case .regrole: 4096
    case .json: 114
    case .nodeTree: 194
    case .booleanArray: 1000
    case .int2Array: 1005
    case .int4Array: 1007
    case .int8Array: 1016
    case .float8Array: 1022
    case .numericArray: 1231
    case .textArray: 1009
    case .varcharArray: 1015
    case .nameArray: 1003
    case .oidArray: 1028
    case .uuidArray: 2951
    case .accessArray: 1034
    case .int2Vector: 22
    case .oidVector: 30
    }
  }

  /// `pg_type.typname`.
  public var internalName: String {
    switch self {
    case .regclass: "regclass"
    case .regtype: "regtype"
    case .regproc: "regproc"
    case .regprocedure: "regprocedure"
    case .regnamespace: "regnamespace"
    case .regrole: "regrole"
    case .json: "json"
    case .nodeTree: "pg_node_tree"
    case .int2Vector: "int2vector"
    case .oidVector: "oidvector"
    case .accessArray: "_aclitem"
    default: "_" + (elementType?.internalName ?? "")
    }
  }

  /// As messages and `format_type` name it.
  public var name: String {
    switch self {
    case .accessArray: "aclitem[]"
    case .int2Vector, .oidVector: internalName
    default: elementType.map { $0.baseName + "[]" } ?? internalName
    }
  }

  public var isObjectIdentifier: Bool { rawValue < 20 }

  /// What an array consists of; nil for other types.
  public var elementType: SQLType? {
    switch self {
    case .regclass, .regtype, .regproc, .regprocedure, .regnamespace, .regrole, .json, .nodeTree: nil
    case .booleanArray: .boolean
    case .int2Array, .int2Vector: .int2
    case .int4Array: .int4
    case .int8Array: .int8
    case .float8Array: .float8
    case .numericArray: .numeric(precision: nil, scale: nil)
    case .textArray, .accessArray: .text
    case .varcharArray: .varchar(maximumCharacters: nil)
    case .nameArray: .name
    case .oidArray, .oidVector: .oid
    case .uuidArray: .uuid
    }
  }

  public var isVector: Bool { self == .int2Vector || self == .oidVector }

  /// The position of an array's first element.
  public var lowerBound: Int { isVector ? 0 : 1 }

  /// The array whose elements are of the type; nil if there is none.
  public static func array(of element: SQLType) -> SystemType? {
    switch element {
    case .boolean: .booleanArray
    case .int2: .int2Array
    case .int4: .int4Array
    case .int8: .int8Array
    case .float4, .float8: .float8Array
    case .numeric: .numericArray
    // Of labels.
    case .text, .unknown, .character, .enumerated: .textArray
    case .varchar: .varcharArray
    case .name: .nameArray
    case .oid: .oidArray
    case .uuid: .uuidArray
    default: nil
    }
  }

  /// The texts of an array's elements; nil for NULL and for what is no array.
  public func elements(of value: Datum) -> [String?]? {
    guard case .text(let text) = value, elementType != nil else { return nil }
    return isVector ? text.split(separator: " ").map { String($0) } : ArrayText.parse(text)
  }

  public static func named(_ name: String) -> SystemType? {
    allCases.first { $0.internalName == name }
  }
}
