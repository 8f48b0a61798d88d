/// The stable number of a function's implementation: kept in stored defaults and sent to storage nodes, so a number is
/// never given to another function. One implementation serves all overloads; it sees the values and the result type.
public enum FunctionID: UInt16, Hashable, Sendable, CaseIterable {
  // Arithmetic.
  case add = 1
  case subtract = 2
  case multiply = 3
  case divide = 4
  case modulo = 5
  case power = 6
  case negate = 7
  case absolute = 8
  case identity = 9
  case bitAnd = 10
  case bitOr = 11
  case bitXor = 12
  case bitNot = 13
  case shiftLeft = 14
  case shiftRight = 15
  case round = 16
  case truncate = 17
  case floor = 18
  case ceiling = 19
  case sign = 20
  case squareRoot = 21
  case exponential = 22
  case naturalLogarithm = 23
  case commonLogarithm = 24
  case integerDivide = 25
  case random = 26
  case pi = 27

  // Text.
  case concatenate = 40
  case concat = 41
  case concatWithSeparator = 42
  case characterLength = 43
  case octetLength = 44
  case bitLength = 45
  case lower = 46
  case upper = 47
  case initialCapitals = 48
  case substring = 49
  case trimBoth = 50
  case trimLeft = 51
  case trimRight = 52
  case replace = 53
  case position = 54
  case left = 55
  case right = 56
  case `repeat` = 57
  case reverse = 58
  case padLeft = 59
  case padRight = 60
  case splitPart = 61
  case translate = 62
  case character = 63
  case codePoint = 64
  case md5 = 65
  case startsWith = 66
  case toHexadecimal = 67
  case quoteLiteral = 68
  case quoteIdentifier = 69
  case encode = 70
  case decode = 71
  case like = 72
  case likeIgnoringCase = 73
  /// `like_escape(pattern, escape)`: the pattern with backslash as its escape character.
  case likeEscape = 74
  case strpos = 75
  /// `text ~ pattern`
  case regexMatch = 76
  case regexMatchIgnoringCase = 77
  case regexReplace = 78
  /// `regexp_match`
  case regexFirstMatch = 79
  case regexLike = 80
  case regexCount = 81
  case regexInstr = 82
  case regexSubstr = 83
  /// `regexp_split_to_array`
  case regexSplit = 84
  /// `substring(text FROM pattern)`
  case regexSubstring = 85
  /// `similar_to_escape(pattern, escape)`: the regular expression of a `SIMILAR TO` pattern.
  case similarPattern = 86
  /// `format(text, value…)` with `%s`, `%I`, `%L` and `%%`.
  case format = 88

  // Date and time.
  case now = 100
  case statementTimestamp = 101
  case clockTimestamp = 102
  case currentDate = 103
  case localTimestamp = 104
  case dateTruncate = 105
  case datePart = 106
  case extract = 107
  case age = 108
  case makeDate = 109
  case toTimestamp = 110
  case addInterval = 111
  case subtractInterval = 112
  case subtractTimestamps = 113
  case addDays = 114
  case subtractDays = 115
  case subtractDates = 116
  case scaleInterval = 117
  case divideInterval = 118
  case atTimeZone = 119
  case ageToday = 120
  /// `cluster_logical_timestamp()`: what the statement reads at.
  case logicalTimestamp = 121

  // Identity and session.
  case randomUUID = 140
  case version = 141
  case currentDatabase = 142
  case currentSchema = 143
  case currentUser = 144
  case sessionUser = 145
  case backendPID = 146
  case typeOf = 147

  // Catalog: what a number or a name stands for.
  case formatType = 150
  case relationName = 151
  case typeName = 152
  case functionName = 153
  case namespaceName = 154
  case roleName = 155
  case relationNumber = 156
  case typeNumber = 157
  case functionNumber = 158
  case namespaceNumber = 159
  case roleNumber = 160
  case indexDefinition = 161
  case constraintDefinition = 162
  case serialSequence = 163
  /// `to_regclass`
  case findRelation = 165
  /// `to_regtype`
  case findType = 166
  case prettySize = 167
  /// `pg_get_expr` as psql asks for it.
  case prettyExpression = 168
  case objectDescription = 169
  case columnDescription = 170
  case sharedDescription = 171
  case relationIsVisible = 172
  /// `pg_get_viewdef`
  case viewDefinition = 175
  case typeIsVisible = 173

  // Sequences.
  case nextValue = 180
  case currentValue = 181
  case lastValue = 182
  case setValue = 183

  // Arrays.
  case makeArray = 190
  case arrayToString = 191
  case arrayLength = 192
  case arrayUpper = 193
  case arrayLower = 194
  case cardinality = 195
  case arrayElement = 196
  case arrayConcatenate = 197
  /// `value = ANY (array)`
  case arrayContains = 198
  case arrayPosition = 199
  case stringToArray = 200

  // JSON.
  case jsonBuildObject = 220
}
