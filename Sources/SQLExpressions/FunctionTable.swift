import SQLValues

/// One overload of a function or operator.
public struct FunctionSignature: Hashable, Sendable {
  public let function: FunctionID
  /// Parameter types without modifiers. `unknown` stands for any type.
  public let parameters: [SQLType]
  public let result: SQLType
  /// The last parameter may be repeated.
  public let isVariadic: Bool
}

/// All scalar functions and operators: names, overloads, volatility.
public enum FunctionTable {
  /// Overloads of a function name; operators are under `FunctionTable.operators`.
  public static let functions: [String: [FunctionSignature]] = index(functionRows)
  public static let operators: [String: [FunctionSignature]] = index(operatorRows)

  public static func volatility(of function: FunctionID) -> Volatility {
    switch function {
    case .relationName, .typeName, .functionName, .namespaceName, .roleName, .relationNumber, .typeNumber,
      .functionNumber, .namespaceNumber, .roleNumber, .indexDefinition, .constraintDefinition, .viewDefinition,
      .serialSequence,
      .findRelation, .findType, .objectDescription, .columnDescription, .sharedDescription, .relationIsVisible,
      .typeIsVisible, .formatType,
      .jsonBuildObject:
      .stable
    case .random, .clockTimestamp, .randomUUID, .nextValue, .currentValue, .lastValue, .setValue: .volatile
    case .now, .statementTimestamp, .logicalTimestamp, .currentDate, .localTimestamp, .ageToday, .currentDatabase,
      .currentSchema,
      .currentUser, .sessionUser, .backendPID, .concat, .concatWithSeparator, .version:
      .stable
    default: .immutable
    }
  }

  /// Functions that are called although an argument is NULL; the others return NULL then.
  static func isCalledOnNull(_ function: FunctionID) -> Bool {
    switch function {
    case .concat, .concatWithSeparator, .typeOf, .formatType, .makeArray, .arrayToString, .arrayConcatenate,
      .arrayPosition, .stringToArray, .jsonBuildObject, .format:
      true
    default: false
    }
  }

  /// Casts between date/time types with and without time zone depend on the session's time zone; input of date/time
  /// words (`now`, `today`) depends on the clock.
  public static func castVolatility(from: SQLType, to: SQLType) -> Volatility {
    switch (from, to) {
    // Labels may be renamed.
    case (.enumerated, .enumerated), (.unknown, .enumerated): .immutable
    case (.enumerated, _), (_, .enumerated): .stable
    case (.timestampWithTimeZone, .timestampWithTimeZone): .immutable
    case (.timestampWithTimeZone, _), (.date, .timestampWithTimeZone), (.timestamp, .timestampWithTimeZone): .stable
    case (_, .date) where from.category == .string || from == .unknown: .stable
    case (_, .timestamp) where from.category == .string || from == .unknown: .stable
    case (_, .timestampWithTimeZone) where from.category == .string || from == .unknown: .stable
    default: .immutable
    }
  }

  private static func index(_ rows: [(String, FunctionSignature)]) -> [String: [FunctionSignature]] {
    Dictionary(grouping: rows, by: \.0).mapValues { $0.map(\.1) }
  }
}

// MARK: - Rows

extension FunctionTable {
  private static let numeric = SQLType.numeric(precision: nil, scale: nil)
  private static let any = SQLType.unknown

  private static func row(
    _ name: String, _ function: FunctionID, _ parameters: [SQLType], _ result: SQLType, variadic: Bool = false
  ) -> (String, FunctionSignature) {
    (
      name,
      FunctionSignature(function: function, parameters: parameters, result: result, isVariadic: variadic)
    )
  }

  /// Result of an operator over two integer types: the wider one.
  private static let integerPairs: [(SQLType, SQLType, SQLType)] = [
    (.int2, .int2, .int2), (.int2, .int4, .int4), (.int4, .int2, .int4), (.int4, .int4, .int4), (.int4, .int8, .int8),
    (.int8, .int4, .int8), (.int2, .int8, .int8), (.int8, .int2, .int8), (.int8, .int8, .int8),
  ]
  private static let floatPairs: [(SQLType, SQLType, SQLType)] = [
    (.float4, .float4, .float4), (.float4, .float8, .float8), (.float8, .float4, .float8), (.float8, .float8, .float8),
  ]
  private static let numberTypes: [SQLType] = [.int2, .int4, .int8, numeric, .float4, .float8]

