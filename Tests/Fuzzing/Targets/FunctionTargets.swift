import Basics
import SQLExpressions
import SQLValues

/// Functions and operators, called as another process may ask for it.
let functionTargets: [FuzzTarget] = [FuzzTarget("function", seeds: functionSeeds, run: runFunction)]

/// Functions first, then operators, each by name.
private let signatures: [FunctionSignature] = [FunctionTable.functions, FunctionTable.operators].flatMap { table in
  table.sorted { $0.key < $1.key }.flatMap(\.value)
}

/// Which signature (two bytes), whether arguments are of other types than it says (one byte: the lowest bit), then the
/// arguments: in text form where that can be read as the type, else in binary form; if they are wrong, in the `Datum` codec.
private func runFunction(_ bytes: [UInt8]) {
  var input = FuzzInput(bytes)
  let signature = signatures[(Int(input.byte()) << 8 | Int(input.byte())) % signatures.count]
  let isWrong = input.byte() & 1 == 1
  var types = signature.parameters
  if signature.isVariadic, let last = types.last { types.append(last) }
  let arguments = types.map { type in
    let chosen = isWrong || type == .unknown ? input.choice(fuzzTypes) : type
    return Expression.constant(argument(input.piece(), chosen, isWrong: isWrong), chosen)
  }
  let call = Expression.call(signature.function, arguments, signature.result)
  let first = evaluated(call)
  guard FunctionTable.volatility(of: signature.function) == .immutable else { return }
  require(evaluated(call).map(encoded) == first.map(encoded), "\(call) is the same again")
  // What is large is compared once only, or a run gets nowhere.
  guard !isWrong, let first, encoded(first).count <= 1 << 16, !first.isNull, signature.result != .unknown else {
    return
  }
  checkValue(plain(first), signature.result, "\(call)")
}

private func evaluated(_ expression: Expression) -> Datum? {
  var context = EvaluationContext()
  return try? expression.evaluate([], &context)
}

private func argument(_ piece: [UInt8], _ type: SQLType, isWrong: Bool) -> Datum {
  if isWrong, let found = try? datum(piece) { return found.value }
  if !piece.contains(0), let text = String(validating: piece, as: UTF8.self),
    let value = try? Datum.parse(text, as: type)
  {
    return value
  }
  return (try? Datum.parseBinary(piece[...], as: type)) ?? .null
}

private func functionSeeds() -> [[UInt8]] {
  let texts: [SQLType: String] = [
    .boolean: "t", .text: "ab c", .bytea: "\\x0102", .uuid: "123e4567-e89b-12d3-a456-426614174000", .date: "2024-02-29",
    .timestamp: "2024-02-29 12:34:56.789", .timestampWithTimeZone: "2024-02-29 12:34:56+02", .interval: "1 mon 2 days",
  ]
  return signatures.indices.map { position in
    let arguments = signatures[position].parameters.flatMap { type in
      let text = Array((texts[type] ?? "3").utf8)
      // Where any type will do, a byte chooses one.
      return (type == .unknown ? [8] : []) + [UInt8(text.count)] + text
    }
    return [UInt8(position >> 8), UInt8(position & 255), 0] + arguments
  }
}