  static let operatorRows: [(String, FunctionSignature)] = {
    var rows: [(String, FunctionSignature)] = []
    for (name, function) in [("+", FunctionID.add), ("-", .subtract), ("*", .multiply), ("/", .divide)] {
      for (left, right, result) in integerPairs + floatPairs {
        rows.append(row(name, function, [left, right], result))
      }
      rows.append(row(name, function, [numeric, numeric], numeric))
    }
    for type in [SQLType.int2, .int4, .int8, numeric] { rows.append(row("%", .modulo, [type, type], type)) }
    rows.append(row("^", .power, [.float8, .float8], .float8))
    rows.append(row("^", .power, [numeric, numeric], numeric))
    for type in numberTypes {
      rows.append(row("-", .negate, [type], type))
      rows.append(row("+", .identity, [type], type))
      rows.append(row("@", .absolute, [type], type))
    }
    for type in [SQLType.int2, .int4, .int8] {
      rows.append(row("&", .bitAnd, [type, type], type))
      rows.append(row("|", .bitOr, [type, type], type))
      rows.append(row("#", .bitXor, [type, type], type))
      rows.append(row("~", .bitNot, [type], type))
      rows.append(row("<<", .shiftLeft, [type, .int4], type))
      rows.append(row(">>", .shiftRight, [type, .int4], type))
    }
    rows.append(row("|/", .squareRoot, [.float8], .float8))
    rows.append(row("||", .concatenate, [.text, .text], .text))
    rows.append(row("||", .concatenate, [.text, any], .text))
    rows.append(row("||", .concatenate, [any, .text], .text))
    rows.append(row("||", .concatenate, [.bytea, .bytea], .bytea))
    rows.append(row("~~", .like, [.text, .text], .boolean))
    rows.append(row("~~", .like, [.name, .text], .boolean))
    rows.append(row("~~", .like, [.character(count: 0), .text], .boolean))
    rows.append(row("~~*", .likeIgnoringCase, [.text, .text], .boolean))
    rows.append(row("~~*", .likeIgnoringCase, [.name, .text], .boolean))
    rows.append(row("^@", .startsWith, [.text, .text], .boolean))
    for type in [SQLType.text, .name, .character(count: 0)] {
      rows.append(row("~", .regexMatch, [type, .text], .boolean))
      rows.append(row("~*", .regexMatchIgnoringCase, [type, .text], .boolean))
    }
    for type in [SQLType.timestamp, .timestampWithTimeZone] {
      rows.append(row("+", .addInterval, [type, .interval], type))
      rows.append(row("-", .subtractInterval, [type, .interval], type))
      rows.append(row("-", .subtractTimestamps, [type, type], .interval))
    }
    rows.append(row("+", .addInterval, [.interval, .timestamp], .timestamp))
    rows.append(row("+", .addInterval, [.interval, .timestampWithTimeZone], .timestampWithTimeZone))
    rows.append(row("+", .addInterval, [.date, .interval], .timestamp))
    rows.append(row("+", .addInterval, [.interval, .date], .timestamp))
    rows.append(row("-", .subtractInterval, [.date, .interval], .timestamp))
    rows.append(row("+", .addInterval, [.interval, .interval], .interval))
    rows.append(row("-", .subtractInterval, [.interval, .interval], .interval))
    rows.append(row("-", .negate, [.interval], .interval))
    rows.append(row("*", .scaleInterval, [.interval, .float8], .interval))
    rows.append(row("*", .scaleInterval, [.float8, .interval], .interval))
    rows.append(row("/", .divideInterval, [.interval, .float8], .interval))
    rows.append(row("+", .addDays, [.date, .int4], .date))
    rows.append(row("+", .addDays, [.int4, .date], .date))
    rows.append(row("-", .subtractDays, [.date, .int4], .date))
    rows.append(row("-", .subtractDates, [.date, .date], .int4))
    return rows
  }()

  /// Types whose values can be compared, each with itself.
  static let comparisonRows: [(SQLType, SQLType)] =
    integerPairs.map { ($0.0, $0.1) } + floatPairs.map { ($0.0, $0.1) }
    + [
      numeric, .boolean, .text, .character(count: 0), .name, .bytea, .uuid, .date, .timestamp, .timestampWithTimeZone,
      .interval, .oid,
    ].map { ($0, $0) } + [(.name, .text), (.text, .name)]
    + SystemType.allCases.filter { !$0.isObjectIdentifier }.map { (.system($0), .system($0)) }

  static let functionRows: [(String, FunctionSignature)] = {
    var rows: [(String, FunctionSignature)] = []
    for type in numberTypes { rows.append(row("abs", .absolute, [type], type)) }
    for type in [SQLType.float8, numeric] {
      rows.append(row("round", .round, [type], type))
      rows.append(row("trunc", .truncate, [type], type))
      rows.append(row("floor", .floor, [type], type))
      rows.append(row("ceil", .ceiling, [type], type))
      rows.append(row("ceiling", .ceiling, [type], type))
      rows.append(row("sign", .sign, [type], type))
      rows.append(row("sqrt", .squareRoot, [type], type))
      rows.append(row("exp", .exponential, [type], type))
      rows.append(row("ln", .naturalLogarithm, [type], type))
      rows.append(row("log", .commonLogarithm, [type], type))
      rows.append(row("log10", .commonLogarithm, [type], type))
      rows.append(row("power", .power, [type, type], type))
      rows.append(row("pow", .power, [type, type], type))
    }
    rows.append(row("round", .round, [numeric, .int4], numeric))
    rows.append(row("trunc", .truncate, [numeric, .int4], numeric))
    for type in [SQLType.int2, .int4, .int8, numeric] { rows.append(row("mod", .modulo, [type, type], type)) }
    rows.append(row("div", .integerDivide, [numeric, numeric], numeric))
    rows.append(row("random", .random, [], .float8))
    rows.append(row("pi", .pi, [], .float8))

    rows.append(row("concat", .concat, [any], .text, variadic: true))
    rows.append(row("concat_ws", .concatWithSeparator, [.text, any], .text, variadic: true))
    for name in ["length", "char_length", "character_length"] {
      rows.append(row(name, .characterLength, [.text], .int4))
      rows.append(row(name, .characterLength, [.character(count: 0)], .int4))
    }
    rows.append(row("length", .octetLength, [.bytea], .int4))
    for type in [SQLType.text, .bytea] {
      rows.append(row("octet_length", .octetLength, [type], .int4))
      rows.append(row("bit_length", .bitLength, [type], .int4))
      for name in ["substring", "substr"] {
        rows.append(row(name, .substring, [type, .int4], type))
        rows.append(row(name, .substring, [type, .int4, .int4], type))
      }
    }
    rows.append(row("lower", .lower, [.text], .text))
    rows.append(row("upper", .upper, [.text], .text))
    rows.append(row("initcap", .initialCapitals, [.text], .text))
    for (name, function) in [("btrim", FunctionID.trimBoth), ("ltrim", .trimLeft), ("rtrim", .trimRight)] {
      rows.append(row(name, function, [.text], .text))
      rows.append(row(name, function, [.text, .text], .text))
    }
    rows.append(row("replace", .replace, [.text, .text, .text], .text))
    rows.append(row("position", .strpos, [.text, .text], .int4))
    rows.append(row("strpos", .strpos, [.text, .text], .int4))
    rows.append(row("left", .left, [.text, .int4], .text))
    rows.append(row("right", .right, [.text, .int4], .text))
    rows.append(row("repeat", .repeat, [.text, .int4], .text))
    rows.append(row("reverse", .reverse, [.text], .text))
    for (name, function) in [("lpad", FunctionID.padLeft), ("rpad", .padRight)] {
      rows.append(row(name, function, [.text, .int4], .text))
      rows.append(row(name, function, [.text, .int4, .text], .text))
    }
    rows.append(row("split_part", .splitPart, [.text, .text, .int4], .text))
    rows.append(row("translate", .translate, [.text, .text, .text], .text))
    rows.append(row("chr", .character, [.int4], .text))
    rows.append(row("ascii", .codePoint, [.text], .int4))
    rows.append(row("md5", .md5, [.text], .text))
    rows.append(row("md5", .md5, [.bytea], .text))
    rows.append(row("starts_with", .startsWith, [.text, .text], .boolean))
    rows.append(row("to_hex", .toHexadecimal, [.int4], .text))
    rows.append(row("to_hex", .toHexadecimal, [.int8], .text))
    rows.append(row("quote_literal", .quoteLiteral, [.text], .text))
    rows.append(row("quote_ident", .quoteIdentifier, [.text], .text))
    rows.append(row("encode", .encode, [.bytea, .text], .text))
    rows.append(row("decode", .decode, [.text, .text], .bytea))
    rows.append(row("regexp_replace", .regexReplace, [.text, .text, .text], .text))
    rows.append(row("regexp_replace", .regexReplace, [.text, .text, .text, .text], .text))
    rows.append(row("regexp_replace", .regexReplace, [.text, .text, .text, .int4], .text))
    rows.append(row("regexp_replace", .regexReplace, [.text, .text, .text, .int4, .int4], .text))
    rows.append(row("regexp_replace", .regexReplace, [.text, .text, .text, .int4, .int4, .text], .text))
    let textArray = SQLType.system(.textArray)
    for (name, function, result) in [
      ("regexp_match", FunctionID.regexFirstMatch, textArray), ("regexp_split_to_array", .regexSplit, textArray),
      ("regexp_like", .regexLike, .boolean),
    ] {
      rows.append(row(name, function, [.text, .text], result))
      rows.append(row(name, function, [.text, .text, .text], result))
    }
    func prefixes(_ name: String, _ function: FunctionID, _ parameters: [SQLType], _ result: SQLType) {
      for count in 2...parameters.count {
        rows.append(row(name, function, Array(parameters.prefix(count)), result))
      }
    }
    prefixes("regexp_count", .regexCount, [.text, .text, .int4, .text], .int4)
    prefixes("regexp_instr", .regexInstr, [.text, .text, .int4, .int4, .int4, .text, .int4], .int4)
    prefixes("regexp_substr", .regexSubstr, [.text, .text, .int4, .int4, .text, .int4], .text)
    rows.append(row("substring", .regexSubstring, [.text, .text], .text))
    rows.append(row("format", .format, [.text], .text))
    rows.append(row("format", .format, [.text, any], .text, variadic: true))
    rows.append(row("substring", .regexSubstring, [.text, .text, .text], .text))
    for name in ["similar_to_escape", "similar_escape"] {
      rows.append(row(name, .similarPattern, [.text], .text))
      rows.append(row(name, .similarPattern, [.text, .text], .text))
    }
    rows.append(row("format_type", .formatType, [.oid, .int4], .text))
    rows.append(row("pg_get_indexdef", .indexDefinition, [.oid], .text))
    rows.append(row("pg_get_indexdef", .indexDefinition, [.oid, .int4, .boolean], .text))
    rows.append(row("pg_get_viewdef", .viewDefinition, [.oid], .text))
    rows.append(row("pg_get_viewdef", .viewDefinition, [.oid, .boolean], .text))
    rows.append(row("pg_get_viewdef", .viewDefinition, [.oid, .int4], .text))
    rows.append(row("pg_get_viewdef", .viewDefinition, [.text], .text))
    rows.append(row("pg_get_viewdef", .viewDefinition, [.text, .boolean], .text))
    rows.append(row("pg_get_constraintdef", .constraintDefinition, [.oid], .text))
    rows.append(row("pg_get_constraintdef", .constraintDefinition, [.oid, .boolean], .text))
    rows.append(row("pg_get_serial_sequence", .serialSequence, [.text, .text], .text))
    rows.append(row("to_regclass", .findRelation, [.text], .system(.regclass)))
    rows.append(row("to_regtype", .findType, [.text], .system(.regtype)))
    rows.append(row("obj_description", .objectDescription, [.oid], .text))
    rows.append(row("obj_description", .objectDescription, [.oid, .name], .text))
    rows.append(row("col_description", .columnDescription, [.oid, .int4], .text))
    rows.append(row("shobj_description", .sharedDescription, [.oid, .name], .text))
    rows.append(row("pg_table_is_visible", .relationIsVisible, [.oid], .boolean))
    rows.append(row("pg_type_is_visible", .typeIsVisible, [.oid], .boolean))
    rows.append(row("pg_size_pretty", .prettySize, [.int8], .text))
    rows.append(row("array_to_string", .arrayToString, [textArray, .text], .text))
    rows.append(row("array_to_string", .arrayToString, [textArray, .text, .text], .text))
    rows.append(row("string_to_array", .stringToArray, [.text, .text], textArray))
    rows.append(row("string_to_array", .stringToArray, [.text, .text, .text], textArray))
    for (name, function) in [
      ("array_length", FunctionID.arrayLength), ("array_upper", .arrayUpper), ("array_lower", .arrayLower),
    ] {
      rows.append(row(name, function, [textArray, .int4], .int4))
    }
    rows.append(row("cardinality", .cardinality, [textArray], .int4))
    rows.append(row("array_cat", .arrayConcatenate, [textArray, textArray], textArray))
    rows.append(row("array_position", .arrayPosition, [textArray, .text], .int4))
    rows.append(row("like", .like, [.text, .text], .boolean))
    rows.append(row("like_escape", .likeEscape, [.text, .text], .text))

    for name in ["now", "transaction_timestamp"] { rows.append(row(name, .now, [], .timestampWithTimeZone)) }
    rows.append(row("statement_timestamp", .statementTimestamp, [], .timestampWithTimeZone))
    rows.append(row("clock_timestamp", .clockTimestamp, [], .timestampWithTimeZone))
    rows.append(row("cluster_logical_timestamp", .logicalTimestamp, [], numeric))
    rows.append(row("current_timestamp", .now, [], .timestampWithTimeZone))
    rows.append(row("current_date", .currentDate, [], .date))
    rows.append(row("localtimestamp", .localTimestamp, [], .timestamp))
    for type in [SQLType.timestamp, .timestampWithTimeZone, .interval] {
      rows.append(row("date_trunc", .dateTruncate, [.text, type], type))
    }
    for type in [SQLType.timestamp, .timestampWithTimeZone, .interval, .date] {
      rows.append(row("date_part", .datePart, [.text, type], .float8))
      rows.append(row("extract", .extract, [.text, type], numeric))
    }
    for type in [SQLType.timestamp, .timestampWithTimeZone] {
      rows.append(row("age", .age, [type, type], .interval))
      rows.append(row("age", .ageToday, [type], .interval))
    }
    rows.append(row("make_date", .makeDate, [.int4, .int4, .int4], .date))
    rows.append(row("to_timestamp", .toTimestamp, [.float8], .timestampWithTimeZone))
    rows.append(row("timezone", .atTimeZone, [.text, .timestamp], .timestampWithTimeZone))
    rows.append(row("timezone", .atTimeZone, [.text, .timestampWithTimeZone], .timestamp))

    rows.append(row("gen_random_uuid", .randomUUID, [], .uuid))
    rows.append(row("version", .version, [], .text))
    rows.append(row("current_database", .currentDatabase, [], .name))
    rows.append(row("current_catalog", .currentDatabase, [], .name))
    rows.append(row("current_schema", .currentSchema, [], .name))
    for name in ["current_user", "user", "current_role"] { rows.append(row(name, .currentUser, [], .name)) }
    rows.append(row("session_user", .sessionUser, [], .name))
    rows.append(row("pg_backend_pid", .backendPID, [], .int4))
    rows.append(row("pg_typeof", .typeOf, [any], .text))

    // What the first argument names is found when a statement is planned, or by name when it runs.
    for type in [SQLType.oid, .text] {
      rows.append(row("nextval", .nextValue, [type], .int8))
      rows.append(row("currval", .currentValue, [type], .int8))
      rows.append(row("setval", .setValue, [type, .int8], .int8))
      rows.append(row("setval", .setValue, [type, .int8, .boolean], .int8))
    }
    rows.append(row("lastval", .lastValue, [], .int8))
    return rows
  }()
}

// MARK: - Argument counts

extension FunctionTable {
  private static let argumentCounts: [FunctionID: (counts: Set<Int>, isVariadic: Bool)] = {
    // Those that only the binder calls have no name.
    var result: [FunctionID: (counts: Set<Int>, isVariadic: Bool)] = [
      .makeArray: ([0], true), .arrayElement: ([2], false), .arrayContains: ([2], false),
      .jsonBuildObject: ([0], true),
    ]
    for (_, signature) in operatorRows + functionRows {
      var entry = result[signature.function] ?? ([], false)
      entry.counts.insert(signature.parameters.count)
      entry.isVariadic = entry.isVariadic || signature.isVariadic
      result[signature.function] = entry
    }
    return result
  }()

  /// Whether the function has an overload with so many arguments: checked for expressions from outside.
  static func accepts(argumentCount: Int, for function: FunctionID) -> Bool {
    guard let entry = argumentCounts[function] else { return false }
    return entry.counts.contains(argumentCount) || (entry.isVariadic && argumentCount >= (entry.counts.min() ?? 0))
  }
}
